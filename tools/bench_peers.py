"""Measure other ways to watch many cameras beside Threadline: same streams, models and run.

    python tools/bench_peers.py --count 1 4 8 16 --seconds 30
    python tools/bench_peers.py --sub --count 8 16
    python tools/bench_peers.py --job sleep:0.25 --height 360 --count 1

Every peer runs in a process of its own, those that need packages in an environment of their own,
made on demand under out/peers. Results carry the number painted into the picture, from which their
age follows by the server's clock. The order changes from round to round.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from bench import CLIP, processor
from benchmark.peers import ALWAYS, PEERS, figures, run
from benchmark.streams import PORT, Server, material

from pipeline.models.opening import cores

#: Of the sub-streams' pictures.
SUB_HEIGHT = 360


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=CLIP)
    parser.add_argument("--count", type=int, nargs="+", default=[1, 4, 8, 16], help="of cameras")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=15, help="frames per second of a camera")
    parser.add_argument("--height", type=int, default=1080, help="of the pictures")
    parser.add_argument(
        "--sub", action="store_true", help="cameras with a sub-stream of 360 lines; others get that"
    )
    parser.add_argument("--job", default="tags", help="tags, or sleep:SECONDS for a slow model")
    parser.add_argument("--runs", type=int, default=1, help="of every peer; the median is shown")
    parser.add_argument("--peers", nargs="+", default=ALWAYS, choices=PEERS)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    print(f"{date.today()}, {processor()}, {cores()} cores, {args.video.name}, {args.job}\n")
    shown = ("results a second, slowest camera", "results a second, all", "age p50, s",
             "age p99, s", "cores", "peak memory, MB")  # fmt: skip
    print(f"| cameras | peer | version | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 3)}")
    stream = material(args.video, ".h264", args.rate, args.height)
    small = material(args.video, ".h264", args.rate, SUB_HEIGHT) if args.sub else None
    every: dict[str, dict[str, Any]] = {}
    for count in args.count:
        runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for turn in range(args.runs):
            for name in args.peers if turn % 2 == 0 else reversed(args.peers):
                with ExitStack() as stack:
                    epoch = time.time() - 60 if small else None
                    server = stack.enter_context(Server(stream, count, args.rate, epoch=epoch))
                    mains = server.urls if small else []
                    if small:
                        below = Server(small, count, args.rate, PORT + 1, epoch)
                        server = stack.enter_context(below)
                    result = run(name, server.urls, args.job, args.seconds, mains)
                    time.sleep(0.2)
                    if result is not None:
                        runs[name].append(figures(result, server, count, args.seconds))
        for name in args.peers:
            done = sorted(runs[name], key=lambda r: r["results a second, all"])
            middle = done[len(done) // 2] if done else None
            every.setdefault(str(count), {})[name] = middle
            cells = [f"{middle[key]:.3g}" for key in shown] if middle else ["none"] * len(shown)
            version = middle["version"] if middle else ""
            print(f"| {count} | {name} | {version} | {' | '.join(cells)} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(every, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
