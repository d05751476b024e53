"""Measure the pipeline and print tables for docs/benchmarks.md.

    python tools/bench.py file [--video VIDEO] [--runs 3]
    python tools/bench.py cameras --count 16 --seconds 60
    python tools/bench.py cameras --sub --count 4 8 --seconds 30
    python tools/bench.py accuracy --count 16
    python tools/bench.py accuracy --sub --count 16
    python tools/bench.py faults --count 8
    python tools/bench.py hls --seconds 60
    python tools/bench.py outlets --count 4
    python tools/bench.py store --count 8 --seconds 120 --runs 5
    python tools/bench.py engine --pack yolos-fashionpedia ram
    python tools/bench.py kills --rounds 200
    python tools/bench.py stops --rounds 200 --engine onnxruntime

``file`` takes a recording from end to end; ``cameras`` watches 1080p H.264 cameras of an RTSP
server that it starts itself (GStreamer under the system's Python, see
tools/install_test_system.sh), with ``--sub`` of pictures as hard as a camera's, with and without
their sub-streams by turns; ``accuracy`` compares the tags of every policy, and of such cameras,
with those of looking at everybody on every frame; ``age`` tells how old results are under a model
that is far too slow; ``faults`` freezes, kills, slows, damages, refuses and changes one camera of
several, and sets its clock wrong; ``outlets`` slows, blocks and breaks an output and fills the
disk; ``store`` watches cameras with the store and without it by turns; ``hls`` watches a live HLS
stream; ``engine`` measures the models by themselves, with ``--pack`` published ones with weights at
random. ``kills``
kills a run on cameras at random moments and starts it again into the same folder; ``stops`` asks
runs on cameras and recordings to end at random moments: both check what is on disk, and end with 1
if anything is wrong with it.
``--json FILE`` writes the figures as well.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from benchmark import (
    accuracy,
    accuracy_sub,
    age,
    cameras,
    ends,
    engine,
    faults,
    file,
    hls,
    outlets,
    store,
)
from benchmark.native import CODINGS

from pipeline.models.opening import cores

CLIP = Path(__file__).parent.parent / "tests" / "data" / "street.mp4"
KINDS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "file": file.measure,
    "cameras": cameras.measure,
    "accuracy": lambda args: (accuracy_sub if args.sub else accuracy).measure(args),
    "faults": faults.measure,
    "hls": hls.measure,
    "age": age.measure,
    "engine": engine.measure,
    "outlets": outlets.measure,
    "store": store.measure,
    "kills": ends.measure_kills,
    "stops": ends.measure_stops,
}


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS, nargs="?", default="file")
    parser.add_argument("--video", type=Path, default=CLIP)
    parser.add_argument(
        "--runs", type=int, default=3, help="of every case of file, of store with it and without"
    )
    parser.add_argument("--count", type=int, nargs="+", default=[1, 4, 8, 16], help="of cameras")
    parser.add_argument("--seconds", type=float, default=30.0, help="for which cameras are watched")
    parser.add_argument("--rate", type=int, default=15, help="frames per second of a camera")
    parser.add_argument("--sub", action="store_true", help="cameras with and without sub-streams")
    parser.add_argument(
        "--coding", choices=CODINGS, default="h264", help="of the streams of cameras --sub"
    )
    parser.add_argument(
        "--few", action="store_true", help="with --sub, a third as many people on each camera"
    )
    parser.add_argument("--processes", default="auto", help="that receive cameras; 0: none beside")
    parser.add_argument("--rounds", type=int, default=20, help="of kills and stops")
    parser.add_argument("--seed", type=int, help="of their moments")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--pack", nargs="+", help="published models that engine measures")
    parser.add_argument("--config", type=Path, help="other settings than the default ones")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    print(f"{date.today()}, {processor()}, {cores()} cores, {args.video.name}\n", flush=True)
    figures = KINDS[args.kind](args)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if figures.get("problems") else 0


if __name__ == "__main__":
    sys.exit(main())
