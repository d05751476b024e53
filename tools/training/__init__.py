"""Datasets, losses and training loops (the ``train`` extra; never imported at run time)."""
