"""``python -m pipeline`` is ``threadline``."""

from pipeline.cli.app import main

main()
