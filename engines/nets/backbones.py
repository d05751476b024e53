"""Convolutional networks that are taught from: which one a checkpoint is of, and its features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from engines.nets import mobilenet_v2, mobilenet_v3, resnet
from engines.nets.efficientnet_lite import EMBEDDING, STAGES, EfficientNetLite0, Stage, scaled
from engines.nets.taught import StillFeatures

#: Red, green and blue of ImageNet's pictures from 0 to 1: what is taken off, and what that is
#: divided by.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
Colours = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network whose published weights are in files.

    Attributes:
        make: it, with random weights.
        sign: name and shape of a tensor that only its checkpoints have.
        classifier: pattern of names of what is left out.
        early: names of its parts that keep the published weights.
        colours: mean and deviation of the pictures it was trained on, from 0 to 1.
    """

    name: str
    make: Callable[[], Any]
    sign: tuple[str, tuple[int, ...]]
    classifier: str
    early: tuple[str, ...]
    colours: Colours = (MEAN, STD)


class LiteFeatures(EfficientNetLite0):
    """An EfficientNet-Lite of any size up to its pooled features (N, 1280)."""

    width = EMBEDDING

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.embed(super().forward(x)[-1])


def _features(count: int) -> tuple[str, ...]:
    return tuple(f"features.{i}." for i in range(count))


def _lite(name: str, stages: Sequence[Stage]) -> Backbone:
    *_, expand, cin, top, _ = stages[-1]
    last = sum(repeats for *_, repeats in stages) - 1
    early = sum(repeats for *_, repeats in stages[:3])
    return Backbone(
        name,
        lambda: LiteFeatures(stages),
        (f"_blocks.{last}._project_conv.weight", (top, cin * expand, 1, 1)),
        r"_fc\..*",
        ("_conv_stem.", "_bn0.", *(f"_blocks.{i}." for i in range(early))),
        ((127 / 255,) * 3, (128 / 255,) * 3),
    )


BACKBONES = (
    _lite("EfficientNet-Lite0", STAGES),
    _lite("EfficientNet-Lite1", scaled(1.0, 1.1)),
    _lite("EfficientNet-Lite2", scaled(1.1, 1.2)),
    Backbone(
        "MobileNetV2",
        mobilenet_v2.MobileNetV2,
        ("features.18.0.weight", (1280, 320, 1, 1)),
        mobilenet_v2.CLASSIFIER,
        _features(7),
    ),
    Backbone(
        "MobileNetV3-Large",
        mobilenet_v3.MobileNetV3,
        ("features.16.0.weight", (960, 160, 1, 1)),
        mobilenet_v3.CLASSIFIER,
        _features(7),
    ),
    Backbone(
        "MobileNetV3-Small",
        partial(mobilenet_v3.MobileNetV3, mobilenet_v3.SMALL),
        ("features.12.0.weight", (576, 96, 1, 1)),
        mobilenet_v3.CLASSIFIER,
        _features(4),
    ),
    Backbone(
        "ResNet-50",
        resnet.ResNet50,
        ("layer4.2.conv3.weight", (2048, 512, 1, 1)),
        resnet.CLASSIFIER,
        ("conv1.", "bn1.", "layer1.", "layer2."),
    ),
)


class PublishedFeatures(StillFeatures):
    """Pooled features of a network that was trained on ImageNet. Takes pictures as
    ``efficientnet_lite.normalise`` gives them, (pixel - 127) / 128, and brings them to its own
    colours."""

    factor: Tensor
    offset: Tensor

    def __init__(
        self, net: Any, early: tuple[str, ...] = (), colours: Colours = (MEAN, STD)
    ) -> None:
        super().__init__()
        self.backbone = net
        self.width = net.width
        mean, std = (torch.tensor(part).reshape(1, 3, 1, 1) for part in colours)
        self.register_buffer("factor", 128 / 255 / std)
        self.register_buffer("offset", (127 / 255 - mean) / std)
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(not name.startswith(early))

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(x * self.factor + self.offset)  # type: ignore[no-any-return]
