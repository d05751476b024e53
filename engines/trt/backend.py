"""TensorRT as one of the engines: runs plans built ahead, on an NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path

from engines.base import Engine, EngineOptions, Precision
from engines.trt import library

#: It is asked for by name: ``auto`` stays on the processor.
AUTOMATIC = False
PLANS = True


def version() -> str | None:
    """Version of the TensorRT that can run plans here; ``None`` if none can."""
    return library.version()


def why_not() -> str:
    """Why no plan can run here; empty if one can."""
    return library.missing()


def precisions() -> list[Precision]:
    """Precisions a plan of a bare file can have."""
    return ["f32", "f16"]


def open(path: Path, options: EngineOptions) -> Engine:
    """Load a ``.plan`` file, or an ONNX file from which a plan is built."""
    from engines.trt.runner import TensorRtEngine

    return TensorRtEngine(path, options)
