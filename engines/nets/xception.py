"""Xception (Chollet, CVPR 2017, arXiv 1610.02357) up to its pooled features, padded as Keras
does: a teacher, too large for cameras."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

#: Names of what is no feature: its files have none.
CLASSIFIER = r"fc\..*"
#: Features that the last block gives.
WIDTH = 2048
#: Batch normalisation's, in Keras.
_EPS = 1e-3
#: Channels of the blocks that halve the picture, before and after each.
_ENTRY = ((64, 128), (128, 256), (256, 728))
#: Blocks between them and the last ones, which keep the size.
_MIDDLE = tuple(range(5, 13))


def _padded(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Padded as TensorFlow does: what is odd goes to the right and below."""
    sides = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[:1:-1]]
    return F.pad(x, [part for side in sides for part in (side // 2, side - side // 2)], value=value)


class Separable(nn.Module):
    """A depthwise convolution of 3 x 3, a pointwise one, and batch normalisation."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(cin, cin, 3, padding=1, groups=cin, bias=False)
        self.pointwise = nn.Conv2d(cin, cout, 1, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.pointwise(self.depthwise(x)))


class Halving(nn.Module):
    """Two separable convolutions and a pooling beside a convolution that skips them."""

    def __init__(self, cin: int, between: int, cout: int, active: bool = True) -> None:
        super().__init__()
        self.active = active
        self.sepconv1, self.sepconv2 = Separable(cin, between), Separable(between, cout)
        self.skip = nn.Conv2d(cin, cout, 1, stride=2, bias=False)
        self.skip_bn = nn.BatchNorm2d(cout, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        beside = self.skip_bn(self.skip(x))
        x = self.sepconv1(F.relu(x) if self.active else x)
        x = self.sepconv2(F.relu(x))
        return F.max_pool2d(_padded(x, 3, 2, -1e30), 3, 2) + beside


class Middle(nn.Module):
    """Three separable convolutions beside nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sepconv1, self.sepconv2, self.sepconv3 = (Separable(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        after: Tensor = x
        for part in (self.sepconv1, self.sepconv2, self.sepconv3):
            after = part(F.relu(after))
        return x + after


class Last(nn.Module):
    """Two separable convolutions, each followed by its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.sepconv1, self.sepconv2 = Separable(1024, 1536), Separable(1536, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.sepconv2(F.relu(self.sepconv1(x))))


class Xception(nn.Module):
    """Pooled features (N, 2048) of RGB float32 (N, 3, H, W) from -1 to 1."""

    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32, eps=_EPS)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64, eps=_EPS)
        blocks: dict[str, nn.Module] = {}
        for i, (cin, cout) in enumerate(_ENTRY):
            blocks[f"block{i + 2}"] = Halving(cin, cout, cout, active=i > 0)
        blocks |= {f"block{i}": Middle(_ENTRY[-1][1]) for i in _MIDDLE}
        blocks |= {"block13": Halving(728, 728, 1024), "block14": Last()}
        self.blocks = nn.ModuleDict(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        for block in self.blocks.values():
            x = block(x)
        return x.mean((2, 3))
