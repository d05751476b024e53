"""OpenVINO backend: Intel, AMD and Arm CPUs."""

from __future__ import annotations

import sys
from contextlib import suppress
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

#: Held while OpenVINO is used for the first time.
_FIRST = Lock()
_CAPABILITY = MappingProxyType({"f32": "FP32", "bf16": "BF16", "f16": "FP16"})


def library() -> Any:
    """OpenVINO, without its reports to the maker: importing it would else fork a process that tells
    of every start, over the network, and a fork beside other threads may hang for good."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    # Its first conversion of a type sets up what a second thread waits for while it holds the
    # interpreter, which the first one needs to go on: two models opened side by side hang for good.
    with _FIRST:
        openvino.Type.f32.to_dtype()
    return openvino


def version() -> str | None:
    """Version of OpenVINO; ``None`` without it."""
    return installed("openvino")


def why_not() -> str:
    """Why it cannot run here; empty if it can."""
    return "" if version() else "it is not installed: pip install openvino"


def precisions() -> list[Precision]:
    """Precisions this CPU computes in natively."""
    ov = library()
    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    names: list[Precision] = ["f32", "bf16", "f16"]
    return [name for name in names if _CAPABILITY[name] in able]


def _spec(port: Any) -> TensorSpec:
    shape = tuple(None if d.is_dynamic else d.get_length() for d in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), np.dtype(port.get_element_type().to_dtype()), shape)


#: Compiled input sizes kept; a detector has a few of its own and one for each aspect ratio.
MOST_SIZES = 16
#: Shapes of all inputs: what a request is compiled for; a side of -1 may have any length.
Shapes = tuple[tuple[int, ...], ...]


class OpenVinoEngine:
    """A model compiled for the CPU, optimised for latency.

    It is compiled anew for every input size it meets and runs pictures one by one: batches gain
    nothing on a CPU. Compiling takes as long as some fifty pictures and saves a tenth of each, so
    with ``any_size`` it is done once. Outputs for a single picture are views of the request's own
    memory, valid until the next ``infer``.
    """

    backend = "openvino"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        ov = library()
        if options.precision not in precisions():
            raise EngineUnavailableError(
                f"openvino: this CPU has no native {options.precision}; "
                f"use one of {', '.join(precisions())}"
            )
        self.precision = options.precision
        self._settings = self._settings_for(options.threads)
        self._core = ov.Core()
        if options.cache is not None:
            # What is damaged or of another version in it is compiled anew.
            with suppress(RuntimeError):  # nowhere to write: compiled at every start
                self._core.set_property({"CACHE_DIR": str(options.cache)})
        try:
            graph = self._graph = self._core.read_model(str(path))
        except RuntimeError as error:
            raise ModelFileError(f"{path}: openvino cannot read this model: {error}") from error
        self.inputs = tuple(_spec(port) for port in graph.inputs)
        # Compiling merges names of fused tensors; the graph still has the model's own.
        self.outputs = tuple(_spec(port) for port in graph.outputs)
        self._free = len(self.inputs) == 1 and self.inputs[0].shape[0] is None
        self._any_size = options.any_size
        #: Compiled requests, the one used last at the end. Guarded by the lock.
        self._requests: dict[Shapes, Any] = {}
        self._lock = Lock()
        #: Whose memory the last outputs are views of.
        self._last: Any = None
        fixed = [tuple(n for n in spec.shape[1:] if n is not None) for spec in self.inputs]
        if all(len(spec.shape) == 1 + len(n) for spec, n in zip(self.inputs, fixed, strict=True)):
            try:
                first = [spec.shape[0] or 1 for spec in self.inputs]  # free: picture by picture
                self._request(tuple((n, *own) for n, own in zip(first, fixed, strict=True)))
            except RuntimeError as error:
                raise ModelFileError(
                    f"{path}: openvino cannot compile this model: {error}"
                ) from error

    def _settings_for(self, threads: int) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        return settings | ({"INFERENCE_NUM_THREADS": threads} if threads else {})

    def _compiled(self, shapes: Shapes, settings: dict[str, Any]) -> Any:
        """A new request for input shapes.

        Raises:
            RuntimeError: the model cannot take these shapes.
        """
        graph = self._graph.clone()
        graph.reshape(dict(zip(graph.inputs, map(list, shapes), strict=True)))
        return self._core.compile_model(graph, "CPU", settings).create_infer_request()

    def _request(self, shapes: Shapes) -> Any:
        """The request for input shapes, compiled if need be; the one unused longest makes room.

        Raises:
            RuntimeError: the model cannot take these shapes.
        """
        request = settings = None
        while True:
            with self._lock:
                known = self._requests.pop(shapes, None)
                if known is None and settings is self._settings:
                    known = request  # compiled for what still holds
                if known is not None:
                    self._requests[shapes] = known
                    if len(self._requests) > MOST_SIZES:
                        del self._requests[next(iter(self._requests))]
                    return known
                settings = self._settings
            request = self._compiled(shapes, settings)

    def _one(self, shape: tuple[int, ...]) -> Shapes:
        """What is compiled for an input of this shape: batches run picture by picture."""
        if not self._free:
            return (shape,)
        if self._any_size:
            return ((1, *(-1 if n is None else n for n in self.inputs[0].shape[1:])),)
        return ((1, *shape[1:]),)

    def prepare(self, shape: tuple[int, ...]) -> None:
        check_shape(self.inputs, shape)
        try:
            self._request(self._one(shape))
        except RuntimeError as error:
            raise EngineInputError(f"the model cannot run on {shape}: {error}") from error

    def ready(self, shape: tuple[int, ...]) -> bool:
        if not takes_shape(self.inputs, shape):
            return False
        with self._lock:
            return self._one(shape) in self._requests

    def threads(self, count: int) -> None:
        settings = self._settings_for(count)
        fresh: dict[Shapes, Any] = {}
        while True:
            with self._lock:  # until nothing was added meanwhile
                missing = [shapes for shapes in self._requests if shapes not in fresh]
                if not missing:
                    self._requests = {shapes: fresh[shapes] for shapes in self._requests}
                    self._settings = settings
                    return
            for shapes in missing:
                fresh[shapes] = self._compiled(shapes, settings)

    def infer(self, inputs: Arrays) -> dict[str, Array]:
        check_inputs(self.inputs, inputs)
        if not self._free:
            return self._run(inputs)
        [(name, batch)] = inputs.items()
        if len(batch) == 1:
            return self._run(inputs)
        if len(batch) == 0:
            raise EngineInputError(f"input '{name}': an empty batch")
        out: dict[str, list[Array]] = {spec.name: [] for spec in self.outputs}
        for i in range(len(batch)):
            for key, array in self._run({name: batch[i : i + 1]}).items():
                out[key].append(array.copy())
        return {key: np.concatenate(arrays) for key, arrays in out.items()}

    def _run(self, inputs: Arrays) -> dict[str, Array]:
        try:
            shapes = tuple(inputs[spec.name].shape for spec in self.inputs)
            request = self._request(self._one(*shapes) if self._free else shapes)
            self._last = request
            results = request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise EngineInputError(refused(inputs, error)) from error
        return {spec.name: results[i] for i, spec in enumerate(self.outputs)}

    def __enter__(self) -> OpenVinoEngine:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._requests.clear()


def open(path: Path, options: EngineOptions) -> OpenVinoEngine:
    """Load an ONNX file."""
    return OpenVinoEngine(path, options)
