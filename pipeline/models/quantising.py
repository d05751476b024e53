"""INT8 graphs for TensorRT: as many layers as possible while the outputs still match."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from engines import Pack, PackError, open_engine
from engines.files import replace_file
from engines.packs import verify
from engines.quantize import Loss, convolutions, layer_losses, quantize
from pipeline.models import parity
from pipeline.models.alike import Parity
from pipeline.models.samples import pictures, sample

#: Pictures that ranges are taken from.
CALIBRATED = 48
#: Other pictures, on which the outcome is compared.
COMPARED = 16
#: Pictures on which the loss of each layer is measured.
MEASURED = 3
#: Convolutions at the beginning that stay in float: the first of these numbers with which the
#: outputs still match. What they lose, everything after them loses.
LEFT_IN_FLOAT = (0, 3, 6, 12, 24)


@dataclass(frozen=True, slots=True)
class Quantised:
    """What INT8 changes.

    Attributes:
        layers: loss of each tensor in dB, worst first.
        in_float: convolutions that stayed in float, of ``convolutions`` in all.
        parity: how alike the outputs are.
    """

    layers: list[Loss]
    in_float: int
    convolutions: int
    parity: Parity


def quantised(pack: Pack, images: Path, out: Path, measure: bool = False) -> Quantised:
    """Quantise a model as TensorRT wants it, and write it. Ranges come from some of the pictures,
    the comparison from others. The loss of each layer is only measured if asked for.

    Raises:
        ModelFileError: a file of the pack is damaged.
        PackError: the model has several inputs.
        SourceRefusedError: no picture can be read.
        OSError: it cannot be written.
    """
    if len(pack.inputs) != 1:
        raise PackError(f"model '{pack.name}': only a model of one input can be quantised")
    shown = pictures(pack, images, CALIBRATED + COMPARED)
    held = shown[:: CALIBRATED // COMPARED + 1]
    ranges = [p for i, p in enumerate(shown) if i % (CALIBRATED // COMPARED + 1)] or held
    inputs = [sample(pack.inputs[0], picture) for picture in ranges]
    names = convolutions(verify(pack))
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        for count in LEFT_IN_FLOAT:
            exact = names[:count]
            quantize(pack.path, small, inputs, exact=exact, symmetric=True)
            with open_engine(pack, "onnxruntime") as one, open_engine(small, "onnxruntime") as two:
                found = parity.run(pack, one, two, held)
            if not found.failures("int8"):
                break
        losses = []
        if measure:
            losses = layer_losses(
                pack.path, small, [sample(pack.inputs[0], p) for p in held[:MEASURED]]
            )
        replace_file(out, small.read_bytes())
    return Quantised(losses, min(count, len(names)), len(names), found)
