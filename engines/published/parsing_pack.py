"""A SegFormer that was trained on people's clothes, as what parses garments: its classes under this
project's labels, with the outputs that the shipped parser has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from engines.base import ModelFileError
from engines.published.making import IMAGENET_MEAN, IMAGENET_STD, Built
from engines.published.recipes import Options
from engines.published.segformer import Segformer, read_segformer

#: Width and height of its pictures: people stand. It takes any that are multiples of its patch.
SIZE = (256, 512)
PATCH = 32
#: Share of a picture from which a label is surely there: fewer cells, less of their score.
ENOUGH = 1 / 500
#: Class of a published parser -> label of ours and its Fashionpedia category. What is under
#: "Upper-clothes" may be any garment of the upper body: "top" is the least that can be told.
LABELS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "background": ("null", None),
        "hat": ("hat", "hat"),
        "hair": ("hair", None),
        "sunglasses": ("sunglasses", "glasses"),
        "glasses": ("glasses", "glasses"),
        "upper-clothes": ("top", "top, t-shirt, sweatshirt"),
        "top": ("top", "top, t-shirt, sweatshirt"),
        "skirt": ("skirt", "skirt"),
        "pants": ("pants", "pants"),
        "dress": ("dress", "dress"),
        "belt": ("belt", "belt"),
        "left-shoe": ("shoes", "shoe"),
        "right-shoe": ("shoes", "shoe"),
        "bag": ("bag", "bag, wallet"),
        "scarf": ("scarf", "scarf"),
        "jewelry": ("accessories", None),
        **dict.fromkeys(
            (
                *("face", "left-leg", "right-leg", "left-arm", "right-arm"),
                *("arms", "hands", "legs", "feet", "torso"),
            ),
            ("skin", None),
        ),
    }
)
#: Names of classes, in the order of the 18 of ATR (Liang et al., TPAMI 2015), for checkpoints
#: that call them LABEL_0 to LABEL_17.
CLOTHES = (
    *("background", "hat", "hair", "sunglasses", "upper-clothes", "skirt", "pants", "dress"),
    *("belt", "left-shoe", "right-shoe", "face", "left-leg", "right-leg", "left-arm"),
    *("right-arm", "bag", "scarf"),
)


class Parser(nn.Module):
    """``forward`` takes pictures uint8 (n, h, w, 3), RGB, and returns, at a quarter of their size,
    the label of each cell int32 (n, h / 4, w / 4) and its softmax, then how likely each label (n,
    labels) and each category (n, categories) is worn: the mean softmax of its cells, less where
    there are few."""

    mean: Tensor
    std: Tensor
    label_of: Tensor
    members: Tensor

    def __init__(self, net: Segformer, label_of: Sequence[int], members: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[None, :, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[None, :, None, None])
        self.register_buffer("label_of", torch.tensor(label_of))
        self.register_buffer("members", members)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pixel_values = (images.permute(0, 3, 1, 2).to(torch.float32) / 255 - self.mean) / self.std
        chances = self.net(pixel_values).softmax(dim=1)
        scores, classes = chances.max(dim=1)
        labels = self.label_of[classes]
        numbers = torch.arange(self.members.shape[1])
        own = (labels[:, None] == numbers[None, :, None, None]).to(torch.float32)
        cells = own.sum(dim=(2, 3))
        mean = (own * scores[:, None]).sum(dim=(2, 3)) / cells.clamp(min=1)
        worn = mean * (cells / (ENOUGH * scores.shape[1] * scores.shape[2])).clamp(max=1)
        groups = (worn[:, None] * self.members).amax(dim=2)
        return labels.to(torch.int32), scores, worn, groups


def build(folder: Path, options: Options) -> Built:
    """The network in a folder of the hub's files.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    net = read_segformer(folder)
    label_of, labels = mapped(net.config.names)
    groups = sorted({category for _, category in labels if category})
    members = torch.tensor(
        [[float(category == group) for _, category in labels] for group in groups]
    )
    width, height = options.size if options.size[0] else SIZE
    if width % PATCH or height % PATCH or options.fit != (0, 0):
        raise ModelFileError(f"--size of its pictures must be multiples of {PATCH}")
    return Built(
        net=Parser(net, label_of, members),
        example=torch.zeros(1, height, width, 3, dtype=torch.uint8),
        outputs=("labels", "scores", "worn", "categories"),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        labels=[{"label": name, "category": category} for name, category in labels],
        tagger=None,
        task="garment-parsing",
        given="images",
        free=True,
    )


def mapped(names: Sequence[str]) -> tuple[list[int], list[tuple[str, str | None]]]:
    """For every class the index of its label, and the labels, of which the first is none.

    Raises:
        ModelFileError: a class is not known.
    """
    if len(names) == len(CLOTHES) and all(name.startswith("LABEL_") for name in names):
        names = CLOTHES
    plain = [name.strip().lower().replace("_", "-").replace(" ", "-") for name in names]
    if unknown := [name for name in plain if name not in LABELS]:
        raise ModelFileError(f"it parses {', '.join(unknown[:5])}: no parser of clothes")
    labels = list(dict.fromkeys(LABELS[name] for name in plain))
    if labels[0] != LABELS["background"]:
        raise ModelFileError(f"its first class must be the background, not {plain[0]}")
    return [labels.index(LABELS[name]) for name in plain], labels
