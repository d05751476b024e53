"""What ``tools/fuzz.py`` is made of: readers of foreign input, and the process that tries them."""
