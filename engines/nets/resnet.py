"""ResNet-50 (He et al., CVPR 2016, arXiv 1512.03385, table 1) up to its pooled features, with the
stride in the 3 x 3 convolutions, as the usual checkpoints have it.

Parameter names are those of the usual PyTorch checkpoints.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

#: (width, blocks, stride of the first) of each stage.
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
STEM = 64
#: Channels out of a block, as a multiple of its width.
EXPANSION = 4
EMBEDDING = 2048
#: Names of the ImageNet classifier in checkpoints, which is left out.
CLASSIFIER = r"fc\..*"


class Bottleneck(nn.Module):
    """Narrow, look around, widen; added to its input, which is brought to the same shape."""

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        cout = width * EXPANSION
        self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.downsample = nn.Sequential()
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """float32 (N, 3, H, W) in, pooled features (N, 2048) out."""

    width = EMBEDDING

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        cin = STEM
        for number, (width, blocks, stride) in enumerate(STAGES, 1):
            stage = nn.Sequential()
            for block in range(blocks):
                stage.append(Bottleneck(cin, width, stride if block == 0 else 1))
                cin = width * EXPANSION
            self.add_module(f"layer{number}", stage)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x.mean(dim=(2, 3))
