"""Brand marks."""
