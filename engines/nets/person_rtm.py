"""Person detector: RTMDet-nano, batch normalisation folded into its convolutions.

RTMDet (Lyu et al., 2022): CSPNeXt, a path aggregation pyramid and a head without anchors at
strides 8, 16 and 32; every convolution behind the stem that is wider than one pixel is depthwise.
Fully convolutional: any input whose sides are multiples of 32. Starts from weights of OpenMMLab
(Apache-2.0), whose graph it rebuilds layer by layer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the stem and of the four stages.
CHANNELS = (16, 32, 64, 128, 256)
#: Blocks of each stage, and whether they are added to what goes in.
BLOCKS = ((1, True), (2, True), (2, True), (1, False))
#: Channels of the head.
HEAD = 64
STRIDES = (8, 16, 32)
#: Windows of the pooling in the last stage.
POOLS = (5, 9, 13)
#: Mean and deviation of the pixels that the weights were trained with, RGB.
MEAN = (123.675, 116.28, 103.53)
DEVIATION = (58.395, 57.12, 57.375)


class Conv(nn.Conv2d):
    """Convolution with bias and SiLU; depthwise if asked."""

    def __init__(
        self, cin: int, cout: int, kernel: int = 1, stride: int = 1, depthwise: bool = False
    ) -> None:
        groups = cin if depthwise else 1
        super().__init__(cin, cout, kernel, stride, kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(super().forward(x))


def separable(cin: int, cout: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Depthwise, then pointwise."""
    return nn.Sequential(Conv(cin, cin, kernel, stride, depthwise=True), Conv(cin, cout))


class Block(nn.Module):
    """Two separable convolutions, 3 and 5 pixels wide."""

    def __init__(self, channels: int, add: bool) -> None:
        super().__init__()
        self.near, self.wide = separable(channels, channels), separable(channels, channels, 5)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.wide(self.near(x))
        return x + y if self.add else y


