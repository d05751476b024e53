"""A network and its labels written as a pack, once its ONNX file computes what it does; and a
published ONNX file written as one, once the engine that was chosen computes what ONNX Runtime does.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from engines.backends import open_engine
from engines.base import Array, EngineError
from engines.packs.pack import sha256_of
from engines.published.export import export
from engines.published.onnx_cost import operations
from engines.published.recipes import Recipe

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
#: Largest difference between PyTorch's outputs and an engine's, as a share of the largest output,
#: or of 1 if that is more.
MOST_APART = 1e-4
#: The same of a published ONNX file, which may compute in half precision.
MOST_APART_FILE = 5e-3
#: Largest share of whole numbers that differ: of two classes as likely either may be the surest.
MOST_OTHERS = 1e-3
#: What computes a published ONNX file as its authors do.
REFERENCE = "onnxruntime"


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A network, ready to be written.

    Attributes:
        net: takes pictures (n, 3, h, w), or bytes (n, h, w, 3), and returns its outputs in the
            order of ``outputs``; or the path of an ONNX file that does, which is written as it is.
        example: one such picture.
        mean, std: by which pictures are normalised.
        labels: rows of ``labels.json``.
        tagger: the table ``[tagger]``; ``None``: it is no tagger by itself.
        files: further files of the pack, by name.
        free: it takes any number of pictures at a time.
        task: what it does, in a word.
        given: name of its input.
        scale: numbers of pictures are divided by this; 0: by the largest of each.
    """

    net: nn.Module | Path
    example: Tensor
    outputs: tuple[str, ...]
    mean: Sequence[float]
    std: Sequence[float]
    labels: Sequence[Any]
    tagger: Mapping[str, Any] | None
    files: Mapping[str, bytes] = field(default_factory=dict)
    free: bool = False
    task: str = "tagger"
    given: str = "pixel_values"
    scale: float = 255.0

    @property
    def bytes(self) -> bool:
        """It takes bytes, and normalises them itself."""
        return self.example.dtype == torch.uint8


@dataclass(frozen=True, slots=True)
class Cost:
    """What a pack's model costs here.

    Attributes:
        megabytes: of its files.
        gflop: two for each multiplication with its addition, of one picture.
        seconds: of one picture, on the engine that was chosen.
        apart: largest difference from PyTorch, as a share of the outputs.
        engine: what ran it.
    """

    megabytes: float
    gflop: float
    seconds: float
    apart: float
    engine: str


