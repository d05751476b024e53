"""Classifiers that are taught: a backbone's pooled features and a linear layer."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from engines.nets.efficientnet_lite import EMBEDDING, EfficientNetLite0, normalise

#: Spread of a new classifier's weights (AD-Net, arXiv 2406.19814; the authors' code).
SPREAD = 0.01


class StillFeatures(nn.Module):
    """Pooled features of a backbone whose statistics stay as published."""

    def train(self, mode: bool = True) -> StillFeatures:
        """Statistics of batch normalisation stay: few pictures tell worse ones."""
        super().train(mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return self


class Lite0Features(StillFeatures):
    """EfficientNet-Lite0 up to its pooled features: normalised RGB float32 (N, 3, H, W) in, (N,
    1280) out."""

    width = EMBEDDING

    def __init__(self, imagenet: Path | None = None, frozen_blocks: int = 0) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        if imagenet is not None:
            self.backbone.load_imagenet(imagenet)
        self.backbone.freeze(frozen_blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone.embed(self.backbone(x)[-1])


class Taught(nn.Module):
    """Logits (N, classes) and the features (N, width) they come from."""

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.fc = nn.Linear(width, classes)
        nn.init.normal_(self.fc.weight, std=SPREAD)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.fc(features), features


class ExportedTaught(nn.Module):
    """The classifier as engines see it: ``images`` uint8 RGB (N, H, W, 3) in, ``scores`` float32
    (N, classes) out, a softmax at the calibrated temperature."""

    def __init__(self, net: Taught, temperature: float) -> None:
        super().__init__()
        self.net = net
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        return torch.softmax(self.net(normalise(images))[0] / self.temperature, dim=1)
