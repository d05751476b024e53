"""Each module is one change, in the order of ``down_revision``."""
