"""Training of the person detector: who answers for whom, and the loss.

Targets by dynamic soft label assignment and the losses of RTMDet (Lyu et al., 2022): quality focal
loss (Li et al., NeurIPS 2020) of the scores, GIoU (Rezatofighi et al., CVPR 2019) of the boxes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.nets.person_rtm import STRIDES
from training.people_scenes import IGNORE, PERSON

#: Cells that may answer for a person, at most.
CANDIDATES = 13
#: Cost of a cell that cannot answer.
NEVER = 1e6


def flat(outputs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (n, cells), boxes (n, cells, 4) xyxy and cells (cells, 3): x, y and stride."""
    logits, boxes, cells = [], [], []
    for (score, sides), stride in zip(outputs, STRIDES, strict=True):
        height, width = score.shape[2:]
        ys, xs = torch.meshgrid(
            torch.arange(height, device=score.device),
            torch.arange(width, device=score.device),
            indexing="ij",
        )
        spot = torch.stack([xs, ys], dim=2).reshape(-1, 2).float() * stride
        far = sides.float().flatten(2).transpose(1, 2)
        logits.append(score.float().flatten(1))
        boxes.append(torch.cat([spot - far[..., :2], spot + far[..., 2:]], dim=2))
        cells.append(torch.cat([spot, torch.full_like(spot[:, :1], stride)], dim=1))
    return torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(cells)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of boxes that broadcast against each other, and the intersection."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    return inter / (_area(a) + _area(b) - inter).clamp(min=1e-6), inter


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, cells: Tensor, truth: Tensor, marks: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Who each cell answers for.

    Args:
        logits, boxes, cells: as ``flat`` gives them.
        truth, marks: boxes (n, most, 4) and what they are.

    Returns:
        owner (n, cells): the box a cell answers for, or -1; quality (n, cells): how well its own
        box fits that one; known (n, cells): whether it counts if it answers for nobody.
    """
    person = marks == PERSON
    spot = cells[None, :, None, :2]
    inside = (spot > truth[:, None, :, :2]).all(3) & (spot < truth[:, None, :, 2:]).all(3)
    inside &= person[:, None]
    iou, inter = overlap(boxes[:, :, None], truth[:, None])
    middle = (truth[:, None, :, :2] + truth[:, None, :, 2:]) / 2
    away = (spot - middle).norm(dim=3) / cells[None, :, None, 2]
    probability = torch.sigmoid(logits)[..., None]
    cross = F.binary_cross_entropy_with_logits(
        logits[..., None].expand_as(iou), iou, reduction="none"
    )
    cost = cross * (iou - probability).abs() ** 2 - 3 * torch.log(iou + 1e-7) + 10 ** (away - 3)
    cost = torch.where(inside, cost, NEVER)
    best = torch.where(inside, iou, 0).topk(min(CANDIDATES, iou.shape[1]), dim=1).values
    number = best.sum(1).int().clamp(min=1)
    cheap = cost.topk(min(CANDIDATES, iou.shape[1]), dim=1, largest=False)
    rank = torch.arange(cheap.indices.shape[1], device=cost.device)[None, :, None]
    taken = (rank < number[:, None]) & (cheap.values < NEVER / 2)
    matched = torch.zeros_like(inside).scatter_(1, cheap.indices, taken)
    chosen = torch.where(matched, cost, 2 * NEVER)
    owner = torch.where(matched.any(2), chosen.argmin(2), -1)
    quality = iou.gather(2, owner.clamp(min=0)[..., None])[..., 0] * (owner >= 0)
    alone = marks == IGNORE
    within = inter / _area(boxes)[..., None].clamp(min=1e-6)
    known = ~(((within > 0.5) | (iou > 0.4)) & alone[:, None]).any(2)
    return owner, quality, known


def detection_loss(
    logits: Tensor, boxes: Tensor, truth: Tensor, target: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Loss of logits (n, cells) and boxes (n, cells, 4) for what ``assign`` gave."""
    owner, quality, known = target
    mine = owner >= 0
    off = (quality - torch.sigmoid(logits)).abs().detach() ** 2
    focal = F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * off
    total = quality.sum().clamp(min=1)
    score = (focal * (known | mine)).sum() / total
    wanted = truth.gather(1, owner.clamp(min=0)[..., None].expand(-1, -1, 4))[mine]
    found = boxes[mine]
    iou, inter = overlap(found, wanted)
    low, high = (
        torch.minimum(found[:, :2], wanted[:, :2]),
        torch.maximum(found[:, 2:], wanted[:, 2:]),
    )
    hull = (high - low).clamp(min=0).prod(1).clamp(min=1e-6)
    union = _area(found) + _area(wanted) - inter
    giou = iou - (hull - union) / hull
    return score + 2 * ((1 - giou) * quality[mine]).sum() / total
