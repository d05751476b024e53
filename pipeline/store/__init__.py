"""The past: what was reported, kept on this machine."""
