"""Small published networks, and drawn garments that they are to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.published.clip import Clip, ClipConfig, Tower
from engines.published.fashionsap import FashionSap, SapConfig
from engines.published.ram import Ram, RamConfig
from engines.published.segformer import Segformer, SegformerConfig
from engines.published.siglip import Siglip, SiglipConfig
from engines.published.swin import SwinConfig
from engines.published.yolos import Yolos, YolosConfig

SIDE = 32
GARMENTS = ("top", "pants", "dress", "hat")
#: Outlines in shares of a garment's box.
OUTLINES: Mapping[str, list[tuple[float, float]]] = MappingProxyType(
    {
        "top": [(0, 0), (1, 0), (1, 0.4), (0.7, 0.4), (0.7, 1), (0.3, 1), (0.3, 0.4), (0, 0.4)],
        "pants": [(0, 0), (1, 0), (1, 1), (0.65, 1), (0.5, 0.3), (0.35, 1), (0, 1)],
        "dress": [(0.4, 0), (0.6, 0), (1, 1), (0, 1)],
        "hat": [(0.25, 0), (0.75, 0), (0.75, 0.6), (1, 0.6), (1, 1), (0, 1), (0, 0.6), (0.25, 0.6)],
    }
)
TOWER = Tower(64, 2, 1, 128)
BATCH = 32
#: A head as wide as published that normalises behind each sum: at five times this, of three seeds
#: two learned nothing.
RAM_RATE = 4e-4
#: Pictures that a network learns from, and others that it is tried on.
LEARNED = 1024
HELD = 256


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures float32 (n, 3, SIDE, SIDE), which garment each shows (n,), its box as middle, width
    and height in shares (n, 4), and which class each cell of 4 x 4 pixels has, 0 for none."""

    pictures: Tensor
    kinds: Tensor
    boxes: Tensor
    cells: Tensor

    def some(self, rows: Tensor) -> Drawn:
        """A part of them."""
        return Drawn(self.pictures[rows], self.kinds[rows], self.boxes[rows], self.cells[rows])


def drawn(count: int, rng: np.random.Generator) -> Drawn:
    """Garments of many colours, sizes and places, each on noise."""
    pictures, boxes, cells = [], [], []
    kinds = rng.integers(0, len(GARMENTS), count)
    for kind in kinds:
        rgb = rng.normal(0.25, 0.05, (SIDE, SIDE, 3))
        size = rng.uniform(0.6, 0.9, 2) * SIDE
        corner = rng.uniform(0, SIDE - size)
        outline = np.array(OUTLINES[GARMENTS[kind]]) * size + corner
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
        rgb[mask > 0] = rng.uniform(0.6, 1, 3)
        pictures.append(rgb.transpose(2, 0, 1) * 2 - 1)
        boxes.append([*(corner + size / 2) / SIDE, *size / SIDE])
        cells.append(mask[2::4, 2::4] * (kind + 1))
    return Drawn(
        torch.tensor(np.array(pictures), dtype=torch.float32),
        torch.tensor(kinds),
        torch.tensor(np.array(boxes), dtype=torch.float32),
        torch.tensor(np.array(cells), dtype=torch.long),
    )


@dataclass(frozen=True, slots=True)
class Lesson:
    """How a network is made, taught and judged.

    Attributes:
        figure: what is measured, from 0 to 1.
        constant: the figure of the best answer that is the same for all pictures.
        rate: of learning, at its highest.
    """

    figure: str
    make: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Drawn], Tensor]
    judge: Callable[[nn.Module, Drawn], float]
    constant: Callable[[Drawn], float]
    rate: float = 2e-3


def _commonest(shown: Drawn) -> float:
    return float(shown.kinds.bincount().max() / len(shown.kinds))


def texts() -> Tensor:
    """A text for each garment: beginning, the garment's token, end, as long as all."""
    return torch.tensor([[11, 12 + i, 20, 0] for i in range(len(GARMENTS))])


def _cosines(net: nn.Module, shown: Drawn) -> Tensor:
    return net.visual(shown.pictures) @ net.words(texts()).T


def _pairs(net: nn.Module, shown: Drawn) -> Tensor:
    """Of all texts, the right one's share."""
    return F.cross_entropy(10 * _cosines(net, shown), shown.kinds)


def _each_pair(net: nn.Module, shown: Drawn) -> Tensor:
    """Each text by itself, as SigLIP learns."""
    logits = net.logit_scale.exp() * _cosines(net, shown) + net.logit_bias
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(shown.kinds, 4).float())


def _right_text(net: nn.Module, shown: Drawn) -> float:
    return float((_cosines(net, shown).argmax(dim=1) == shown.kinds).float().mean())


def _tags(net: nn.Module, shown: Drawn) -> Tensor:
    """Asymmetric loss (Ridnik et al., ICCV 2021), as RAM learns, with a milder focus."""
    chances = net(shown.pictures).sigmoid()
    wanted = F.one_hot(shown.kinds, 4).float()
    apart = (chances - 0.05).clamp(min=0)
    focus = apart.detach() ** 2
    right = wanted * chances.clamp(min=1e-6).log()
    wrong = (1 - wanted) * focus * (1 - apart).clamp(min=1e-6).log()
    return -(right + wrong).sum(dim=1).mean()


def _right_tag(net: nn.Module, shown: Drawn) -> float:
    return float((net(shown.pictures).argmax(dim=1) == shown.kinds).float().mean())


def _cell_loss(net: nn.Module, shown: Drawn) -> Tensor:
    return F.cross_entropy(net(shown.pictures), shown.cells)


