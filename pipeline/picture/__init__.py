"""Pixels in, pixels or numbers out: pure functions over pictures."""
