"""The models by themselves, and how much of the detector's speed the pipeline keeps."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.accuracy import DENSE, configured
from benchmark.sinks import Listener
from engines import EngineOptions, open_engine, runs_plans
from engines.packs import find, shipped
from pipeline.flow.pace import Pace
from pipeline.flow.runner import Runner
from pipeline.flow.stages import open_detector
from pipeline.models.opening import Models
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config
from pipeline.types import TaggedFrame

PICTURES = 100
#: Results that do not count: models are compiled when the first picture comes.
FIRST = 50


def milliseconds(name: str, backend: str, threads: int, size: tuple[int, int]) -> float:
    """Of one inference, the median. Plans are built of what INT8 twins were made from."""
    pack = find(name)
    if runs_plans(backend):
        pack = shipped().in_float(name)
    rng = np.random.default_rng(0)
    picture = {"images": rng.integers(0, 256, (1, size[1], size[0], 3), np.uint8)}
    took = []
    with open_engine(pack, backend, EngineOptions(threads)) as engine:
        engine.infer(picture)
        for _ in range(PICTURES):
            began = time.perf_counter()
            engine.infer(picture)
            took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


@dataclass(slots=True)
class Times(Listener):
    """A sink that notes when results come."""

    at: list[float] = field(default_factory=list)

    def write(self, tagged: TaggedFrame) -> None:
        self.at.append(time.monotonic())


def pipeline_rate(args: argparse.Namespace) -> float:
    """Frames a second of the video with people looked for on every one, the first ones apart."""
    settings = {key: DENSE[key] for key in ("motion", "person")} | {"garments": {"enabled": False}}
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        config = configured(settings, [str(args.video)], args.engine)
        with Runner(config, Path(folder), (times,)) as runner:
            runner.start()
            runner.wait()
    at = times.at[FIRST:]
    return (len(at) - 1) / (at[-1] - at[0])


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every input size, and the pipeline's share; all figures."""
    if args.pack:
        from benchmark import published  # needs PyTorch

        return published.measure(args)
    config, results = make_config(), {}
    with Models(config.engine, shipped()) as models:
        sizes = open_detector(LiveSettings(config), models, Pace().budget).canvases
    cases = [(config.person.model, size) for size in sizes]
    parser = config.section("garments").model
    cases.append((parser, find(parser).size))
    print("| model | input | one thread, ms | all threads, ms |\n|---|---|---|---|", flush=True)
    for name, size in cases:
        row = [milliseconds(name, args.engine, threads, size) for threads in (1, 0)]
        results[f"{name} {size[0]} x {size[1]}"] = row
        print(f"| {name} | {size[0]} x {size[1]} | {row[0]:.2f} | {row[1]:.2f} |", flush=True)
    size = find(config.person.model).input_size(768, 576)
    shares = []
    for _ in range(args.runs):
        bare = 1000 / milliseconds(config.person.model, args.engine, 0, size)
        shares.append(pipeline_rate(args) / bare)
    results["pipeline against bare engine"] = statistics.median(shares)
    print(f"\npeople on every frame of {args.video.name}, against the bare engine: "
          f"{results['pipeline against bare engine']:.2f}")  # fmt: skip
    return results
