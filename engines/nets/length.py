"""A crop in, a length out: the regression of AutoFish (arXiv 2501.03767, section on length)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Numbers of a box: x, y, width, height, as shares of the picture's width and height.
BOX = 4
HIDDEN = (1000, 500)


class LengthNet(nn.Module):
    """Lengths (N,) of crops uint8 RGB (N, H, W, 3) and boxes float32 (N, 4).

    Args:
        features: float32 (N, 3, H, W) in, (N, width) out.
        shown: makes that of the crops.
        start: length in cm that it begins with, whatever it sees.
    """

    def __init__(
        self,
        features: nn.Module,
        width: int,
        shown: Callable[[Tensor], Tensor],
        start: float = 0.0,
    ) -> None:
        super().__init__()
        self.features = features
        self.shown = shown
        layers: list[nn.Module] = []
        cin = width + BOX
        for hidden in HIDDEN:
            layers += [nn.Linear(cin, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
            cin = hidden
        last = nn.Linear(cin, 1)
        nn.init.constant_(last.bias, start)
        self.head = nn.Sequential(*layers, last)

    def forward(self, images: Tensor, boxes: Tensor) -> Tensor:
        seen = torch.cat([self.features(self.shown(images)), boxes], dim=1)
        return self.head(seen).squeeze(1)
