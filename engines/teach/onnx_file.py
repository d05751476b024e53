"""A taught network as an ONNX file, and whether the two say the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from engines.base import Array, EngineOptions
from engines.nets.glsim import ExportedLook, TaughtTwice
from engines.nets.taught import ExportedTaught, Taught
from engines.ort import open as open_model  # the engine that is always there
from engines.packs import again
from engines.teach.lesson import TeachError
from engines.teach.twins import Image
from engines.teach.views import square

#: Scores of the exported file and of the network differ by no more.
PARITY = 1e-3
OPSET = 17
#: Pictures the exported file is compared on.
_COMPARED = 8


def write_model(net: Taught, temperature: float, side: int, path: Path) -> None:
    """Write the ONNX file: ``images`` uint8 (n, side, side, 3) to ``scores`` (n, classes)."""
    images = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    write_onnx(ExportedTaught(net, temperature), {"images": images}, ("scores",), path)


def write_look(net: TaughtTwice, temperatures: tuple[float, float], side: int, path: Path) -> None:
    """Write the ONNX file of one look of a network that looks twice: see ``ExportedLook``. It takes
    one picture at a time: each may need another look or not."""
    inputs = {
        "images": torch.zeros(1, side, side, 3, dtype=torch.uint8),
        again.WHOLE: torch.zeros(1, net.features.width),
    }
    outputs = (again.SCORES, again.FIRST, again.TOKEN, again.PART)
    write_onnx(ExportedLook(net, temperatures), inputs, outputs, path, any_batch=False)


def write_onnx(
    net: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    path: Path,
    any_batch: bool = True,
) -> None:
    """Write a network as an ONNX file.

    Args:
        inputs: name -> an example of it, in the order in which the network takes them.
        any_batch: whether the batch is of any size; else it is that of the examples.
    """
    net.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():  # of its own future, and of what it does not fold
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs) if any_batch},
            opset_version=OPSET,
            dynamo=False,
        )


def parity(
    net: Taught, temperature: float, path: Path, pictures: Sequence[Image], side: int
) -> float:
    """Largest difference of scores between the network and its ONNX file on some pictures.

    Raises:
        TeachError: it is more than ``PARITY``.
    """
    images: Array = np.stack([square(rgb, side) for rgb in pictures[:_COMPARED]])
    with torch.no_grad():
        wanted = ExportedTaught(net, temperature).eval()(torch.from_numpy(images)).numpy()
    with open_model(path, EngineOptions(threads=1)) as engine:
        found = engine.infer({"images": images})["scores"]
    return _near(path, found, wanted)


def look_parity(
    net: TaughtTwice,
    temperatures: tuple[float, float],
    path: Path,
    pictures: Sequence[Image],
    side: int,
) -> float:
    """The same of a network that looks twice, both looks at the whole.

    Raises:
        TeachError: it is more than ``PARITY``.
    """
    exported, names = ExportedLook(net, temperatures).eval(), (again.SCORES, again.FIRST)
    worst = 0.0
    with open_model(path, EngineOptions(threads=1)) as engine:
        for rgb in pictures[:_COMPARED]:
            images, whole = square(rgb, side)[None], np.zeros((1, net.features.width), np.float32)
            for _ in range(2):
                with torch.no_grad():
                    out = exported(torch.from_numpy(images), torch.from_numpy(whole))
                found = engine.infer({"images": images, again.WHOLE: whole})
                for name, wanted in zip(names, out[:2], strict=True):
                    worst = max(worst, _near(path, found[name], wanted.numpy()))
                whole = out[2].numpy()
    return worst


def _near(path: Path, found: Array, wanted: Array) -> float:
    """Largest difference of scores.

    Raises:
        TeachError: it is more than ``PARITY``.
    """
    worst = float(np.abs(found - wanted).max())
    if not worst <= PARITY:
        raise TeachError(f"{path}: scores differ by {worst:.4f} from the network; report this")
    return worst
