"""``python -m pipeline`` is ``threadline``."""

from pipeline.cli.start import main

main()
