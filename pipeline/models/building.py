"""Builds TensorRT plans of registered models and INT8 graphs for them, comparing at every step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines import (
    Engine,
    EngineError,
    EngineOptions,
    EngineUnavailableError,
    Precision,
    open_engine,
)
from engines.trt import build, graphs
from engines.trt.bare import this_gpu
from engines.trt.library import flavour, library, missing
from engines.trt.plans import Key, PlanError, Plans
from engines.zoo import ModelSpec, verify
from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.models import parity
from pipeline.models.parity import Parity, pictures
from pipeline.models.quantising import quantised

#: Pictures compared besides those of the package.
COMPARED = 12
#: Precisions a plan can have.
PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "int8")


class ParityError(EngineError):
    """What was built does not say what the model says."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan to build. ``targets`` are compute capabilities (``sm86``); none: the GPU here."""

    spec: ModelSpec
    precision: Precision = "f16"
    batch: build.Batch = field(default_factory=build.Batch)
    targets: tuple[str, ...] = ()
    images: Path | None = None
    #: Pixels of its pictures, where a model of free size is to see more than its own; else 0.
    pixels: int = 0
    #: What to do when a graph is not alike: refuse it, or only say so.
    strict: bool = True


def shapes(spec: ModelSpec, batch: build.Batch, pixels: int = 0) -> dict[str, build.Shapes]:
    """Shapes of ``images`` a plan is built for; a model of free size takes half to twice its own
    sides, or as many ``pixels`` as are asked for."""
    width, height = spec.size
    if not spec.multiple:
        sides = [(height, width)] * 3
    else:
        step = spec.multiple
        small = [max(n // 2 // step, 1) * step for n in (height, width)]
        large = max(2 * max(height, width), *spec.input_size(width, height, pixels))
        # Either side may be the longer one: a camera may stand upright.
        sides = [(min(small),) * 2, (height, width), (large,) * 2]
    counts = (batch.least, batch.usual, batch.most)
    three = tuple((n, *side, 3) for n, side in zip(counts, sides, strict=True))
    return {"images": three}  # type: ignore[dict-item]


def key_of(wanted: Wanted) -> Key:
    """Under what a plan is kept.

    Raises:
        EngineUnavailableError: TensorRT is not installed.
        ModelFileError: the model's file is damaged.
    """
    verify(wanted.spec)
    return Key(
        wanted.spec.name, wanted.spec.sha256, wanted.precision,
        shapes(wanted.spec, wanted.batch, wanted.pixels), flavour(library()),
        tuple(sorted(wanted.targets)) or this_gpu(),
    )  # fmt: skip


def compared(wanted: Wanted, other: Path, backend: str) -> Parity:
    """How alike what was made of a model is to it on ONNX Runtime: a graph there or a plan."""
    shown = parity.shipped(wanted.spec) + pictures(wanted.spec, wanted.images, COMPARED)
    with (
        open_engine(wanted.spec, "onnxruntime") as reference,
        open_engine(other, backend) as engine,
    ):
        return parity.run(wanted.spec, reference, engine, shown)


def build_plan(
    wanted: Wanted, plans: Plans, progress: build.Progress | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Path:  # fmt: skip
    """The plan, from the folder if it is there and whole, else built and kept. What TensorRT is
    given is compared with the model first, the plan itself where there is a GPU to run it.

    Raises:
        EngineError: it cannot be built, or is another model now.
        SourceRefusedError: INT8 without pictures.
        ConfigError: the folder cannot be written.
    """
    key = key_of(wanted)
    try:
        path = plans.find(key)
        say(f"{path} is there already")
    except PlanError as error:
        say(f"building: {error}")
        path = _built(wanted, plans, key, progress)
    report = plans.report(path)
    if report["plan"] is None and not wanted.targets and not missing():
        found = compared(wanted, path, "tensorrt")
        report = {**report, "plan": found.record(wanted.precision)}
        plans.note(path, report)
    for what, record in report.items():
        if record is not None:
            _refuse(wanted, what, record)
    return path


def _built(wanted: Wanted, plans: Plans, key: Key, progress: build.Progress | None) -> Path:
    try:
        plans.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{plans.folder}: no place for plans: {error.strerror}; name another folder"
        ) from None
    graph, alike = _graph(wanted)
    record = alike.record(wanted.precision)
    _refuse(wanted, "graph", record)
    timings = plans.folder / f"{key.flavour.replace(' ', '-')}.timings"
    plan = build.build(graph, dict(key.shapes), wanted.targets, progress, timings)
    return plans.write(key, plan, {"graph": record, "plan": None})


def _graph(wanted: Wanted) -> tuple[Any, Parity]:
    """The model's graph in the precision wanted, and how alike it is to the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        if wanted.precision == "int8":
            if wanted.images is None:
                raise SourceRefusedError(
                    f"INT8 takes its ranges from pictures: threadline models build "
                    f"{wanted.spec.name} --precision int8 --images FOLDER"
                )
            found = quantised(wanted.spec, wanted.images, path).parity
            return graphs.ready(graphs.load(path), "int8"), found
        graph = graphs.ready(graphs.load(wanted.spec.path), wanted.precision)
        path.write_bytes(graph.SerializeToString())
        return graph, compared(wanted, path, "onnxruntime")


def _refuse(wanted: Wanted, what: str, record: dict[str, Any]) -> None:
    """Raise ParityError if that is asked for and what was compared was not alike enough."""
    if wanted.strict and record["failures"]:
        raise ParityError(
            f"{wanted.spec.name}: its {what} in {wanted.precision} is another model now: "
            f"{'; '.join(record['failures'])}; use another precision, or pictures like those it "
            "will see"
        )


def open_built(wanted: Wanted, plans: Plans, say: Callable[[str], None]) -> Engine:
    """A registered model on the GPU here. Its plan is built if there is none.

    Raises:
        EngineError, SourceRefusedError, ConfigError: as ``build_plan``.
    """
    if lacks := missing():
        raise EngineUnavailableError(f"engine 'tensorrt' cannot run here: {lacks}")
    path = build_plan(wanted, plans, None, say)
    return open_engine(path, "tensorrt", EngineOptions(precision=wanted.precision))
