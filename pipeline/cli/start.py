"""Where ``threadline`` begins: quickly, so that Ctrl-C is clean while the rest is imported."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry point of ``threadline``."""
    # Scripts have what they start in the background ignore Ctrl-C; one sent later would still end
    # a run, so one sent now does as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Half a second of imports, in which somebody may change their mind.
        from pipeline.cli.app import app

        sys.exit(app())
    except KeyboardInterrupt:
        sys.exit(130)
