"""Aggregation of intermediate features: what every block's class token says, for thousands of
classes ("Anime Character Recognition using Intermediate Features Aggregation", ISCAS 2022; DAF:re,
arXiv 2101.08674)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.vit import EPS, Shape, VisionTransformer


class Aggregated(nn.Module):
    """Features (N, width): one weighted sum over blocks for all channels, ReLU, normalised.

    ``forward`` takes class tokens (N, width, blocks).
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.mix = nn.Linear(blocks, 1)
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(F.relu(self.mix(tokens).squeeze(2)))


class AggregatedTransformer(nn.Module):
    """Normalised RGB (N, 3, side, side) in, features (N, width) out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.width = shape.width
        self.vit = VisionTransformer(shape)
        self.aggregated = Aggregated(shape.width, shape.depth)

    def forward(self, x: Tensor) -> Tensor:
        x = self.vit.embed(x)
        firsts = []
        for block in self.vit.blocks:
            x = block(x)
            firsts.append(x[:, 0])
        return self.aggregated(torch.stack(firsts, dim=2))
