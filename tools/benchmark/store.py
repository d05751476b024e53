"""What the store costs the analysis of cameras: with and without it by turns."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmark import cameras
from benchmark.streams import STRIP, Server, material
from pipeline.settings.schema import make_config

#: What is compared: of the first four more is better, of the last two less.
SHOWN = (
    "analysed a second, slowest camera", "detections a second, slowest camera",
    "crops a second and camera", "analysed a second of processor time", "cores", "age p50, s",
)  # fmt: skip


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every run, and what the runs with the store have of those without, by pairs
    of neighbours; all figures. Which of a pair is first changes, so that a machine that gets slower
    favours neither."""
    count = args.count[0]
    print(f"| run | store | load | {' | '.join(SHOWN)} |\n|{'---|' * (len(SHOWN) + 3)}", flush=True)
    runs: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    stream = material(args.video, ".h264", args.rate)
    with tempfile.TemporaryDirectory() as folder, Server(stream, count, args.rate) as server:
        places = [
            {"url": url, "id": f"cam{i}", "exclude": [STRIP]} for i, url in enumerate(server.urls)
        ]
        for i in range(2 * args.runs):
            store = (i % 4) in (1, 2)
            config = make_config(
                cameras=places,
                engine={"backend": args.engine},
                outputs={"video": False},
                store={"enabled": store},
            )
            found = cameras.watch(config, Path(folder) / f"{i}", args.seconds)
            found["analysed a second of processor time"] = (
                found["analysed a second, slowest camera"] * count / found["cores"]
            )
            values = {name: float(found[name]) for name in SHOWN}
            runs[store].append(values)
            shown = " | ".join(f"{value:.4g}" for value in values.values())
            load = f"{os.getloadavg()[0]:.1f}"
            print(f"| {i + 1} | {'on' if store else 'off'} | {load} | {shown} |", flush=True)
    shares = {name: _shares(runs, name) for name in SHOWN}
    for name, text in (("median", statistics.median), ("least", min), ("most", max)):
        of = " | ".join(f"{100 * text(shares[key]):.1f} %" for key in SHOWN)
        print(f"| {name} | on of off | | {of} |", flush=True)
    return {"on": runs[True], "off": runs[False], "on of off, by pairs": shares}


def _shares(runs: dict[bool, list[dict[str, float]]], name: str) -> list[float]:
    return [on[name] / off[name] for on, off in zip(runs[True], runs[False], strict=True)]
