"""Models opened, built, quantised and compared."""