def probes(example: Tensor) -> list[Array]:
    """Pictures like ``example`` to compare outputs on: noise, and one with edges and a slope."""
    rng = np.random.default_rng(0)
    shape = tuple(example.shape)
    if example.dtype == torch.uint8:
        noise: Array = rng.integers(0, 256, shape, np.uint8)
        drawn = np.zeros_like(noise)
        drawn[:, shape[1] // 4 : shape[1] // 2] = 200
        drawn += np.linspace(0, 55, shape[2], dtype=np.uint8)[None, None, :, None]
        return [noise, drawn]
    noise = rng.standard_normal(shape).astype(np.float32)
    drawn = np.zeros_like(noise)
    drawn[..., shape[2] // 4 : shape[2] // 2, :] = 1.5
    drawn += np.linspace(-1, 1, shape[3], dtype=np.float32)
    return [noise, drawn]


def gflop(net: nn.Module | Path, example: Tensor) -> float:
    """Billions of operations for a picture: two for each multiplication with its addition."""
    if isinstance(net, Path):
        return operations(net, tuple(example.shape)) / len(example) / 1e9
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(example)
    return counter.get_total_flops() / len(example) / 1e9


def outputs_of(built: Built, pictures: Array) -> list[Array]:
    """What PyTorch computes, or ONNX Runtime of an ONNX file."""
    if isinstance(built.net, Path):
        with open_engine(built.net, REFERENCE) as engine:
            answer = engine.infer({built.given: pictures})
        return [answer[name] for name in built.outputs]
    with torch.no_grad():
        found = built.net(torch.from_numpy(pictures))
    every = found if isinstance(found, tuple) else (found,)
    return [own.numpy() for own in every]


def compared(built: Built, path: Path) -> tuple[float, float, str]:
    """How far an engine's outputs are from the original's, seconds for a picture, and the engine.

    Raises:
        EngineError: it cannot run, or its outputs are too different.
    """
    worst, seconds = 0.0, 0.0
    with open_engine(path) as engine:
        shown = probes(built.example)
        if built.free:  # what was taken for a constant shows with several pictures
            shown = [np.concatenate(shown), shown[0]]
        for pictures in shown:
            began = time.perf_counter()
            found = engine.infer({built.given: pictures})
            seconds = time.perf_counter() - began  # the second: the first compiles
            for name, wanted in zip(built.outputs, outputs_of(built, pictures), strict=True):
                worst = max(worst, apart(found[name], wanted))
        is_file = isinstance(built.net, Path)
        whose, most = ("ONNX Runtime", MOST_APART_FILE) if is_file else ("PyTorch", MOST_APART)
        if not worst <= most:
            raise EngineError(
                f"on {engine.backend} its outputs are {worst:.1e} from {whose}'s, more than "
                f"{most:.0e}: it is not used"
            )
        return worst, seconds, engine.backend


def apart(found: Array, wanted: Array) -> float:
    """Largest difference of an output, as a share of its largest number, or of 1 if that is more;
    of whole numbers, as many of which differ as are allowed count as ``MOST_APART``."""
    if wanted.dtype.kind in "iu":
        return float((found != wanted).mean()) * MOST_APART / MOST_OTHERS
    return float(np.abs(found - wanted).max()) / max(float(np.abs(wanted).max()), 1.0)


def write_pack(folder: Path, built: Built, recipe: Recipe, source: str) -> Cost:
    """Write a pack into an empty folder, whose name is the pack's.

    Raises:
        EngineError: the ONNX file does not compute what the network does.
    """
    if isinstance(built.net, Path):
        shutil.copyfile(built.net, folder / "model.onnx")
    else:
        export(
            built.net, built.example, folder / "model.onnx", built.outputs, built.free, built.given
        )
    apart, seconds, engine = compared(built, folder / "model.onnx")
    counted = gflop(built.net, built.example)
    (folder / "labels.json").write_text(json.dumps(list(built.labels)), encoding="utf-8")
    for name, content in built.files.items():
        (folder / name).write_bytes(content)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    cost = Cost(size, counted, seconds, apart, engine)
    (folder / "MODEL_CARD.md").write_text(_card(recipe, source, cost), encoding="utf-8")
    (folder / "pack.toml").write_text(_toml(folder, built, recipe, source), encoding="utf-8")
    return cost


def _card(recipe: Recipe, source: str, cost: Cost) -> str:
    return (
        f"# {recipe.name}\n\n"
        f"**Licence** {recipe.licence}. {recipe.terms}\n\n"
        f"**Data** {source}.\n\n"
        f"**Figures** Accuracy is not verified here. Published: {recipe.targets}. "
        f"{cost.gflop:.1f} GFLOP a picture, {cost.megabytes:.0f} MB; the ONNX file is within "
        f"{cost.apart:.0e} of the original.\n"
    )


def _toml(folder: Path, built: Built, recipe: Recipe, source: str) -> str:
    _, *rest = built.example.shape
    height, width = rest[:2] if built.bytes else rest[1:]
    count: int | str = "n" if built.free else len(built.example)
    head: dict[str, Any] = {
        "name": folder.name,
        "task": built.task,
        "licence": recipe.licence,
        "source": source,
        "terms": recipe.terms,
        "size": [width, height],
    }
    picture = {
        "name": built.given,
        "dtype": "uint8" if built.bytes else "float32",
        "shape": [count, *rest],
        "layout": "nhwc" if built.bytes else "nchw",
        "colour": "rgb",
    }
    if not built.bytes:
        more: dict[str, Any] = {} if built.scale == 255 else {"scale": built.scale}
        picture |= {**more, "mean": list(built.mean), "std": list(built.std)}
    outputs = outputs_of(built, probes(built.example)[0])
    parts = [_rows(head)]
    files = sorted(path for path in folder.iterdir() if path.name != "MODEL_CARD.md")
    parts.append("[files]\n" + _rows({f'"{path.name}"': sha256_of(path) for path in files}))
    parts.append("[[inputs]]\n" + _rows(picture))
    for name, own in zip(built.outputs, outputs, strict=True):
        row = {"name": name, "dtype": str(own.dtype), "shape": [count, *own.shape[1:]]}
        parts.append("[[outputs]]\n" + _rows(row))
    if built.tagger is not None:
        parts.append("[tagger]\n" + _rows(built.tagger))
    return "\n".join(parts)


def _rows(values: Mapping[str, Any]) -> str:
    """Keys and values as TOML: text, numbers and lists of them are written as in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
