"""Garments of people."""
