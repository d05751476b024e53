"""U2-Net (Qin et al., Pattern Recognition 2020) and IS-Net (Qin et al., ECCV 2022) as packs: what
lies in front. Their ONNX files are taken as rembg ships them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from engines.backends import open_engine
from engines.base import ModelFileError
from engines.published.making import IMAGENET_MEAN, IMAGENET_STD, REFERENCE, Built
from engines.published.recipes import Options

HALF = (0.5, 0.5, 0.5)
ONE = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Contract:
    """Side of a network's pictures, and by what they are normalised."""

    side: int
    mean: Sequence[float]
    std: Sequence[float]


#: File -> what it takes.
CONTRACTS: Mapping[str, Contract] = MappingProxyType(
    {
        **dict.fromkeys(
            ("u2net.onnx", "u2netp.onnx", "u2net_human_seg.onnx", "silueta.onnx"),
            Contract(320, IMAGENET_MEAN, IMAGENET_STD),
        ),
        "isnet-general-use.onnx": Contract(1024, HALF, ONE),
        "isnet-anime.onnx": Contract(1024, IMAGENET_MEAN, ONE),
    }
)


def build(folder: Path, options: Options) -> Built:
    """The network in a folder with one of rembg's files.

    Raises:
        ModelFileError: it is missing, cannot be read, or takes something else.
    """
    path = next((folder / name for name in CONTRACTS if (folder / name).is_file()), None)
    if path is None:
        raise ModelFileError(f"{folder} holds none of {', '.join(CONTRACTS)}")
    own = CONTRACTS[path.name]
    with open_engine(path, REFERENCE) as engine:
        given, first = engine.inputs[0], engine.outputs[0]
    if len(given.shape) != 4 or given.shape[1] != 3 or given.shape[2] != given.shape[3]:
        raise ModelFileError(f"{path} takes {given.name} of {given.shape}, no square pictures")
    side = given.shape[3] or own.side  # the file's own, where it fixes one
    options.fixed(side)
    return Built(
        net=path,
        example=torch.zeros(1, 3, side, side),
        # The first of its outputs is made of all the others.
        outputs=(first.name,),
        mean=own.mean,
        std=own.std,
        labels=[],
        tagger={
            "kind": "matting",
            "resize": "stretch",
            "filter": "lanczos",
            "activation": "none",
            "least": 0.5,
        },
        given=given.name,
        scale=0.0,
    )
