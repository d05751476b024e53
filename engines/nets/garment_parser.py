"""Human parsing network: person crop in, one garment label per pixel out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.efficientnet_lite import EMBEDDING, TAPS, EfficientNetLite0, normalise, separable


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
        self.smooth = nn.ModuleList(separable(width) for _ in TAPS)
        self.head = nn.Sequential(separable(width), nn.Dropout2d(0.1), nn.Conv2d(width, labels, 1))

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


class TagScores(nn.Module):
    """From a crop's logits to the probability that each label and each category is worn.

    Logistic regressions over what the net says of a label: its presence logit, the cells it has
    (soft and hard count, logarithmic) and how sure it is of those. A category also hears its
    labels together: that one of them is worn is surer than which. Both have weights shared by all
    labels, fitted on photos the net was not trained on.
    """

    def __init__(self, categories: Sequence[int], temperature: float = 1.0) -> None:
        """``categories`` holds each label's category index, or -1."""
        super().__init__()
        count = max(categories) + 1
        member = torch.zeros(count, len(categories))
        for label, category in enumerate(categories):
            if category >= 0:
                member[category, label] = 1.0
        self.register_buffer("member", member)
        self.register_buffer("label_weights", torch.zeros(5))
        self.register_buffer("category_weights", torch.zeros(5))
        self.temperature = temperature

    def label_evidence(self, logits: Tensor, presence: Tensor) -> Tensor:
        """Features (N, labels, 4) of pixel logits (N, labels, h, w) and presence logits."""
        shares = torch.softmax(logits / self.temperature, dim=1).flatten(2)
        won = (shares >= shares.amax(dim=1, keepdim=True)).float()
        cells, sure = won.sum(dim=2), (shares * won).sum(dim=2)
        parts = (
            presence.clamp(-8.0, 8.0),
            torch.log(1.0 + shares.sum(dim=2)),
            torch.log(1.0 + cells),
            sure / cells.clamp(min=1.0),
        )
        return torch.stack(parts, dim=2)

    def category_evidence(self, evidence: Tensor, labels: Tensor) -> Tensor:
        """Features (N, categories, 4) of the labels' features and probabilities (N, labels)."""
        member = self.member
        together = 1.0 - torch.exp(torch.log(1.0 - labels.clamp(max=0.9999)) @ member.T)
        together = together.clamp(1e-4, 0.9999)
        best = (evidence[:, None, :, 0] - 100.0 * (1.0 - member)).amax(dim=2)
        soft = torch.log(1.0 + (torch.exp(evidence[..., 1]) - 1.0) @ member.T)
        hard = torch.log(1.0 + (torch.exp(evidence[..., 2]) - 1.0) @ member.T)
        return torch.stack((best, soft, hard, torch.log(together / (1.0 - together))), dim=2)

    @staticmethod
    def probability(evidence: Tensor, weights: Tensor) -> Tensor:
        return torch.sigmoid(evidence @ weights[:-1] + weights[-1])

    def forward(self, logits: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, labels) and (N, categories)."""
        evidence = self.label_evidence(logits, presence)
        labels = self.probability(evidence, self.label_weights)
        grouped = self.category_evidence(evidence, labels)
        return labels, self.probability(grouped, self.category_weights)


class Winner(nn.Module):
    """From logits (N, labels, h, w) to the likeliest label int32 and its softmax float32, both
    (N, 2h, 2w), bilinear in between.

    A fixed convolution makes each quarter of the pixels: that costs less than a resize, and a
    quarter stays in a processor's cache until it is told.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        order = torch.arange(labels - 1, -1, -1, dtype=torch.float32)
        self.register_buffer("order", order[None, :, None, None])
        near = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
        kernels = torch.einsum("iy,jx->ijyx", near, near).reshape(4, 1, 1, 3, 3)
        self.register_buffer("kernels", kernels.repeat(1, labels, 1, 1, 1))

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        labels = logits.shape[1]
        around = F.pad(logits, (1, 1, 1, 1), mode="replicate")
        won = [self._won(F.conv2d(around, kernel, groups=labels)) for kernel in self.kernels]
        after, total = (
            F.pixel_shuffle(torch.cat(quarters, dim=1), 2)[:, 0]
            for quarters in zip(*won, strict=True)
        )
        return (labels - 1 - after).to(torch.int32), 1.0 / total

    def _won(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """How many labels come after the likeliest one, and the inverse of its share, both
        (N, 1, h, w)."""
        peak = logits.amax(dim=1, keepdim=True)
        # An argmax over channels takes OpenVINO ten times as long as this.
        after = torch.where(logits >= peak, self.order, 0.0).amax(dim=1, keepdim=True)
        return after, torch.exp(logits - peak).sum(dim=1, keepdim=True)


class ExportedParser(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in; ``labels`` int32 and
    ``scores`` float32, both (N, H/2, W/2), ``worn`` (N, labels) and ``categories``
    (N, categories), probabilities, out.

    Normalisation, argmax and calibration live in the graph: the host copies neither float
    pictures in nor 59 planes of logits out.
    """

    def __init__(self, net: GarmentParser, tags: TagScores) -> None:
        super().__init__()
        self.net = net
        self.tags = tags
        self.winner = Winner(net.labels)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, presence = self.net(normalise(images))
        worn, categories = self.tags(logits, presence)
        return *self.winner(logits / self.tags.temperature), worn, categories
