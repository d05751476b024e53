"""Convolutional networks that are taught from: which one a checkpoint is of, and its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.nets import mobilenet_v2, resnet
from engines.nets.taught import StillFeatures

#: Red, green and blue of ImageNet's pictures from 0 to 1: what is taken off, and what that is
#: divided by.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network whose published weights are in files.

    Attributes:
        make: it, with random weights.
        sign: name of a tensor that only its checkpoints have.
        classifier: pattern of names of what is left out.
        early: names of its parts that keep the published weights.
    """

    name: str
    make: Callable[[], Any]
    sign: str
    classifier: str
    early: tuple[str, ...]


BACKBONES = (
    Backbone(
        "MobileNetV2",
        mobilenet_v2.MobileNetV2,
        "features.18.0.weight",
        mobilenet_v2.CLASSIFIER,
        tuple(f"features.{i}." for i in range(7)),
    ),
    Backbone(
        "ResNet-50",
        resnet.ResNet50,
        "layer4.2.conv3.weight",
        resnet.CLASSIFIER,
        ("conv1.", "bn1.", "layer1.", "layer2."),
    ),
)


class PublishedFeatures(StillFeatures):
    """Pooled features of a network that was trained on ImageNet as is usual. Takes pictures as
    ``efficientnet_lite.normalise`` gives them, (pixel - 127) / 128, and brings them to its own
    colours."""

    factor: Tensor
    offset: Tensor

    def __init__(self, net: Any, early: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.backbone = net
        self.width = net.width
        mean, std = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (MEAN, STD))
        self.register_buffer("factor", 128 / 255 / std)
        self.register_buffer("offset", (127 / 255 - mean) / std)
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(not name.startswith(early))

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(x * self.factor + self.offset)  # type: ignore[no-any-return]
