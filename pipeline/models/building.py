"""Builds TensorRT plans of packs and INT8 graphs for them, comparing at every step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines import (
    Engine,
    EngineOptions,
    Pack,
    PackError,
    Precision,
    choose,
    names,
    open_engine,
    runs_plans,
    why_not,
)
from engines.packs import Tensor, verify
from engines.trt import build, graphs
from engines.trt.bare import this_gpu
from engines.trt.library import flavour, library
from engines.trt.plans import Key, PlanError, Plans
from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.models import parity, samples
from pipeline.models.alike import Parity
from pipeline.models.parity import ParityError
from pipeline.models.quantising import quantised

#: Pictures compared besides those that come with the program.
COMPARED = 12
#: Seconds between two words on a plan that is being built for a run.
TOLD_S = 5.0
#: Precisions a plan can have.
PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "int8")


def plan_engines() -> tuple[str, ...]:
    """The engines that run plans built ahead."""
    return tuple(name for name in names() if runs_plans(name))


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A plan to build.

    Attributes:
        targets: compute capabilities (``sm86``); none: the GPU here.
        images: folder of pictures to compare on and to take INT8 ranges from.
        pixels: of its pictures, where a model of free size is to see more than its own; else 0.
        strict: refuse a graph whose outputs changed too much, instead of only recording it.
        engine: what will run the plan.
    """

    pack: Pack
    precision: Precision = "f16"
    batch: build.Batch = field(default_factory=build.Batch)
    targets: tuple[str, ...] = ()
    images: Path | None = None
    pixels: int = 0
    strict: bool = True
    engine: str = field(default_factory=lambda: plan_engines()[0])


def shapes(pack: Pack, batch: build.Batch, pixels: int = 0) -> dict[str, build.Shapes]:
    """Input name -> least, usual and most shape a plan is built for; a model of free size takes
    half to twice its own sides, or as many ``pixels`` as are asked for.

    Raises:
        PackError: an input has a free dimension that is neither batch nor side of a picture.
    """
    return {tensor.name: _three(pack, tensor, batch, pixels) for tensor in pack.inputs}


def _three(pack: Pack, tensor: Tensor, batch: build.Batch, pixels: int) -> build.Shapes:
    found = []
    for count, (height, width) in zip(
        (batch.least, batch.usual, batch.most), _sides(pack, pixels), strict=True
    ):
        known: dict[int, int] = {0: count}
        if tensor.layout:
            known |= {tensor.layout.index("h"): height, tensor.layout.index("w"): width}
        shape = [n if isinstance(n, int) else known.get(i) for i, n in enumerate(tensor.shape)]
        sizes = tuple(n for n in shape if n is not None)
        if len(sizes) < len(shape):
            free = tensor.shape[shape.index(None)]
            raise PackError(
                f"model '{pack.name}': no plan can be built, the size of '{free}' in its input "
                f"'{tensor.name}' is unknown"
            )
        found.append(sizes)
    return (found[0], found[1], found[2])


