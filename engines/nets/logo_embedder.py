"""Embeds a picture of a brand mark: the same mark close together, on whatever it is printed."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.efficientnet_lite import TAPS, EfficientNetLite0, normalise

#: Side of the square input in pixels.
SIDE = 96
#: Length of an embedding.
LENGTH = 192


class LogoEmbedder(nn.Module):
    """EfficientNet-Lite0 under one linear layer over all places of its last map: where a stroke is
    says as much about a mark as that it is there, and pooling would forget it (as face recognition
    found: ArcFace, Deng et al., CVPR 2019, section 3.2).

    ``forward`` takes normalised RGB float32 (N, 3, SIDE, SIDE) and returns unit vectors
    (N, LENGTH).
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        del self.backbone._conv_head, self.backbone._bn1
        self.project = nn.Linear(TAPS[6] * (SIDE // 32) ** 2, LENGTH, bias=False)
        self.spread = nn.BatchNorm1d(LENGTH)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.spread(self.project(self.backbone(x)[-1].flatten(1))), dim=1)


class ExportedEmbedder(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in, ``embeddings`` float32
    (N, LENGTH), unit vectors, out."""

    def __init__(self, net: LogoEmbedder) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.net(normalise(images))
        return embeddings
