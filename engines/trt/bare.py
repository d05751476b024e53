"""Plans of bare ONNX files, compared with nothing: the pipeline opens packs through
``pipeline.models.building``, which compares what was built with the model."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from engines.base import EngineOptions, EngineUnavailableError, ModelFileError
from engines.trt import build, graphs
from engines.trt.gpu import driver
from engines.trt.library import flavour, library
from engines.trt.plans import Key, PlanError, Plans

#: Sides in pixels that a model of free size is built for: least, usual, most.
SIDES = (64, 448, 1024)


def this_gpu() -> tuple[str, ...]:
    """What a plan is built for without targets: capability and name of the first GPU here."""
    found = driver()
    return (f"{found.gpus[0].capability} {found.gpus[0].name}",) if found and found.gpus else ()


def plan_of(path: Path, options: EngineOptions) -> bytes:
    """A plan of an ONNX file for the GPU here, from the cache if it is there and whole.

    Raises:
        EngineUnavailableError: TensorRT is missing, or lacks that precision.
        ModelFileError: the file is damaged, or TensorRT cannot build it; the message names it.
    """
    if options.precision not in ("f32", "f16"):
        raise EngineUnavailableError(
            f"tensorrt: a bare file is built in f32 or f16, not {options.precision}"
        )
    graph = graphs.load(path)
    shapes = _shapes(graph, build.Batch())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    trt = library()
    key = Key(path.stem, sha256, options.precision, shapes, flavour(trt), this_gpu())
    plans = Plans(options.cache) if options.cache is not None else None
    try:
        if plans is not None:
            return plans.read(key)
    except PlanError:
        pass
    try:
        plan = build.build(graphs.ready(graph, options.precision), shapes)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    if plans is not None:
        with suppress(OSError):  # nowhere to keep it: built at every start
            plans.write(key, plan)
    return plan


def _shapes(graph: Any, batch: build.Batch) -> dict[str, build.Shapes]:
    """Shapes of all inputs: a free first dimension is the batch, other free ones are sides."""
    out: dict[str, build.Shapes] = {}
    for given in graph.graph.input:
        three: list[tuple[int, ...]] = []
        for count, side in zip((batch.least, batch.usual, batch.most), SIDES, strict=True):
            dims = enumerate(given.type.tensor_type.shape.dim)
            three.append(
                tuple(d.dim_value if d.dim_value > 0 else (side if i else count) for i, d in dims)
            )
        out[given.name] = (three[0], three[1], three[2])
    return out
