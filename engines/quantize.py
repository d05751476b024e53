"""INT8 models by explicit Q/DQ nodes, which every engine runs. Needs ``onnx``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.base import Array

#: What TensorRT takes: zero is zero, and no quantised biases.
SYMMETRIC = MappingProxyType(
    {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        # A result is rounded where it is taken, once, after its activation function.
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    }
)
#: The same for processors.
INPUTS_ALONE = MappingProxyType({"OpTypesToExcludeOutputQuantization": ["Conv"]})
#: Part of the names of convolutions that only enlarge what others made: they stay in float.
FIXED = "/winner/"


class _Reader:
    """Feeds calibration inputs one by one, as ONNX Runtime's quantiser asks for them."""

    def __init__(self, inputs: Iterable[Array], name: str) -> None:
        self._inputs: Iterator[Array] = iter(inputs)
        self._name = name

    def get_next(self) -> dict[str, Array] | None:
        image = next(self._inputs, None)
        return None if image is None else {self._name: image}

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return ({self._name: image} for image in self._inputs)


def quantize(
    model: Path,
    out: Path,
    inputs: Iterable[Array],
    only: str = "",
    exact: Sequence[str] = (),
    symmetric: bool = False,
) -> None:
    """Write the model with INT8 convolutions: weights per channel, activations by their range over
    ``inputs``.

    Args:
        inputs: calibration inputs as ``infer`` takes them; a few dozen real pictures are enough.
        only: nodes whose names do not begin so stay in float.
        exact: nodes with one of these in their names stay in float as well.
        symmetric: convolutions alone, activations signed about zero and biases in float, as
            TensorRT demands.
    """
    with _prepared(model) as (path, nodes):
        in_float = [
            name
            for name, _ in nodes
            if not name.startswith(only) or any(part in name for part in (*exact, FIXED))
        ]
        _write(path, out, inputs, in_float, symmetric, dict(SYMMETRIC) if symmetric else {})


def quantize_convolutions(
    model: Path, out: Path, inputs: Iterable[Array], exact: Sequence[str] = ()
) -> None:
    """The same, but what follows a convolution is computed in float, in one step with it: only what
    goes in is rounded, and the weights. A curved activation function that is rounded on both sides
    loses too much.

    Rounded weights change the mean of what a convolution puts out, always the same way, and many
    layers add that up: biases make up for it (Nagel et al., ICCV 2019)."""
    some = list(inputs)
    with _prepared(model) as (path, nodes):
        in_float = [name for name, _ in nodes if any(part in name for part in exact)]
        _write(path, out, some, in_float, False, dict(INPUTS_ALONE))
        _correct_biases(path, out, some)


_Node = tuple[str, str]


@contextmanager
def _prepared(model: Path) -> Iterator[tuple[Path, list[_Node]]]:
    """A model ready to be quantised, and its nodes: name and kind."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model), str(path), skip_symbolic_shape=True)
        graph = onnx.load(str(path)).graph
        yield path, [(node.name, node.op_type) for node in graph.node]


def _write(
    prepared: Path,
    out: Path,
    inputs: Iterable[Array],
    in_float: Sequence[str],
    symmetric: bool,
    extra: dict[str, Any],
) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    quantize_static(
        str(prepared),
        str(out),
        _Reader(inputs, _input_name(prepared)),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        # Processors without VNNI add products in 16 bits: eight bits times eight overflow there.
        reduce_range=not symmetric,
        activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(in_float),
        op_types_to_quantize=["Conv"] if extra else None,
        extra_options=extra,
    )


def _correct_biases(exact: Path, out: Path, inputs: Sequence[Array]) -> None:
    """Add to the bias of every convolution with rounded weights what rounding took from its mean
    output over ``inputs``."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(out))
    made = {name: node for node in model.graph.node for name in node.output}
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    before = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(exact)).graph.initializer}
    rounded = [
        conv
        for conv in model.graph.node
        if conv.op_type == "Conv" and all(name in made for name in conv.input[:3])
    ]
    taken = {conv.name: made[made[conv.input[0]].input[0]].input[0] for conv in rounded}
    means = _channel_means(exact, sorted(set(taken.values())), inputs)
    for conv in rounded:
        weight, scale = (numpy_helper.to_array(known[n]) for n in made[conv.input[1]].input[:2])
        name = made[conv.input[1]].input[0].removesuffix("_quantized")
        lost = before[name] - weight * scale.reshape(-1, 1, 1, 1)
        bias, unit = (known[n] for n in made[conv.input[2]].input[:2])
        added = lost.sum(axis=(2, 3)) @ means[taken[conv.name]] / numpy_helper.to_array(unit)
        changed = numpy_helper.to_array(bias) + np.rint(added).astype(np.int32)
        bias.CopyFrom(numpy_helper.from_array(changed, bias.name))
    onnx.save(model, str(out))


def _channel_means(
    path: Path, tensors: Sequence[str], inputs: Sequence[Array]
) -> dict[str, npt.NDArray[np.float64]]:
    """Mean of every channel of some tensors (n, channels, height, width) of a model."""
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = session.get_inputs()[0].name
    sums = [
        [np.mean(array, axis=(0, 2, 3), dtype=np.float64) for array in session.run(None, {feed: x})]
        for x in inputs
    ]
    return {
        name: np.mean(rows, axis=0)
        for name, rows in zip(tensors, zip(*sums, strict=True), strict=True)
    }


def _input_name(model: Path) -> str:
    import onnx

    name: str = onnx.load(str(model), load_external_data=False).graph.input[0].name
    return name


@dataclass(frozen=True, slots=True)
class Loss:
    """What INT8 does to one tensor: ratio of signal to noise in dB, of its own rounding and of all
    up to it."""

    tensor: str
    own: float
    whole: float


def layer_losses(model: Path, quantised: Path, inputs: Sequence[Array]) -> list[Loss]:
    """How much each tensor loses in INT8 over a few inputs, worst first."""
    from onnxruntime.quantization import qdq_loss_debug as debug

    name = _input_name(model)
    found: list[dict[str, list[Array]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in (model, quantised):
            wide = Path(folder) / f"{len(found)}.onnx"
            debug.modify_model_output_intermediate_tensors(str(path), str(wide))
            found.append(debug.collect_activations(str(wide), _Reader(inputs, name)))
    matched = debug.create_activation_matching(found[1], found[0])
    errors = debug.compute_activation_error(matched)
    losses = [
        Loss(tensor, float(error["qdq_err"]), float(error["xmodel_err"]))
        for tensor, error in errors.items()
    ]
    return sorted(losses, key=lambda loss: loss.whole)


def convolutions(model: Path) -> list[str]:
    """Names of a model's convolutions, in its order."""
    import onnx

    graph = onnx.load(str(model)).graph
    return [node.name for node in graph.node if node.op_type == "Conv"]
