"""MobileNetV3 (Howard et al., ICCV 2019, arXiv 1905.02244, tables 1 and 2), Large and Small, up to
what the ImageNet classifier hears.

Parameter names are those of the usual PyTorch checkpoints, so that published ImageNet weights load
as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.efficientnet_lite import eighths

STEM = 16
BN_EPS = 1e-3
#: The last layer of the ImageNet classifier in checkpoints, which is left out; the one before it is
#: a part of the features.
CLASSIFIER = r"classifier\.3\..*"


class Bneck(NamedTuple):
    """A row of the tables."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    hard: bool
    stride: int


class Sizes(NamedTuple):
    """A network of the family: its blocks, the channels after the last convolution, and those that
    the classifier hears."""

    blocks: tuple[Bneck, ...]
    last: int
    embedding: int


LARGE = Sizes(
    (
        Bneck(3, 16, 16, False, False, 1),
        Bneck(3, 64, 24, False, False, 2),
        Bneck(3, 72, 24, False, False, 1),
        Bneck(5, 72, 40, True, False, 2),
        Bneck(5, 120, 40, True, False, 1),
        Bneck(5, 120, 40, True, False, 1),
        Bneck(3, 240, 80, False, True, 2),
        Bneck(3, 200, 80, False, True, 1),
        Bneck(3, 184, 80, False, True, 1),
        Bneck(3, 184, 80, False, True, 1),
        Bneck(3, 480, 112, True, True, 1),
        Bneck(3, 672, 112, True, True, 1),
        Bneck(5, 672, 160, True, True, 2),
        Bneck(5, 960, 160, True, True, 1),
        Bneck(5, 960, 160, True, True, 1),
    ),
    960,
    1280,
)
SMALL = Sizes(
    (
        Bneck(3, 16, 16, True, False, 2),
        Bneck(3, 72, 24, False, False, 2),
        Bneck(3, 88, 24, False, False, 1),
        Bneck(5, 96, 40, True, True, 2),
        Bneck(5, 240, 40, True, True, 1),
        Bneck(5, 240, 40, True, True, 1),
        Bneck(5, 120, 48, True, True, 1),
        Bneck(5, 144, 48, True, True, 1),
        Bneck(5, 288, 96, True, True, 2),
        Bneck(5, 576, 96, True, True, 1),
        Bneck(5, 576, 96, True, True, 1),
    ),
    576,
    1024,
)


def convolution(
    cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolution and batch normalisation."""
    return [
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout, eps=BN_EPS),
    ]


class Squeeze(nn.Module):
    """Every channel times what a narrow look at all channels' means says of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = eighths(channels // 4)
        self.fc1 = nn.Conv2d(channels, narrow, 1)
        self.fc2 = nn.Conv2d(narrow, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        heard = self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True))))
        return x * F.hardsigmoid(heard)


class Block(nn.Module):
    """Expand, depthwise, squeeze, project; added to its input where both have the same shape."""

    def __init__(self, cin: int, row: Bneck) -> None:
        super().__init__()
        act = nn.Hardswish if row.hard else nn.ReLU
        layers: list[nn.Module] = []
        if row.expanded != cin:
            layers.append(nn.Sequential(*convolution(cin, row.expanded, 1), act()))
        wide = convolution(row.expanded, row.expanded, row.kernel, row.stride, row.expanded)
        layers.append(nn.Sequential(*wide, act()))
        if row.squeeze:
            layers.append(Squeeze(row.expanded))
        layers.append(nn.Sequential(*convolution(row.expanded, row.out, 1)))
        self.block = nn.Sequential(*layers)
        self.residual = row.stride == 1 and cin == row.out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.residual else y


class MobileNetV3(nn.Module):
    """float32 (N, 3, H, W) in, features (N, 1280), of Small (N, 1024), out."""

    def __init__(self, sizes: Sizes = LARGE) -> None:
        super().__init__()
        self.width = sizes.embedding
        layers: list[nn.Module] = [nn.Sequential(*convolution(3, STEM, 3, 2), nn.Hardswish())]
        cin = STEM
        for row in sizes.blocks:
            layers.append(Block(cin, row))
            cin = row.out
        layers.append(nn.Sequential(*convolution(cin, sizes.last, 1), nn.Hardswish()))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(sizes.last, sizes.embedding), nn.Hardswish())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return out
