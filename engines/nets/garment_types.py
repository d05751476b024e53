"""Classifier of single garments: a crop in, scores of its types out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.nets.efficientnet_lite import EMBEDDING, EfficientNetLite0, normalise


class GarmentTypes(nn.Module):
    """EfficientNet-Lite0 with a linear classifier on its pooled features.

    ``forward`` takes normalised RGB float32 (N, 3, H, W) and returns logits (N, types).
    """

    def __init__(self, types: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(EMBEDDING, types))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone.embed(self.backbone(x)[-1]))
        return logits


class ExportedTypes(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in, ``scores`` float32
    (N, types) out, a softmax at the calibrated temperature."""

    def __init__(self, net: GarmentTypes, temperature: float = 1.0) -> None:
        super().__init__()
        self.net = net
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        return torch.softmax(self.net(normalise(images)) / self.temperature, dim=1)
