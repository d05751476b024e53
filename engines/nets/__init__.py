"""PyTorch definitions of the networks (the ``train`` extra; never imported at run time)."""
