"""Human parsing network: person crop in, one garment label per pixel out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.efficientnet_lite import EMBEDDING, TAPS, EfficientNetLite0, normalise


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
    )


class GarmentParser(nn.Module):
    """EfficientNet-Lite0 with a top-down pyramid decoder (Lin et al., CVPR 2017) at stride 4.

    ``forward`` takes normalised RGB float32 (N, 3, H, W), H and W divisible by 32, and returns
    pixel logits float32 (N, labels, H/4, W/4) and presence logits (N, labels): which labels the
    person wears at all, judged from the whole crop. The presence of a label raises or lowers it
    in every pixel by a learnt share, so that one garment does not fall apart into several labels.
    """

    def __init__(self, labels: int, width: int = 96) -> None:
        super().__init__()
        self.labels = labels
        self.backbone = EfficientNetLite0()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in TAPS.values())
        self.context = nn.Linear(EMBEDDING, width)
        self.presence = nn.Sequential(nn.Dropout(0.3), nn.Linear(EMBEDDING, labels))
        self.share = nn.Parameter(torch.full((labels,), 0.3))
        self.smooth = nn.ModuleList(_separable(width) for _ in TAPS)
        self.head = nn.Sequential(_separable(width), nn.Dropout2d(0.1), nn.Conv2d(width, labels, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.backbone(x)
        whole = self.backbone.embed(maps[-1])
        presence: Tensor = self.presence(whole)
        top = self.lateral[3](maps[3]) + self.context(whole)[:, :, None, None]
        top = self.smooth[3](top)
        for level in (2, 1, 0):
            top = F.interpolate(top, scale_factor=2.0, mode="bilinear", align_corners=False)
            top = self.smooth[level](top + self.lateral[level](maps[level]))
        bias = self.share * presence.detach().clamp(-4.0, 4.0)
        logits: Tensor = self.head(top) + bias[:, :, None, None]
        return logits, presence


class ExportedParser(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in; ``labels`` int32 and
    ``scores`` float32, both (N, H/2, W/2), and ``presence`` float32 (N, labels) out.

    Normalisation and the argmax live in the graph: the host copies neither float pictures in nor
    59 planes of logits out.
    """

    def __init__(self, net: GarmentParser) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, presence = self.net(normalise(images))
        logits = F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)
        peak, labels = logits.max(dim=1)
        scores = 1.0 / torch.exp(logits - peak[:, None]).sum(dim=1)
        return labels.to(torch.int32), scores, torch.sigmoid(presence)
