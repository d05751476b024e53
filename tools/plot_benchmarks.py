"""Draw the benchmark figures of docs/benchmarks.md from the JSON that the tools wrote.

    python tools/plot_benchmarks.py --peers peers.json --accuracy accuracy.json --out docs/pictures
    python tools/plot_benchmarks.py --soak steady.json faults.json --out docs/pictures

Needs the train extra (matplotlib).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def figure(draw: Callable[[Figure], None], out: Path, size: tuple[float, float]) -> None:
    with mpl.rc_context({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3}):
        sheet = Figure(size, layout="constrained")
        draw(sheet)
        sheet.savefig(out, dpi=110)


def _lines(axes: Axes, peers: dict[str, Any], key: str) -> None:
    """One line for each peer over the number of cameras; ours is thick."""
    names = list(dict.fromkeys(name for row in peers.values() for name in row))
    for name in names:
        points = [(int(count), row[name][key]) for count, row in peers.items() if row.get(name)]
        ours = name == "threadline"
        axes.plot(*zip(*points, strict=True), "o-", label=name, lw=3 if ours else 1.2,
                  zorder=3 if ours else 2)  # fmt: skip
    axes.set_xlabel("cameras")
    axes.set_xticks([int(count) for count in peers])


def peers_figure(peers: dict[str, Any]) -> Callable[[Figure], None]:
    def draw(sheet: Figure) -> None:
        left, right = sheet.subplots(1, 2)
        _lines(left, peers, "results a second, slowest camera")
        left.set_ylabel("results a second of the slowest camera")
        left.axhline(5, color="grey", lw=0.8, ls=":")
        left.set_ylim(bottom=0)
        _lines(right, peers, "age p99, s")
        right.set_ylabel("age of results, 99th percentile, s")
        right.set_yscale("log")
        right.axhline(0.5, color="grey", lw=0.8, ls=":")
        left.legend()

    return draw


def accuracy_figure(cases: dict[str, Any]) -> Callable[[Figure], None]:
    def draw(sheet: Figure) -> None:
        axes = sheet.subplots()
        colours = mpl.colormaps["tab20"]
        for i, (name, case) in enumerate(cases.items()):
            at = case["processor seconds a second of video"], case["recall, categories"]
            axes.plot(*at, "Dovs^"[i % 5], color=colours(i % 20), label=name, alpha=0.8,
                      ms=11 if name == "default" else 7, ls="")  # fmt: skip
        sheet.legend(loc="outside right center", fontsize=8)
        axes.set_xscale("log")
        axes.set_xlabel("processor seconds for a second of 1080p video")
        axes.set_ylabel("recall of tags against everybody on every frame")

    return draw


def soak_figure(runs: list[dict[str, Any]]) -> Callable[[Figure], None]:
    """What the process held over time, one line for each long run."""

    def draw(sheet: Figure) -> None:
        shown = (("memory_mb", "memory, MB"), ("files", "open files"), ("threads", "threads"))
        for axes, (name, label) in zip(sheet.subplots(1, 3), shown, strict=True):
            for run in runs:
                title = f"{run['cameras']} cameras"
                title += f", {len(run['faults'])} faults" if run["faults"] else ""
                minutes = [sample["at"] / 60 for sample in run["samples"]]
                axes.plot(minutes, [sample[name] for sample in run["samples"]], label=title)
            axes.set_xlabel("minutes")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        axes.legend()

    return draw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="from tools/bench_peers.py --json")
    parser.add_argument("--accuracy", type=Path, help="from tools/bench.py accuracy --json")
    parser.add_argument("--soak", type=Path, nargs="+", help="from tools/soak.py")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    args = parser.parse_args()
    if args.peers:
        peers = json.loads(args.peers.read_text())
        figure(peers_figure(peers), args.out / "peers.png", (9, 3.6))
    if args.accuracy:
        cases = json.loads(args.accuracy.read_text())
        figure(accuracy_figure(cases), args.out / "cost-recall.png", (8.5, 4.2))
    if args.soak:
        runs = [json.loads(path.read_text()) for path in args.soak]
        figure(soak_figure(runs), args.out / "soak.png", (9, 3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
