"""What people wear and what marks are where."""
