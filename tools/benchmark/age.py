"""How old results are when the model is far too slow: by the numbers painted into the pictures."""

from __future__ import annotations

import argparse
from typing import Any

from benchmark.peers import figures, run
from benchmark.streams import Server, material

#: Seconds a model takes: 3.75 times what 15 frames a second allow.
MODEL_S = 0.25


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print one line; all figures."""
    stream = material(args.video, ".h264", args.rate, 360)
    with Server(stream, 1, args.rate) as server:
        result = run("threadline", server.urls, f"sleep:{MODEL_S}", args.seconds)
        if result is None:
            raise SystemExit("no results")
        found = figures(result, server, 1, args.seconds)
    shown = [name for name, value in found.items() if isinstance(value, float)]
    print(f"| {' | '.join(shown)} |\n|{'---|' * len(shown)}")
    print(f"| {' | '.join(f'{found[name]:.3g}' for name in shown)} |")
    return found
