"""Training of the person detector."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from engines.anchors import CENTRE, SIZE, ssd_anchors
from engines.boxes import overlaps
from engines.nets.person_ssd import PersonSSD, normalise
from training import checkpoint
from training.ahead import ahead
from training.people_data import Scene
from training.people_scenes import SIZES, Material

F32 = npt.NDArray[np.float32]
#: Marks of anchors in the training target.
NEGATIVE, POSITIVE, UNKNOWN = 0.0, 1.0, -1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data."""

    steps: int = 2400
    batch: int = 8
    lr: float = 3e-4
    weight_decay: float = 1e-3
    ema: float = 0.998
    frozen_blocks: int = 3
    seed: int = 0
    threads: int = 2


def encode(scene: Scene) -> tuple[F32, F32]:
    """Training target of one scene: mark (anchors,) and encoding (anchors, 4).

    An anchor stands for the person it overlaps by half or more; each person has at least one.
    """
    height, width = scene.rgb.shape[:2]
    centred = ssd_anchors(width, height)
    anchors = np.concatenate(
        [centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2], axis=1
    )
    share = np.array([width, height, width, height])
    marks = np.zeros(len(anchors), np.float32)
    codes = np.zeros((len(anchors), 4), np.float32)
    if len(scene.ignore):
        _, covered = overlaps(anchors, scene.ignore / share)
        marks[(covered > 0.4).any(axis=1)] = UNKNOWN
    if not len(scene.people):
        return marks, codes
    people = (scene.people / share).astype(np.float32)
    iou, _ = overlaps(people, anchors)
    owner, best = iou.argmax(axis=0), iou.max(axis=0)
    marks[(best >= 0.4) & (best < 0.5)] = UNKNOWN
    positive = best >= 0.5
    for person in range(len(people)):
        closest = int(iou[person].argmax())
        if iou[person, closest] > 0.15:
            owner[closest], positive[closest] = person, True
    marks[positive] = POSITIVE
    box, anchor = people[owner[positive]], centred[positive]
    centre, size = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
    shift = (centre - anchor[:, :2]) / anchor[:, 2:] * CENTRE
    grow = np.log(np.maximum(size / anchor[:, 2:], 1e-4)) * SIZE
    codes[positive] = np.stack([shift[:, 1], shift[:, 0], grow[:, 1], grow[:, 0]], axis=1)
    return marks, codes


def detection_loss(boxes: Tensor, logits: Tensor, marks: Tensor, codes: Tensor) -> Tensor:
    """Focal loss (Lin et al., ICCV 2017) of the scores and smooth L1 of the boxes, per person."""
    positive = marks == POSITIVE
    count = positive.sum().clamp(min=1)
    known = marks >= 0
    cross = F.binary_cross_entropy_with_logits(logits, marks.clamp(min=0), reduction="none")
    wrong = torch.where(positive, 1 - torch.sigmoid(logits), torch.sigmoid(logits))
    focal = torch.where(positive, 0.4, 0.6) * wrong**2 * cross
    place = F.smooth_l1_loss(boxes[positive], codes[positive], reduction="sum")
    return (focal * known).sum() / count * 2 + place / count * 0.5


class Batches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Whole batches by step: pictures (N, H, W, 3) uint8 of one size, marks and encodings."""

    def __init__(self, material: Material, recipe: Recipe) -> None:
        self.material = material
        self.recipe = recipe
        self.first = 0

    def __len__(self) -> int:
        return self.recipe.steps - self.first

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng((self.recipe.seed, self.first + index))
        size = SIZES[rng.choice(len(SIZES), p=[0.3, 0.25, 0.1, 0.1, 0.1, 0.15])]
        scenes = [self.material.sample(size, rng) for _ in range(self.recipe.batch)]
        targets = [encode(scene) for scene in scenes]
        return (
            torch.from_numpy(np.stack([scene.rgb for scene in scenes])),
            torch.from_numpy(np.stack([marks for marks, _ in targets])),
            torch.from_numpy(np.stack([codes for _, codes in targets])),
        )


class Trainer:
    """One training, resumable from a checkpoint."""

    def __init__(self, net: PersonSSD, material: Material, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.batches = Batches(material, recipe)
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in (net.stem, *net.blocks[: recipe.frozen_blocks]):
            part.requires_grad_(False)
        self.average = copy.deepcopy(net)
        learnt = [p for p in net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learnt, recipe.lr, weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.lr, recipe.steps, pct_start=0.05
        )
        self.step = 0

    def save(self, path: Path) -> None:
        """Write the state after the last finished step, whole or not at all."""
        checkpoint.save(path, self, self.step)

    def resume(self, path: Path) -> None:
        """Continue from ``path``; the recipe must be the one it was written with."""
        self.step = checkpoint.resume(path, self)

    def run(self) -> Iterator[float]:
        """Train to the end, yielding the loss of every step."""
        self.batches.first = self.step
        self.net.train()
        for images, marks, codes in ahead(DataLoader(self.batches, None)):
            pixels = normalise(images).contiguous(memory_format=torch.channels_last)
            boxes, logits = self.net(pixels)
            loss = detection_loss(boxes, logits, marks, codes)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            self.step += 1
            keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
            checkpoint.follow(self.average, self.net, keep)
            yield float(loss.detach())
