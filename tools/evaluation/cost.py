"""What one person detection and one parsing cost, against one EfficientNet-Lite0 pass."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engines import Engine, Pack, Packs, available, open_engine, runs_plans
from engines.nets.efficientnet_lite import EMBEDDING, EfficientNetLite0, normalise
from evaluation.people import detector
from pipeline.models.opening import EngineSettings, Models
from pipeline.people.detect import PersonSettings
from pipeline.picture.crop import crops, person_window
from pipeline.picture.yuv import Planes
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.logos.reader import AGAIN, Embedder, square_around
from pipeline.types import Box, Frame

ROUNDS = 60


class Lite0(nn.Module):
    """The yardstick: EfficientNet-Lite0 with its thousand classes at 224 x 224."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.classes = nn.Linear(EMBEDDING, 1000)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.backbone(normalise(images))
        logits: Tensor = self.classes(self.backbone.embed(maps[-1]))
        return logits


def yardstick(path: Path) -> None:
    torch.manual_seed(0)
    sample = torch.zeros(1, 224, 224, 3, dtype=torch.uint8)
    torch.onnx.export(
        Lite0().eval(), (sample,), str(path), input_names=["images"], output_names=["logits"],
        opset_version=17, dynamo=False,
    )  # fmt: skip


def frame_1080p() -> Frame:
    rng = np.random.default_rng(0)
    y, u, v = (
        rng.integers(16, 235, shape, np.uint8) for shape in ((1080, 1920), (540, 960), (540, 960))
    )
    return Frame("", 0, 0.0, 0.0, 0.0, Planes(y, u, v))


def crop_and_run(frame: Frame, box: Box, engine: Engine, pack: Pack) -> object:
    """One pass over a window of the frame."""
    crop = frame.crop(person_window(box, pack.size), pack.size)
    return engine.infer({"images": crop[None]})


def cut_again(frame: Frame, mark: Box, embed: Embedder) -> object:
    """What a second look at a promising mark costs beside the first."""
    squares = [(frame, square_around(mark, scale)) for scale in AGAIN]
    return embed(crops(squares, embed.size))


def ratios(jobs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median processor time of each job, all threads of it, against that of the first, all run in
    turn: what else the machine does hardly matters."""
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            spent[name].append(time.process_time() - start)
    middle = {name: float(np.median(times[10:])) for name, times in spent.items()}
    unit = next(iter(middle.values()))
    return {name: value / unit for name, value in middle.items()}


def jobs_of(models: Models, frame: Frame) -> dict[str, Callable[[], object]]:
    """What a frame, a person in it and a mark on them cost with every model, by its name."""
    box, mark = (800.0, 200.0, 1060.0, 900.0), (900.0, 400.0, 960.0, 460.0)
    jobs: dict[str, Callable[[], object]] = {}
    for name in (pack.name for pack in models.packs):
        engine, pack = models.open(name)
        if pack.task == "person-detection":
            jobs[name] = partial(detector((engine, pack), PersonSettings()).detect, [frame])
        elif pack.task == "garment-parsing":
            jobs[name] = partial(GarmentParser(engine, pack).parse, [(frame, box)])
        elif pack.task == "logo-detection":
            jobs[name] = partial(crop_and_run, frame, box, engine, pack)
        elif pack.task == "logo-embedding":
            jobs[f"{name}, one mark"] = partial(crop_and_run, frame, mark, engine, pack)
            again = partial(cut_again, frame, mark, Embedder(engine, pack))
            jobs[f"{name}, the same mark again"] = again
    return jobs


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Ratios on every engine that is here, with cropping, resizing and decoding."""
    frame = frame_1080p()
    inputs = {"images": np.zeros((1, 224, 224, 3), np.uint8)}
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lite0.onnx"
        yardstick(path)
        here = [name for name, version in available().items() if version and not runs_plans(name)]
        for name in here:
            settings = EngineSettings(backend=name, cache=False)
            with open_engine(path, name) as unit, Models(settings, packs) as models:
                found = ratios({"Lite0": partial(unit.infer, inputs), **jobs_of(models, frame)})
            figures |= {f"{name}: {job} / Lite0 224x224": ratio for job, ratio in found.items()}
    return figures
