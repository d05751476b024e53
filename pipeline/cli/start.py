"""Where ``threadline`` begins: quickly, so that Ctrl-C is clean while the rest is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of ``threadline``."""
    try:
        # Half a second of imports, in which somebody may change their mind.
        from pipeline.cli.app import app

        sys.exit(app())
    except KeyboardInterrupt:
        sys.exit(130)
