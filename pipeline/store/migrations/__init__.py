"""Changes of the store's tables, one module each under ``versions``."""
