"""Networks written as ONNX."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

#: Operator set: the first with LayerNormalization as one operator.
OPSET = 17


def export(
    net: nn.Module,
    example: Tensor,
    path: Path,
    outputs: Sequence[str],
    free: bool = False,
    given: str = "pixel_values",
) -> None:
    """Write a network of one input with the shapes of ``example``.

    Args:
        free: any number of pictures instead of as many as in the example.
        given: name of the input.
    """
    names = [given, *outputs]
    axes = {name: {0: "n"} for name in names} if free else None
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracers warn of every shape that is read
        torch.onnx.export(
            net.eval(),
            (example,),
            str(path),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
