"""Cameras that are received and decoded in processes of their own: Python runs one thread of a
process at a time, and each camera needs it dozens of times a second."""
