"""Engines: models that turn named arrays into named arrays, on whatever this machine has."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import cast

from engines.base import (
    Engine,
    EngineError,
    EngineInputError,
    EngineOptions,
    EngineUnavailableError,
    ModelFileError,
    Precision,
    TensorSpec,
    warm_up,
)
from engines.trt import library as tensorrt
from engines.zoo import ModelSpec, verify

__all__ = [
    "BACKENDS",
    "Engine",
    "EngineError",
    "EngineInputError",
    "EngineOptions",
    "EngineUnavailableError",
    "ModelFileError",
    "ModelSpec",
    "Precision",
    "TensorSpec",
    "available",
    "open_engine",
    "warm_up",
]

#: Backend name -> (module, class, distribution it needs), in order of preference. TensorRT is asked
#: for by name: ``auto`` stays on the processor.
BACKENDS = {
    "openvino": ("engines.ov", "OpenVinoEngine", "openvino"),
    "onnxruntime": ("engines.ort", "OnnxRuntimeEngine", "onnxruntime"),
    "tensorrt": ("engines.trt.runner", "TensorRtEngine", "tensorrt"),
}


def available() -> dict[str, str | None]:
    """Backend name -> installed version of its library, ``None`` where it is missing or, for
    TensorRT, has no GPU to run on."""
    found: dict[str, str | None] = {}
    for name, (_, _, distribution) in BACKENDS.items():
        if name == "tensorrt":
            found[name] = tensorrt.version()
            continue
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _choose(backend: str) -> str:
    here = available()
    if backend == "auto":
        for name, version in here.items():
            if version is not None:
                return name
        raise EngineUnavailableError("no engine is installed: pip install openvino")
    if backend not in BACKENDS:
        raise EngineUnavailableError(
            f"engine '{backend}' is unknown; choose auto, {', '.join(BACKENDS)}"
        )
    if here[backend] is None and backend == "tensorrt":
        raise EngineUnavailableError(f"engine 'tensorrt' cannot run here: {tensorrt.missing()}")
    if here[backend] is None:
        raise EngineUnavailableError(
            f"engine '{backend}' is not installed: pip install {BACKENDS[backend][2]}"
        )
    return backend


def open_engine(
    model: ModelSpec | Path, backend: str = "auto", options: EngineOptions | None = None
) -> Engine:
    """Load a registered model (its hash is checked first) or a bare ONNX file.

    Raises:
        EngineUnavailableError: unknown or missing backend, or a precision it lacks.
        ModelFileError: the file is missing, damaged or not the registered one.
    """
    path = model if isinstance(model, Path) else verify(model)
    module, name, _ = BACKENDS[_choose(backend)]
    make = cast(Callable[[Path, EngineOptions], Engine], getattr(import_module(module), name))
    return make(path, options or EngineOptions())


def precisions(backend: str) -> list[Precision]:
    """Precisions an installed backend offers on this machine."""
    module = import_module(BACKENDS[_choose(backend)][0])
    return cast(list[Precision], module.precisions())
