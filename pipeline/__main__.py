"""``python -m pipeline`` is ``threadline``."""

from pipeline.cli import main

main()