def _mean_iou(said: Tensor, cells: Tensor) -> float:
    both = [((said == k) & (cells == k)).sum() for k in range(5)]
    either = [((said == k) | (cells == k)).sum() for k in range(5)]
    return float(np.mean([int(b) / max(int(e), 1) for b, e in zip(both, either, strict=True)]))


def _corners(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes, pair by pair."""
    (a0, a1), (b0, b1) = _corners(a), _corners(b)
    inter = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(dim=-1)
    return inter / (a[..., 2:].prod(dim=-1) + b[..., 2:].prod(dim=-1) - inter).clamp(min=1e-6)


def _boxes(net: nn.Module, shown: Drawn) -> Tensor:
    """The token that fits best answers for the one thing there is, the others for nothing."""
    logits, boxes = net(shown.pictures)
    apart = (boxes - shown.boxes[:, None]).abs().sum(dim=2)
    chances = logits.softmax(dim=2).gather(2, shown.kinds[:, None, None].expand(-1, 3, 1))[..., 0]
    best = (5 * apart - chances).argmin(dim=1)
    wanted = torch.full(logits.shape[:2], len(GARMENTS))
    rows = torch.arange(len(best))
    wanted[rows, best] = shown.kinds
    weights = torch.tensor([1.0] * len(GARMENTS) + [0.1])
    classes = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weights)
    return classes + 5 * apart[rows, best].mean()


def _right_box(net: nn.Module, shown: Drawn) -> float:
    logits, boxes = net(shown.pictures)
    scores, labels = logits.softmax(dim=2)[..., :-1].max(dim=2)
    best, rows = scores.argmax(dim=1), torch.arange(len(boxes))
    same = labels[rows, best] == shown.kinds
    return float((same & (_overlap(boxes[rows, best], shown.boxes) >= 0.5)).float().mean())


def _same_box(shown: Drawn) -> float:
    middle = shown.boxes.mean(dim=0).expand_as(shown.boxes)
    right = _overlap(middle, shown.boxes) >= 0.5
    return max(float(((shown.kinds == k) & right).float().mean()) for k in range(len(GARMENTS)))


def _segformer() -> nn.Module:
    return Segformer(
        SegformerConfig(
            (1, 1), (16, 32), (1, 2), (2, 1), (7, 3), (4, 2), (2.0, 2.0), 32, 1e-6, tuple("abcde")
        )
    )


def _ram(descriptions: int) -> Callable[[], nn.Module]:
    swin = SwinConfig(SIDE, 4, 32, (1, 2), (1, 2), 4)
    return lambda: Ram(RamConfig(swin, len(GARMENTS), descriptions))


LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {
        "yolos": Lesson(
            "right class, overlap 0.5",
            lambda: Yolos(YolosConfig(64, 3, 2, 128, 8, (SIDE, SIDE), 3, len(GARMENTS))),
            _boxes, _right_box, _same_box,
        ),
        "ram": Lesson("right tag", _ram(1), _tags, _right_tag, _commonest, RAM_RATE),
        "ram-plus": Lesson("right tag", _ram(51), _tags, _right_tag, _commonest, RAM_RATE),
        "clip": Lesson(
            "right text",
            lambda: Clip(ClipConfig(TOWER, TOWER, SIDE, 8, 32, 21, 4, "exact")),
            _pairs, _right_text, _commonest,
        ),
        "siglip": Lesson(
            "right text",
            lambda: Siglip(SiglipConfig(TOWER, TOWER, SIDE, 8, 64, 21, 4)),
            _each_pair, _right_text, _commonest,
        ),
        "fashionsap": Lesson(
            "right text",
            lambda: FashionSap(SapConfig(TOWER, TOWER, SIDE, 8, 32, 21, 8)),
            _pairs, _right_text, _commonest,
        ),
        "parsing": Lesson(
            "mean IoU of cells", _segformer, _cell_loss,
            lambda net, shown: _mean_iou(net(shown.pictures).argmax(dim=1), shown.cells),
            lambda shown: _mean_iou(torch.zeros_like(shown.cells), shown.cells),
        ),
    }
)  # fmt: skip


def started(net: nn.Module) -> nn.Module:
    """Weights at random as transformers begin: what checkpoints hold is zero until it is loaded."""
    for name, own in net.named_parameters():
        if own.ndim > 1:
            nn.init.trunc_normal_(own, std=max(own[0].numel(), 1) ** -0.5)
        elif name == "logit_bias":
            nn.init.constant_(own, -1.0)  # four texts, not the thousands that -10 is for
    return net


def learn(kind: str, seed: int, steps: int) -> dict[str, float]:
    """The figure on pictures that were not learned from: trained, untrained, and constant."""
    lesson = LESSONS[kind]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    held = drawn(HELD, np.random.default_rng(1000 + seed))
    net = started(lesson.make())
    with torch.no_grad():
        untrained = lesson.judge(net.eval(), held)
    net.train()
    adam = torch.optim.AdamW(net.parameters(), lesson.rate)
    course = torch.optim.lr_scheduler.OneCycleLR(adam, lesson.rate, steps)
    every = drawn(LEARNED, rng)
    for _ in range(steps):
        adam.zero_grad()
        lesson.loss(net, every.some(torch.from_numpy(rng.integers(0, LEARNED, BATCH)))).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        course.step()
    with torch.no_grad():
        trained = lesson.judge(net.eval(), held)
    return {"trained": trained, "untrained": untrained, "constant": lesson.constant(held)}
