"""Builds plans: an ONNX graph in, what TensorRT runs out. Needs no GPU with TensorRT-RTX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.base import EngineError, EngineUnavailableError, ModelFileError
from engines.files import replace_file
from engines.trt.gpu import driver
from engines.trt.library import is_rtx, library, listening, targets

#: Called with what is being done and the share of it, 0 to 1, that is; false stops the build.
Progress = Callable[[str, float], bool]
#: Shapes of an input: the least, the usual and the most it takes.
Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class BuildStoppedError(EngineError):
    """The build was stopped by its progress callback."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How many pictures at once: the least, the usual and the most."""

    least: int = 1
    usual: int = 1
    most: int = 8

    @classmethod
    def parse(cls, text: str) -> Batch:
        """Read ``1:8:32``, or ``4`` for exactly four.

        Raises:
            ValueError: it is neither, or the three are not in order.
        """
        found = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}):(\d{1,4}))?", text.strip())
        if found is None:
            raise ValueError(f"batch '{text}': write least:usual:most, such as 1:8:32")
        least = int(found[1])
        usual, most = (int(found[2]), int(found[3])) if found[2] else (least, least)
        if not 1 <= least <= usual <= most:
            raise ValueError(f"batch '{text}': must be 1 or more and in order, such as 1:8:32")
        return cls(least, usual, most)

    def __str__(self) -> str:
        return f"{self.least}:{self.usual}:{self.most}"


def capabilities(wanted: Sequence[str], trt: Any) -> list[Any]:
    """Compute capabilities by name (``sm86``); without names that of the GPU here, where TensorRT
    has to be told: TensorRT-RTX leaves the oldest it knows out of what it builds for all.

    Raises:
        EngineUnavailableError: this TensorRT builds for no such target, or only for its own GPU.
    """
    known = targets(trt)
    if wanted and not known:
        raise EngineUnavailableError(
            f"{trt.__name__} {trt.__version__} builds for the GPU it runs on; leave --target out"
        )
    missing = [name for name in wanted if name.lower() not in known]
    if missing:
        raise EngineUnavailableError(
            f"target '{missing[0]}': {trt.__name__} {trt.__version__} knows "
            f"{', '.join(sorted(known, key=lambda name: int(name[2:])))}"
        )
    found = driver()
    here = [gpu.capability for gpu in found.gpus[:1] if gpu.capability in known] if found else []
    return [known[name.lower()] for name in wanted or here]


def build(
    model: Any,
    shapes: dict[str, Shapes],
    ahead: Sequence[str] = (),
    progress: Progress | None = None,
    timings: Path | None = None,
) -> bytes:
    """A plan of an ONNX model (``onnx.ModelProto``) for inputs of those shapes.

    ``ahead`` are compute capabilities such as ``sm86``; without, the plan is for the GPU that is
    here. ``timings`` is a file in which measured kernels are kept for the next build.

    Raises:
        ModelFileError: TensorRT cannot read or build the model; the message names the node.
        EngineUnavailableError: no TensorRT, no such target, or no GPU where one is needed.
        BuildStoppedError: ``progress`` returned false.
    """
    trt = library()
    wanted = capabilities(ahead, trt)
    log = listening(trt)
    builder = trt.Builder(log)
    if builder is None:  # pragma: no cover - TensorRT 10 without a GPU
        raise EngineUnavailableError(f"{trt.__name__}: {log.first() or 'no GPU to build on'}")
    flag = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flag)
    _parse(trt, network, log, model)
    config = _config(trt, builder, shapes, wanted)
    monitor = _monitor(trt, progress) if progress is not None else None
    config.progress_monitor = monitor
    with _timed(trt, config, timings):
        plan = builder.build_serialized_network(network, config)
    if plan is not None:
        return bytes(plan)
    if monitor is not None and monitor.stopped:
        raise BuildStoppedError("the build was stopped")
    raise ModelFileError(f"TensorRT cannot build this model: {log.first()}")


def _config(trt: Any, builder: Any, shapes: dict[str, Shapes], wanted: Sequence[Any]) -> Any:
    """What to build for: shapes and compute capabilities. What the graph has in FP32 is computed
    in FP32: TF32, which is on unless switched off, has the fraction of FP16."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    for name, three in shapes.items():
        profile.set_shape(name, *three)
    config.add_optimization_profile(profile)
    if wanted:
        config.num_compute_capabilities = len(wanted)
        for i, target in enumerate(wanted):
            config.set_compute_capability(target, i)
    return config


@contextmanager
def _timed(trt: Any, config: Any, timings: Path | None) -> Iterator[None]:
    """Use the times kept in a file, and keep those that are measured within."""
    if timings is None or is_rtx(trt):  # TensorRT-RTX times nothing when it builds
        yield
        return
    known = timings.read_bytes() if timings.exists() else b""
    cache = config.create_timing_cache(known) or config.create_timing_cache(b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    yield
    replace_file(timings, bytes(config.get_timing_cache().serialize()))


def _parse(trt: Any, network: Any, log: Any, model: Any) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse(model.SerializeToString()):
        return
    reasons = [_explained(parser.get_error(i)) for i in range(parser.num_errors)]
    raise ModelFileError(f"TensorRT cannot read this model: {'; '.join(reasons) or log.first()}")


def _explained(error: Any) -> str:
    """A parser's error in a line: which node, which operator, why."""
    node, operator = error.node_name(), error.node_operator()
    # The first lines repeat the node's name; the reason stands in the last that is not about CUDA.
    reasons = [line for line in error.desc().splitlines() if line and "CUDA driver" not in line]
    reason = next((line for line in reasons if not line.startswith("Invalid Node")), "no reason")
    return f"node '{node or '?'}' ({operator or 'no operator'}): {reason.strip()}"


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.stopped = False

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.steps[phase] = max(steps, 1)

        def step_complete(self, phase: str, step: int) -> bool:
            share = min((step + 1) / self.steps.get(phase, 1), 1.0)
            self.stopped |= not progress(phase, share)
            return not self.stopped

        def phase_finish(self, phase: str) -> None:
            self.steps.pop(phase, None)

    return Monitor()
