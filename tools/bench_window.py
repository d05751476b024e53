"""Measure the window through its API, on a real `threadline serve`.

python tools/bench_store.py make FOLDER --tags 4000000 && python tools/bench_window.py ask FOLDER
python tools/bench_window.py flood
python tools/bench_window.py stop
python tools/bench_window.py live --cameras 16
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark import window_ask, window_flood, window_live, window_stop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    ask = commands.add_parser("ask", help="how long answers take, over a store of millions")
    ask.add_argument("folder", type=Path)
    ask.add_argument("--tries", type=int, default=20)
    flood = commands.add_parser("flood", help="so many requests at once")
    flood.add_argument("--requests", type=int, default=10_000)
    stop = commands.add_parser("stop", help="SIGTERM under load: how long, and what is lost")
    stop.add_argument("--times", type=int, default=3)
    stop.add_argument("--rate", type=float, default=20.0, help="events a second")
    live = commands.add_parser("live", help="the live view: cost, boxes, delay, the first page")
    live.add_argument("--cameras", type=int, default=16)
    live.add_argument("--seconds", type=float, default=20, help="of a turn")
    live.add_argument("--rounds", type=int, default=3)
    live.add_argument("--rate", type=int, default=10, help="pictures a second")
    live.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.command == "ask":
        window_ask.measure(args.folder, args.tries)
    elif args.command == "flood":
        window_flood.measure(args.requests)
    elif args.command == "live":
        window_live.run(args)
    else:
        window_stop.measure(args.times, args.rate)


if __name__ == "__main__":
    main()
