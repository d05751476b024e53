"""EfficientNet-Lite0 as a feature pyramid backbone.

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, which keeps
it exact under every engine and friendly to INT8. Parameter names follow the published PyTorch
conversion, so its ImageNet weights load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: (kernel, stride, expansion, channels in, channels out, repeats) of each Lite0 stage.
STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
Stage = tuple[int, int, int, int, int, int]
#: Stages whose output leaves the backbone, with its channels; strides 4, 8, 16, 32.
TAPS = MappingProxyType({1: 24, 2: 40, 4: 112, 6: 320})
#: Channels of the pooled features.
EMBEDDING = 1280
BN_EPS = 1e-3


def eighths(channels: float) -> int:
    """The nearest multiple of eight, never less than nine tenths."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def scaled(wider: float, deeper: float) -> tuple[Stage, ...]:
    """The stages of a larger network of the family (EfficientNet, section 3.3): Lite1 is 1.0 times
    as wide and 1.1 times as deep, Lite2 1.1 and 1.2 times. The first and the last stage are no
    deeper, stem and head no wider."""
    made: list[Stage] = []
    for place, (kernel, stride, expand, cin, cout, repeats) in enumerate(STAGES):
        end = place in (0, len(STAGES) - 1)
        cin = made[-1][4] if made else cin
        many = repeats if end else math.ceil(repeats * deeper)
        made.append((kernel, stride, expand, cin, eighths(cout * wider), many))
    return tuple(made)


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB (N, H, W, 3) to float32 (N, 3, H, W), as the published weights were trained on."""
    return (images.permute(0, 3, 1, 2).float() - 127.0) / 128.0


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding for inputs divisible by the stride."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = kernel - stride
        before = total // 2
        if total - before == before:
            return F.conv2d(x, self.weight, None, self.stride, before, groups=self.groups)
        x = F.pad(x, (before, total - before, before, total - before))
        return F.conv2d(x, self.weight, None, self.stride, groups=self.groups)


def separable(channels: int) -> nn.Sequential:
    """Depthwise and pointwise convolution, batch normalisation and ReLU6: what decoders use."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
    )


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, kernel: int, stride: int, expand: int, cin: int, cout: int) -> None:
        super().__init__()
        mid = cin * expand
        self.expanded = expand != 1
        if self.expanded:
            self._expand_conv = nn.Conv2d(cin, mid, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(mid, eps=BN_EPS)
        self._depthwise_conv = SameConv2d(mid, mid, kernel, stride, groups=mid, bias=False)
        self._bn1 = nn.BatchNorm2d(mid, eps=BN_EPS)
        self._project_conv = nn.Conv2d(mid, cout, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(cout, eps=BN_EPS)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expanded else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Backbone; ``forward`` returns the maps at strides 4, 8, 16 and 32.

    With ``scaled`` stages it is Lite1 or Lite2.
    """

    def __init__(self, stages: Sequence[Stage] = STAGES) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=BN_EPS)
        blocks: list[nn.Module] = []
        self.taps: list[int] = []
        for index, (kernel, stride, expand, cin, cout, repeats) in enumerate(stages):
            for repeat in range(repeats):
                first = repeat == 0
                blocks.append(
                    Block(kernel, stride if first else 1, expand, cin if first else cout, cout)
                )
            if index in TAPS:
                self.taps.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(stages[-1][4], EMBEDDING, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(EMBEDDING, eps=BN_EPS)
        self._frozen: list[nn.Module] = []

    def freeze(self, blocks: int) -> None:
        """Keep the stem and the first ``blocks`` blocks as they are, statistics included.

        They see the largest maps: training without them takes little more than half the time.
        """
        self._frozen = [self._conv_stem, self._bn0, *self._blocks[:blocks]] if blocks else []
        for part in self._frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetLite0:
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def embed(self, top: Tensor) -> Tensor:
        """Pooled features (N, 1280) of the stride 32 map, as the ImageNet classifier sees them."""
        return F.relu6(self._bn1(self._conv_head(top))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return maps

    def load_imagenet(self, path: Path) -> None:
        """Load the published ImageNet weights; the classifier's own tensors are left out.

        Raises:
            RuntimeError: a backbone tensor is missing from the file.
        """
        state = torch.load(path, map_location="cpu", weights_only=True)
        own = self.state_dict()
        self.load_state_dict({name: state[name] for name in own if name in state})
