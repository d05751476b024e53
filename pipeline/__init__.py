"""Threadline: cameras in, clothes tags out."""

__version__ = "0.1.0"
