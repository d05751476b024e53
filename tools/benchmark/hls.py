"""A live HLS stream: whether every picture is looked at, and how old it is by then."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.numbers import painted, strip
from benchmark.sinks import Listener
from benchmark.streams import FAULTY, material
from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config
from pipeline.types import TaggedFrame

RATE, HEIGHT, SEGMENT_S = 10, 576, 2.0
#: Seconds in which the first segments come, left out of all figures.
WARM_UP_S = 10.0


@dataclass(slots=True)
class Seen(Listener):
    """A sink that notes when which picture was done, by the number painted into it."""

    results: list[tuple[float, int]] = field(default_factory=list)

    def write(self, tagged: TaggedFrame) -> None:
        self.results.append((time.monotonic(), painted(tagged.frame.planes.y)))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print one line; all figures."""
    sys.path.insert(0, str(FAULTY.parent))
    from hls import HlsServer

    clip = material(args.video, ".mp4", RATE, HEIGHT)
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        parts, out = Path(folder) / "hls", Path(folder) / "out"
        parts.mkdir()
        with HlsServer(clip, parts, SEGMENT_S) as server:
            shape = strip(HEIGHT * 16 // 9, HEIGHT)
            camera = {"url": server.url, "id": "hls", "exclude": (shape,)}
            config = make_config(cameras=[camera], outputs={"video": False})
            with Runner(config, out, (seen,)) as runner:
                runner.start()
                time.sleep(WARM_UP_S)
                begin, stats = time.monotonic(), runner.stats.camera("hls")
                dropped = stats.dropped
                time.sleep(args.seconds)
                passed, dropped = time.monotonic() - begin, stats.dropped - dropped
                runner.stop()
                runner.wait()
            began = server.began
    results = [(at, number) for at, number in seen.results if begin <= at <= begin + passed]
    length = max(number for _, number in results) + 1
    # The clip comes again and again; no result is as old as one round.
    ages = [(at - began - number / RATE) % (length / RATE) for at, number in results]
    numbers = [number for _, number in results]
    once = sum((b - a) % length == 1 for a, b in pairwise(numbers))
    figures = {
        "analysed a second": len(results) / passed,
        "followed by the next picture": once / max(len(numbers) - 1, 1),
        "age p50, s": float(np.percentile(ages, 50)),
        "age p99, s": float(np.percentile(ages, 99)),
        "dropped": dropped,
        "reconnects": stats.reconnects,
    }
    print(f"| {' | '.join(figures)} |\n|{'---|' * len(figures)}")
    print(f"| {' | '.join(f'{value:.3g}' for value in figures.values())} |")
    return figures
