"""INT8 models by explicit Q/DQ nodes, which every engine runs. Needs ``onnx``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from engines.base import Array


class _Reader:
    """Feeds calibration inputs one by one, as ONNX Runtime's quantiser asks for them."""

    def __init__(self, inputs: Iterable[Array], name: str) -> None:
        self._inputs: Iterator[Array] = iter(inputs)
        self._name = name

    def get_next(self) -> dict[str, Array] | None:
        image = next(self._inputs, None)
        return None if image is None else {self._name: image}


def quantize(
    model: Path,
    out: Path,
    inputs: Iterable[Array],
    only: str = "",
    exact: Sequence[str] = (),
) -> None:
    """Write the model with INT8 convolutions: weights per channel, activations by their range over
    ``inputs``.

    Args:
        inputs: calibration inputs as ``infer`` takes them; a few dozen real pictures are enough.
        only: nodes whose names do not begin so stay in float.
        exact: nodes with one of these in their names stay in float as well.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        small = [
            n.name for n in graph.node
            if n.name.startswith(only) and not any(part in n.name for part in exact)
        ]  # fmt: skip
        quantize_static(
            str(prepared),
            str(out),
            _Reader(inputs, graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[n.name for n in graph.node if n.name not in small],
        )
