"""ONNX graphs as TensorRT wants them: the same model in another order or precision.

TensorRT-RTX and TensorRT 11 have no precision flags: a layer computes in what the graph says, so
FP16 is written into it here and INT8 by explicit Q/DQ (``engines.quantize``). Needs ``onnx``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.base import EngineUnavailableError, ModelFileError

#: Operators that stay in FP32: sums of many terms, exponentials, and what is compared with a cutoff
#: or decides about places in a picture.
EXACT = (
    "Softmax",
    "LayerNormalization",
    "LpNormalization",
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceL2",
    "Exp",
    "Log",
    "Sigmoid",
    "Div",
    "Sub",
    "Reciprocal",
    "Resize",
    "GreaterOrEqual",
    "Where",
    "Cast",
    "MaxPool",
    "TopK",
    "NonMaxSuppression",
)


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise EngineUnavailableError("building for TensorRT needs onnx: pip install onnx") from None
    return onnx


def load(path: Path) -> Any:
    """An ONNX model.

    Raises:
        ModelFileError: it is missing or no ONNX model.
    """
    onnx = _onnx()
    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's classes differ between versions
        raise ModelFileError(f"{path}: no ONNX model: {str(error).splitlines()[0]}") from error


def cast_first(model: Any) -> Any:
    """The model with uint8 pictures made float before anything else, in place: TensorRT lets uint8
    be an input and be cast, and nothing more."""
    onnx = _onnx()
    graph = model.graph
    for given in graph.input:
        if given.type.tensor_type.elem_type != onnx.TensorProto.UINT8:
            continue
        plain = f"{given.name}_float"
        for node in graph.node:
            for i, name in enumerate(node.input):
                if name == given.name:
                    node.input[i] = plain
        to = onnx.TensorProto.FLOAT
        cast = onnx.helper.make_node("Cast", [given.name], [plain], f"{plain}/cast", to=to)
        graph.node.insert(0, cast)
    del graph.value_info[:]  # what was uint8 is float now
    return model


def ready(model: Any, precision: str) -> Any:
    """The model as TensorRT takes it, in f32 or f16; in place."""
    model = cast_first(model)
    return halved(model) if precision == "f16" else model


def halved(model: Any) -> Any:
    """The model computing in FP16 but for ``EXACT``; inputs and outputs stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=list(EXACT), disable_shape_infer=False
    )
    # The converter casts a value once for each of a node's inputs that take it.
    made: set[str] = set()
    for node in list(half.graph.node):
        if node.op_type == "Cast" and node.output[0] in made:
            half.graph.node.remove(node)
        made.add(node.output[0])
    return half
