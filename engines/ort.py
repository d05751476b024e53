"""ONNX Runtime backend: every CPU it has a wheel for."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np

from engines.base import (
    Array,
    Arrays,
    EngineInputError,
    EngineOptions,
    EngineUnavailableError,
    ModelFileError,
    Precision,
    TensorSpec,
    check_inputs,
    check_shape,
    installed,
    refused,
    takes_shape,
)

AUTOMATIC = True
PLANS = False

_DTYPES = MappingProxyType(
    {
        "tensor(uint8)": np.uint8,
        "tensor(int32)": np.int32,
        "tensor(int64)": np.int64,
        "tensor(float)": np.float32,
        "tensor(float16)": np.float16,
    }
)


def version() -> str | None:
    """Version of ONNX Runtime; ``None`` without it."""
    return installed("onnxruntime")


def why_not() -> str:
    """Why it cannot run here; empty if it can."""
    return "" if version() else "it is not installed: pip install onnxruntime"


def precisions() -> list[Precision]:
    """ONNX Runtime computes on the CPU in the precision of the file: f32 for all shipped models."""
    return ["f32"]


def _spec(node: Any) -> TensorSpec:
    shape = tuple(d if isinstance(d, int) else None for d in node.shape)
    return TensorSpec(node.name, np.dtype(_DTYPES[node.type]), shape)


class OnnxRuntimeEngine:
    """An ONNX Runtime session on the CPU. Outputs are new arrays."""

    backend = "onnxruntime"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        if options.precision not in precisions():
            raise EngineUnavailableError(
                f"onnxruntime: no {options.precision} on the CPU; use f32 or another engine"
            )
        self.precision = options.precision
        self._path = path
        self._lock = Lock()
        self._session: Any = self._opened(options.threads)
        self.inputs = tuple(_spec(node) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node) for node in self._session.get_outputs())

    def _opened(self, threads: int) -> Any:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4  # failures arrive as exceptions
        settings.intra_op_num_threads = threads
        try:
            return onnxruntime.InferenceSession(
                str(self._path), settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library's own classes differ between versions
            raise ModelFileError(
                f"{self._path}: onnxruntime cannot read this model: {error}"
            ) from error

    def prepare(self, shape: tuple[int, ...]) -> None:
        check_shape(self.inputs, shape)  # nothing depends on it

    def ready(self, shape: tuple[int, ...]) -> bool:
        return takes_shape(self.inputs, shape)

    def threads(self, count: int) -> None:
        session = self._opened(count)
        with self._lock:
            if self._session is not None:  # else closed meanwhile
                self._session = session

    def infer(self, inputs: Arrays) -> dict[str, Array]:
        check_inputs(self.inputs, inputs)
        names = [spec.name for spec in self.outputs]
        try:
            return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
        except Exception as error:  # the library's own classes differ between versions
            raise EngineInputError(refused(inputs, error)) from error

    def __enter__(self) -> OnnxRuntimeEngine:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._session = None


def open(path: Path, options: EngineOptions) -> OnnxRuntimeEngine:
    """Load an ONNX file."""
    return OnnxRuntimeEngine(path, options)