class Attention(nn.Module):
    """Each channel weighed by what the whole picture has of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.weigh(x.mean((2, 3), keepdim=True)))


class Split(nn.Module):
    """Half of the channels through blocks, half past them (CSP)."""

    def __init__(self, cin: int, cout: int, blocks: int, add: bool, attention: bool) -> None:
        super().__init__()
        self.short, self.main = Conv(cin, cout // 2), Conv(cin, cout // 2)
        self.blocks = nn.Sequential(*(Block(cout // 2, add) for _ in range(blocks)))
        self.attention = Attention(cout) if attention else nn.Identity()
        self.final = Conv(cout, cout)

    def forward(self, x: Tensor) -> Tensor:
        short = self.short(x)
        both = torch.cat([self.blocks(self.main(x)), short], dim=1)
        out: Tensor = self.final(self.attention(both))
        return out


class Pool(nn.Module):
    """The largest of windows of several sizes, beside the map itself (SPP)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = Conv(channels, channels // 2)
        self.merge = Conv(channels // 2 * (1 + len(POOLS)), channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        maps = [x, *(F.max_pool2d(x, size, 1, size // 2) for size in POOLS)]
        out: Tensor = self.merge(torch.cat(maps, dim=1))
        return out


class Tower(nn.Sequential):
    """Two separable convolutions and what they are for."""

    def __init__(self, values: int) -> None:
        super().__init__(separable(HEAD, HEAD), separable(HEAD, HEAD), nn.Conv2d(HEAD, values, 1))


class PersonRTM(nn.Module):
    """``forward`` takes normalised RGB float32 (N, 3, H, W) and returns, for every stride, person
    logits (N, 1, H/stride, W/stride) and distances left, top, right, bottom (N, 4, ...) in pixels
    from the corner of the cell."""

    def __init__(self) -> None:
        super().__init__()
        half = CHANNELS[0] // 2
        self.stem = nn.Sequential(
            Conv(3, half, 3, 2), Conv(half, half, 3), Conv(half, CHANNELS[0], 3)
        )
        stages = []
        for level, (blocks, add) in enumerate(BLOCKS):
            cin, cout = CHANNELS[level : level + 2]
            pool = [Pool(cout)] if level == len(BLOCKS) - 1 else []
            stages.append(
                nn.Sequential(
                    separable(cin, cout, 3, 2), *pool, Split(cout, cout, blocks, add, True)
                )
            )
        self.stages = nn.ModuleList(stages)
        _, _, c3, c4, c5 = CHANNELS
        self.reduce5, self.down5 = Conv(c5, c4), Split(c5, c4, 1, False, False)
        self.reduce4, self.down4 = Conv(c4, c3), Split(c4, c3, 1, False, False)
        self.up3, self.mix4 = separable(c3, c3, 3, 2), Split(c4, c4, 1, False, False)
        self.up4, self.mix5 = separable(c4, c4, 3, 2), Split(c5, c5, 1, False, False)
        self.outs = nn.ModuleList(separable(channels, HEAD) for channels in (c3, c4, c5))
        self.heads = nn.ModuleList(nn.ModuleList((Tower(1), Tower(4))) for _ in STRIDES)

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        x = self.stages[0](self.stem(x))
        m3 = self.stages[1](x)
        m4 = self.stages[2](m3)
        m5 = self.reduce5(self.stages[3](m4))
        m4 = self.reduce4(self.down5(torch.cat([F.interpolate(m5, scale_factor=2.0), m4], dim=1)))
        p3 = self.down4(torch.cat([F.interpolate(m4, scale_factor=2.0), m3], dim=1))
        p4 = self.mix4(torch.cat([self.up3(p3), m4], dim=1))
        p5 = self.mix5(torch.cat([self.up4(p4), m5], dim=1))
        found = []
        for level, p in enumerate((p3, p4, p5)):
            y = self.outs[level](p)
            score, sides = self.heads[level]
            found.append((score(y), sides(y) * STRIDES[level]))
        return found

    def convolutions(self) -> list[nn.Conv2d]:
        """All of them, in the order in which ``forward`` comes by."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]

    def load_original(self, tensors: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take over weight and bias of every convolution, in the order of the original graph."""
        for conv, (weight, bias) in zip(self.convolutions(), tensors, strict=True):
            with torch.no_grad():
                conv.weight.copy_(weight)
                conv.bias.copy_(bias)  # type: ignore[union-attr]


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB (N, H, W, 3) to float32 (N, 3, H, W) as the net takes it."""
    mean, deviation = (torch.tensor(v, device=images.device) for v in (MEAN, DEVIATION))
    return ((images.float() - mean) / deviation).permute(0, 3, 1, 2)


class ExportedPerson(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in; ``boxes`` float32
    (N, cells, 4) xyxy in pixels of the input and ``scores`` float32 (N, cells), 0 to 1, out."""

    def __init__(self, net: PersonRTM) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        first = next(iter(self.net.convolutions()))
        with torch.no_grad():  # one pass over the pixels less
            first.weight.div_(torch.tensor(DEVIATION)[None, :, None, None])
        self.register_buffer("mean", torch.tensor(MEAN)[None, :, None, None])
        self.register_buffer("signs", torch.tensor([-1.0, -1.0, 1.0, 1.0])[None, :, None, None])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores = [], []
        # Channels first: engines are slow at sums over a last axis of three.
        pixels = images.permute(0, 3, 1, 2).float() - self.mean
        for (logits, sides), stride in zip(self.net(pixels), STRIDES, strict=True):
            xs = torch.arange(sides.shape[3], device=sides.device).float() * stride
            ys = torch.arange(sides.shape[2], device=sides.device).float() * stride
            grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1])
            xyxy = torch.cat([grid, grid])[None] + self.signs * sides
            boxes.append(xyxy.flatten(2).transpose(1, 2))
            scores.append(logits.flatten(1))
        return torch.cat(boxes, dim=1), torch.sigmoid(torch.cat(scores, dim=1))
