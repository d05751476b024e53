"""OpenVINO backend: Intel, AMD and Arm CPUs."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock
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
    refused,
)

_CAPABILITY = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


def library() -> Any:
    """OpenVINO, without its reports to the maker: importing it would else fork a process that tells
    of every start, over the network, and a fork beside other threads may hang for good."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


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
MOST_SIZES = 8


class OpenVinoEngine:
    """A model compiled for the CPU, optimised for latency.

    It is compiled anew for every input size it meets and runs pictures one by one: with fixed
    shapes INT8 models take half the time, and batches gain nothing on a CPU. Outputs for a single
    picture are views of the request's own memory, valid until the next ``infer``.
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
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": options.precision,
        }
        if options.threads:
            self._settings["INFERENCE_NUM_THREADS"] = options.threads
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
        self._requests: dict[tuple[int, ...], Any] = {}
        self._lock = Lock()
        if all(n is not None for spec in self.inputs for n in spec.shape[1:]):
            try:
                self._request([(1, *spec.shape[1:]) for spec in self.inputs])
            except RuntimeError as error:
                raise ModelFileError(
                    f"{path}: openvino cannot compile this model: {error}"
                ) from error

    def _request(self, shapes: list[tuple[int | None, ...]]) -> Any:
        """A request compiled for input shapes; the one compiled first makes room.

        Raises:
            RuntimeError: the model cannot take these shapes.
        """
        key = tuple(n or 0 for shape in shapes for n in shape)
        request = self._requests.get(key)
        if request is None:
            graph = self._graph.clone()
            graph.reshape(dict(zip(graph.inputs, map(list, shapes), strict=True)))
            model = self._core.compile_model(graph, "CPU", self._settings)
            request = model.create_infer_request()
            with self._lock:
                if len(self._requests) >= MOST_SIZES:
                    self._requests.pop(next(iter(self._requests)))
                self._requests[key] = request
        return request

    def prepare(self, shape: tuple[int, ...]) -> None:
        check_shape(self.inputs, shape)
        try:
            self._request([shape])
        except RuntimeError as error:
            raise EngineInputError(f"the model cannot run on {shape}: {error}") from error

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
            request = self._request([inputs[spec.name].shape for spec in self.inputs])
            results = request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise EngineInputError(refused(inputs, error)) from error
        return {spec.name: results[i] for i, spec in enumerate(self.outputs)}

    def __enter__(self) -> OpenVinoEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self._requests.clear()
