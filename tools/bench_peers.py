"""Measure other ways to watch many cameras beside Threadline: same streams, models and run.

    python tools/bench_peers.py --count 1 4 8 16 --seconds 30
    python tools/bench_peers.py --job sleep:0.25 --height 360 --count 1

Every peer runs in a process of its own, those that need packages in an environment of their own,
made on demand under out/peers. Results carry the number painted into the picture, from which their
age follows by the server's clock. The order changes from round to round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from bench import CLIP, processor
from benchmark.streams import SYSTEM_PYTHON, Server, material

HERE = Path(__file__).parent
FOLDER = HERE.parent / "out" / "peers"
#: Seconds at the start of every run that do not count.
WARM_UP_S = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """How to run one: its script, what it needs installed (nothing: our own environment)."""

    script: str
    packages: tuple[str, ...] = ()
    python: str = ""
    options: tuple[str, ...] = ()
    most_cameras: int = 1000

    def interpreter(self, name: str) -> tuple[str, dict[str, str]]:
        """The Python to use, its environment made if need be, and further variables."""
        if self.python:
            own = next(Path(sys.prefix).glob("lib/python*/site-packages"))
            return self.python, {"PYTHONPATH": str(own)}
        if not self.packages:
            return sys.executable, {}
        folder = FOLDER / name
        if not (folder / "ready").exists():
            print(f"making an environment for {name}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, *self.packages, "openvino"], check=True)
            (folder / "ready").touch()
        return str(folder / "bin" / "python"), {}


PEERS = {
    "threadline": Peer("threadline_run.py"),
    "OpenCV loop": Peer("opencv_loop.py"),
    "OpenCV, newest picture": Peer("opencv_latest.py"),
    "GStreamer appsink": Peer("gstreamer.py", python=SYSTEM_PYTHON),
    "streamvision": Peer("streamvision_run.py", ("streamvision", "onnxruntime")),
    "trio-retina": Peer("trio_retina_run.py", ("trio-retina[video]",)),
    "Roboflow inference": Peer(
        "streamvision_run.py", ("torch==2.13.0", "inference"), options=("--inference",)
    ),
}
ALWAYS = ("threadline", "OpenCV loop", "OpenCV, newest picture", "GStreamer appsink")


def run(name: str, urls: list[str], job: str, seconds: float) -> dict[str, Any] | None:
    """One peer's results; ``None`` where it ended without any."""
    peer = PEERS[name]
    python, more = peer.interpreter(name.replace(" ", "-").lower())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [python, str(HERE / "peers" / peer.script), *peer.options]
        command += ["--urls", *urls, "--seconds", str(seconds + WARM_UP_S)]
        command += ["--job", job, "--out", str(out)]
        try:
            ended = subprocess.run(
                command, env=os.environ | more, timeout=seconds + WARM_UP_S + 60, text=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            print(f"{name}: hung", file=sys.stderr)
            return None
        if not out.exists():
            print(f"{name}: {ended.stderr.strip()[-400:]}", file=sys.stderr)
            return None
        result: dict[str, Any] = json.loads(out.read_text())
        return result


def figures(result: dict[str, Any], server: Server, count: int, seconds: float) -> dict[str, Any]:
    """Results a second of the slowest camera, and ages, of the last ``seconds``."""
    ages: dict[int, list[tuple[float, float]]] = defaultdict(list)
    end = max((t for t, _, _ in result["results"]), default=0.0)
    for at, camera, number in result["results"]:
        if at > end - seconds:
            ages[camera].append((at, at - server.taken(camera, number, at)))
    rates = [len(ages[camera]) / seconds for camera in range(count)]
    every = np.array([age for camera in ages.values() for _, age in camera] or [np.nan])
    return {
        "version": result["version"],
        "results a second, slowest camera": min(rates),
        "results a second, all": sum(rates),
        "age p50, s": float(np.percentile(every, 50)),
        "age p99, s": float(np.percentile(every, 99)),
        "cores": result["cores"],
        "peak memory, MB": result["memory, MB"],
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=CLIP)
    parser.add_argument("--count", type=int, nargs="+", default=[1, 4, 8, 16], help="of cameras")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=15, help="frames per second of a camera")
    parser.add_argument("--height", type=int, default=1080, help="of the pictures")
    parser.add_argument("--job", default="tags", help="tags, or sleep:SECONDS for a slow model")
    parser.add_argument("--runs", type=int, default=1, help="of every peer; the median is shown")
    parser.add_argument("--peers", nargs="+", default=ALWAYS, choices=PEERS)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    cores = len(os.sched_getaffinity(0))
    print(f"{date.today()}, {processor()}, {cores} cores, {args.video.name}, {args.job}\n")
    shown = ("results a second, slowest camera", "results a second, all", "age p50, s",
             "age p99, s", "cores", "peak memory, MB")  # fmt: skip
    print(f"| cameras | peer | version | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 3)}")
    stream = material(args.video, ".h264", args.rate, args.height)
    every: dict[str, dict[str, Any]] = {}
    for count in args.count:
        runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for turn in range(args.runs):
            for name in args.peers if turn % 2 == 0 else reversed(args.peers):
                with Server(stream, count, args.rate) as server:
                    result = run(name, server.urls, args.job, args.seconds)
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
