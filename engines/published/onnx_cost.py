"""What an ONNX file computes of one picture, counted from its shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.base import ModelFileError


def operations(path: Path, shape: tuple[int, ...]) -> float:
    """Operations of convolutions and products for an input of ``shape``: two for each
    multiplication with its addition.

    Raises:
        ModelFileError: it is no ONNX file, or its shapes cannot be told.
    """
    import onnx

    try:
        model = onnx.load(str(path))
        for size, own in zip(shape, model.graph.input[0].type.tensor_type.shape.dim, strict=True):
            own.dim_value = size
        model = onnx.shape_inference.infer_shapes(model)
    except Exception as error:  # the library raises many kinds
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(f"{path} is no ONNX file that can be read: {reason}") from None
    graph = model.graph
    sizes = {own.name: tuple(own.dims) for own in graph.initializer}
    for info in (*graph.input, *graph.output, *graph.value_info):
        sizes[info.name] = tuple(own.dim_value for own in info.type.tensor_type.shape.dim)
    found = 0.0
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            made, weights = sizes.get(node.output[0], ()), sizes.get(node.input[1], ())
            each = np.prod(weights[1:]) if node.op_type == "Conv" else _depth(node, weights)
            found += 2.0 * float(np.prod(made)) * float(each)
    return found


def _depth(node: object, weights: tuple[int, ...]) -> int:
    """How many numbers are multiplied for one of a product."""
    turned = any(own.name == "transB" and own.i for own in node.attribute)  # type: ignore[attr-defined]
    return weights[-1 if turned else -2] if len(weights) > 1 else 1
