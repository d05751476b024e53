"""The training methods a user runs: pictures in, a pack out (``threadline teach``).

What learns needs the ``train`` extra; its modules import PyTorch and are themselves imported late.
Reading pictures from files is the caller's: this takes arrays.
"""
