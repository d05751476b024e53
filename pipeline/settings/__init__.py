"""All settings: their schema and their file."""
