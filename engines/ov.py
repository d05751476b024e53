"""OpenVINO backend: Intel, AMD and Arm CPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engines.base import (
    Array,
    Arrays,
    EngineOptions,
    EngineUnavailableError,
    ModelFileError,
    Precision,
    TensorSpec,
    check_inputs,
)

_CAPABILITY = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


def precisions() -> list[Precision]:
    """Precisions this CPU computes in natively."""
    import openvino as ov

    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    names: list[Precision] = ["f32", "bf16", "f16"]
    return [name for name in names if _CAPABILITY[name] in able]


def _spec(port: Any) -> TensorSpec:
    shape = tuple(None if d.is_dynamic else d.get_length() for d in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), np.dtype(port.get_element_type().to_dtype()), shape)


class OpenVinoEngine:
    """A model compiled for the CPU, optimised for latency, with a free batch dimension.

    Outputs are views of the request's own memory: valid until the next ``infer``.
    """

    backend = "openvino"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import openvino as ov

        if options.precision not in precisions():
            raise EngineUnavailableError(
                f"openvino: this CPU has no native {options.precision}; "
                f"use one of {', '.join(precisions())}"
            )
        self.precision = options.precision
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": options.precision,
        }
        if options.threads:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        try:
            core = ov.Core()
            graph = core.read_model(str(path))
            model = core.compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise ModelFileError(f"{path}: openvino cannot read this model: {error}") from error
        self.inputs = tuple(_spec(port) for port in graph.inputs)
        # Compiling merges names of fused tensors; the graph still has the model's own.
        self.outputs = tuple(_spec(port) for port in graph.outputs)
        self._request = model.create_infer_request()

    def infer(self, inputs: Arrays) -> dict[str, Array]:
        check_inputs(self.inputs, inputs)
        results = self._request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        return {spec.name: results[i] for i, spec in enumerate(self.outputs)}

    def __enter__(self) -> OpenVinoEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self._request = None
