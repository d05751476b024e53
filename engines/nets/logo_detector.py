"""Finds brand marks of any brand: a person crop in, boxes of marks out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.efficientnet_lite import TAPS, EfficientNetLite0, normalise, separable

#: Input (width, height) in pixels, 1:2 as people stand.
SIZE = (192, 384)
#: Pixels of an output cell.
STRIDE = 4
#: Stages of the backbone that are used, those up to stride 16.
_STAGES = (1, 2, 4)
#: Score of a mark before anything is learnt.
_PRIOR = -4.6


class LogoDetector(nn.Module):
    """EfficientNet-Lite0 up to stride 16 under a top-down pyramid (Lin et al., CVPR 2017), with a
    wider look around at stride 32: a pattern goes on where a mark stands alone. Every
    cell of its finest map says whether it is a mark's middle and how far its sides are (as FCOS,
    Tian et al., ICCV 2019, on one level; peaks as CenterNet, Zhou et al., 2019).

    ``forward`` takes normalised RGB float32 (N, 3, H, W), H and W divisible by 32, and returns
    logits (N, H/4, W/4) and distances left, top, right, bottom in pixels (N, 4, H/4, W/4).
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        last = self.backbone.taps[2]
        del self.backbone._blocks[last + 1 :]
        del self.backbone._conv_head, self.backbone._bn1
        self.lateral = nn.ModuleList(nn.Conv2d(TAPS[stage], width, 1) for stage in _STAGES)
        self.smooth = nn.ModuleList(separable(width) for _ in _STAGES)
        self.around = nn.Sequential(nn.AvgPool2d(2), separable(width), separable(width))
        self.head = separable(width)
        self.middle = nn.Conv2d(width, 1, 1)
        self.sides = nn.Conv2d(width, 4, 1)
        nn.init.constant_(self.middle.bias, _PRIOR)  # type: ignore[arg-type]
        nn.init.constant_(self.sides.bias, 2.5)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.backbone(x)
        top = self.smooth[2](self.lateral[2](maps[2]))
        top = top + F.interpolate(self.around(top), scale_factor=2.0, mode="nearest")
        for level in (1, 0):
            top = F.interpolate(top, scale_factor=2.0, mode="nearest")
            top = self.smooth[level](top + self.lateral[level](maps[level]))
        top = self.head(top)
        return self.middle(top)[:, 0], torch.exp(self.sides(top).clamp(-1.0, 5.5))


class ExportedDetector(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in; ``boxes`` float32
    (N, cells, 4) xyxy in pixels of the input and ``scores`` float32 (N, cells), 0 but at peaks,
    out. A box is what the nine cells around its own say, those with a high score most."""

    def __init__(self, net: LogoDetector) -> None:
        super().__init__()
        self.net = net
        width, height = SIZE
        ys, xs = torch.meshgrid(
            torch.arange(height // STRIDE), torch.arange(width // STRIDE), indexing="ij"
        )
        middles = (torch.stack([xs, ys, xs, ys]).float() + 0.5) * STRIDE
        self.register_buffer("middles", middles[None])
        self.register_buffer("signs", torch.tensor([-1.0, -1.0, 1.0, 1.0])[None, :, None, None])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, sides = self.net(normalise(images))
        scores = torch.sigmoid(logits)
        weight = scores[:, None] ** 2
        peaks = F.max_pool2d(scores[:, None], 3, 1, 1)[:, 0]
        scores = torch.where(scores >= peaks, scores, torch.zeros_like(scores))
        boxes = (self.middles + self.signs * sides) * weight
        boxes = F.avg_pool2d(boxes, 3, 1, 1) / F.avg_pool2d(weight, 3, 1, 1).clamp(min=1e-12)
        return boxes.flatten(2).transpose(1, 2), scores.flatten(1)
