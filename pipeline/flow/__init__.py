"""The threads, and what passes between them."""
