"""INT8 graphs for TensorRT: as many layers as can be without the model becoming another."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from engines import open_engine
from engines.files import replace_file
from engines.quantize import Loss, convolutions, layer_losses, quantize
from engines.zoo import ModelSpec, verify
from pipeline.models import parity
from pipeline.models.parity import Parity, pictures

#: Pictures ranges are taken from, others the outcome is compared on, and those on which the loss of
#: each layer is measured.
CALIBRATED, COMPARED, MEASURED = 48, 16, 3
#: Convolutions at the beginning that stay in float: the first of these with which the model is
#: still the same. What they lose, everything after them loses.
LEFT_IN_FLOAT = (0, 3, 6, 12, 24)


@dataclass(frozen=True, slots=True)
class Quantised:
    """What INT8 changes: the loss of each tensor in dB, worst first, how many convolutions of how
    many stayed in float, and what becomes of the results."""

    layers: list[Loss]
    in_float: int
    convolutions: int
    parity: Parity


def quantised(spec: ModelSpec, images: Path, out: Path, measure: bool = False) -> Quantised:
    """Quantise a model as TensorRT wants it, and write it. Ranges come from some of the pictures,
    the comparison from others. The loss of each layer is only measured if asked for.

    Raises:
        ModelFileError: the model's file is damaged.
        SourceRefusedError: no picture can be read.
        OSError: it cannot be written.
    """
    shown = pictures(spec, images, CALIBRATED + COMPARED)
    held = shown[:: CALIBRATED // COMPARED + 1]
    ranges = [p for i, p in enumerate(shown) if i % (CALIBRATED // COMPARED + 1)] or held
    names = convolutions(verify(spec))
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        for count in LEFT_IN_FLOAT:
            exact = names[:count]
            quantize(spec.path, small, (p[None] for p in ranges), exact=exact, symmetric=True)
            with open_engine(spec, "onnxruntime") as one, open_engine(small, "onnxruntime") as two:
                found = parity.run(spec, one, two, held)
            if not found.failures("int8"):
                break
        losses = []
        if measure:
            losses = layer_losses(spec.path, small, [p[None] for p in held[:MEASURED]])
        replace_file(out, small.read_bytes())
    return Quantised(losses, min(count, len(names)), len(names), found)