def _sides(pack: Pack, pixels: int) -> list[tuple[int, int]]:
    """Least, usual and most height and width of a pack's pictures."""
    width, height = pack.size
    step = pack.multiple
    if not step:
        return [(height, width)] * 3
    small = [max(n // 2 // step, 1) * step for n in (height, width)]
    large = max(2 * max(height, width), *pack.input_size(width, height, pixels))
    # Either side may be the longer one: a camera may stand upright.
    return [(min(small), min(small)), (height, width), (large, large)]


def key_of(request: PlanRequest) -> Key:
    """Under what a plan is kept.

    Raises:
        EngineUnavailableError: TensorRT is not installed.
        ModelFileError: a file of the pack is damaged.
    """
    verify(request.pack)
    return Key(
        model=request.pack.name,
        sha256=request.pack.sha256,
        precision=request.precision,
        shapes=shapes(request.pack, request.batch, request.pixels),
        flavour=flavour(library()),
        targets=tuple(sorted(request.targets)) or this_gpu(),
    )


def compared(request: PlanRequest, other: Path, engine: str) -> Parity:
    """How alike a graph or a plan made from a model is to the model on ONNX Runtime; a plan also
    in batches as large as it takes."""
    pack = request.pack
    batch = request.batch.most if runs_plans(engine) else 1
    shown = samples.pictures(pack, request.images, COMPARED)
    if request.precision != "int8" or not shown:  # INT8 ranges fit the pictures that were given
        shown = samples.shipped(pack) + shown
    with open_engine(pack, "onnxruntime") as reference, open_engine(other, engine) as changed:
        return parity.run(pack, reference, changed, shown, batch)


def in_words(name: str, report: Callable[[str], object]) -> build.Progress:
    """Progress of a build as a line every few seconds: what is being done, and since when."""
    began = told = time.monotonic()

    def progress(phase: str, share: float) -> bool:
        nonlocal told
        now = time.monotonic()
        if now - told >= TOLD_S:
            told = now
            report(f"building {name}: {now - began:.0f} s, {phase.lower()} {share:.0%}")
        return True

    return progress


def build_plan(
    request: PlanRequest,
    plans: Plans,
    progress: build.Progress | None = None,
    report: Callable[[str], object] = lambda text: None,
) -> Path:
    """The plan, from the folder if it is there and whole, else built and kept. What TensorRT is
    given is compared with the model first, the plan itself where there is a GPU to run it.
    ``report`` is told why a plan is built, and how long that took; ``progress``, what is done
    meanwhile.

    Raises:
        EngineError: it cannot be built, or its outputs changed too much.
        SourceRefusedError: INT8 without pictures.
        ConfigError: the folder cannot be written.
    """
    key = key_of(request)
    try:
        path = plans.find(key)
    except PlanError as error:
        report(f"building a plan, which takes minutes: {error}")
        began = time.monotonic()
        path = _built(request, plans, key, progress)
        report(f"{path.name}: built in {time.monotonic() - began:.0f} s")
    found = plans.report(path)
    if found["plan"] is None and not request.targets and not why_not(request.engine):
        alike = compared(request, path, request.engine)
        found = {**found, "plan": alike.record(request.precision)}
        plans.note(path, found)
    for what, record in found.items():
        if record is not None:
            _refuse(request, what, record)
    return path


def _built(request: PlanRequest, plans: Plans, key: Key, progress: build.Progress | None) -> Path:
    try:
        plans.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{plans.folder}: cannot be written: {error.strerror}; name another folder for plans"
        ) from None
    if progress is not None:
        progress("comparing its graph", 0.0)
    graph, alike = _graph(request)
    record = alike.record(request.precision)
    _refuse(request, "graph", record)
    timings = plans.folder / f"{key.flavour.replace(' ', '-')}.timings"
    plan = build.build(graph, dict(key.shapes), request.targets, progress, timings)
    return plans.write(key, plan, {"graph": record, "plan": None})


def _graph(request: PlanRequest) -> tuple[Any, Parity]:
    """The model's graph in the precision asked for, and how alike it is to the model."""
    pack = request.pack
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        if request.precision == "int8":
            if request.images is None:
                raise SourceRefusedError(
                    f"INT8 takes its ranges from pictures: threadline models build "
                    f"{pack.name} --precision int8 --images FOLDER"
                )
            found = quantised(pack, request.images, path).parity
            return graphs.ready(graphs.load(path), "int8"), found
        graph = graphs.ready(graphs.load(pack.path), request.precision)
        path.write_bytes(graph.SerializeToString())
        return graph, compared(request, path, "onnxruntime")


def _refuse(request: PlanRequest, what: str, record: dict[str, Any]) -> None:
    """Raise ParityError if outputs changed too much and that is not allowed."""
    if request.strict and record["failures"]:
        raise ParityError(
            f"model '{request.pack.name}': its {request.precision} {what} no longer matches the "
            f"ONNX model: {'; '.join(record['failures'])}; use another precision, or pictures like "
            "those the cameras show"
        )


def open_built(request: PlanRequest, plans: Plans, report: Callable[[str], object]) -> Engine:
    """A model on an engine that runs plans. The plan is built if there is none.

    Raises:
        EngineError, SourceRefusedError, ConfigError: as ``build_plan``.
    """
    choose(request.engine)
    path = build_plan(request, plans, in_words(request.pack.name, report), report)
    return open_engine(path, request.engine, EngineOptions(precision=request.precision))
