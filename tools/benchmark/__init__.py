"""What tools/bench.py can measure, one module each."""
