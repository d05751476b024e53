"""MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381, table 2) up to its pooled features.

Parameter names are those of the usual PyTorch checkpoints, so that published ImageNet weights load
as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: (expansion, channels out, repeats, stride of the first) of each stage.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM = 32
#: Channels of the pooled features.
EMBEDDING = 1280
#: Names of the ImageNet classifier in checkpoints, which is left out.
CLASSIFIER = r"classifier\..*"


def convolution(
    cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; added to its input where both have the same shape."""

    def __init__(self, cin: int, cout: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = cin * expansion
        layers: list[nn.Module] = [convolution(cin, mid, 1)] if expansion != 1 else []
        layers += [
            convolution(mid, mid, 3, stride, groups=mid),
            nn.Conv2d(mid, cout, 1, bias=False),
            nn.BatchNorm2d(cout),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """float32 (N, 3, H, W) in, pooled features (N, 1280) out."""

    width = EMBEDDING

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, STEM, 3, 2)]
        cin = STEM
        for expansion, cout, repeats, stride in STAGES:
            for repeat in range(repeats):
                first = stride if repeat == 0 else 1
                layers.append(InvertedResidual(cin, cout, first, expansion))
                cin = cout
        layers.append(convolution(cin, EMBEDDING, 1))
        self.features = nn.Sequential(*layers)
        for part in self.modules():  # as the weights that are published began
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).mean(dim=(2, 3))


def in_unit(images: Tensor) -> Tensor:
    """uint8 RGB (N, H, W, 3) to float32 (N, 3, H, W) from 0 to 1."""
    return images.permute(0, 3, 1, 2).float() / torch.tensor(255.0, device=images.device)
