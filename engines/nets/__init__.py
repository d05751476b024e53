"""PyTorch definitions of the networks (the ``train`` extra; never imported by what runs them)."""
