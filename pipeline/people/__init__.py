"""Who is where: when to look, at what, and who it is."""
