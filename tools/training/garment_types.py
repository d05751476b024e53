"""Training and evaluation of the classifier of single garments."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from engines.nets.efficientnet_lite import normalise
from engines.nets.garment_types import GarmentTypes
from engines.teach import checkpoint
from engines.teach.ahead import ahead
from engines.teach.views import square
from training.type_data import SIDE, Garment, Garments

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data."""

    epochs: int = 10
    batch: int = 32
    lr: float = 2e-3
    backbone_lr: float = 5e-4
    weight_decay: float = 0.03
    ema: float = 0.997
    mix: float = 0.5
    smoothing: float = 0.1
    frozen_blocks: int = 5
    seed: int = 0
    threads: int = 2


def mixed(
    images: Tensor, kinds: Tensor, types: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """CutMix (Yun et al., ICCV 2019): a rectangle of each picture is that of another, the target
    shared by area. Returns pictures and targets (N, types)."""
    target = F.one_hot(kinds, types).float()
    side = images.shape[-1]
    share = rng.beta(1.0, 1.0)
    half = int(side * np.sqrt(share) / 2)
    cx, cy = rng.integers(0, side, 2)
    x0, x1 = max(cx - half, 0), min(cx + half, side)
    y0, y1 = max(cy - half, 0), min(cy + half, side)
    if x1 <= x0 or y1 <= y0:
        return images, target
    other = torch.from_numpy(rng.permutation(len(images)))
    images = images.clone()
    images[..., y0:y1, x0:x1] = images[other][..., y0:y1, x0:x1]
    area = (x1 - x0) * (y1 - y0) / side**2
    return images, (1 - area) * target + area * target[other]


class Trainer:
    """One training, resumable from a checkpoint after every epoch."""

    def __init__(
        self, photos: list[Garment], street: list[Garment], types: int, imagenet: Path,
        recipe: Recipe,
    ) -> None:  # fmt: skip
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.types = types
        self.garments = Garments(photos, street, recipe.seed)
        self.net = GarmentTypes(types)
        self.net.backbone.load_imagenet(imagenet)
        self.net.backbone.freeze(recipe.frozen_blocks)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net)
        backbone = [p for p in self.net.backbone.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.net.head.parameters(), "lr": recipe.lr},
                {"params": backbone, "lr": recipe.backbone_lr},
            ],
            weight_decay=recipe.weight_decay,
        )
        self.steps = len(self.garments) // recipe.batch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [recipe.lr, recipe.backbone_lr],
            recipe.epochs * self.steps,
            pct_start=0.1,
        )
        self.epoch = 0

    def save(self, path: Path) -> None:
        """Write the state after the last finished epoch, whole or not at all."""
        checkpoint.save(path, self, self.epoch)

    def resume(self, path: Path) -> None:
        """Continue from ``path``; the recipe must be the one it was written with."""
        self.epoch = checkpoint.resume(path, self)

    def run_epoch(self) -> Iterator[float]:
        """Train one epoch, yielding the loss of every step."""
        recipe = self.recipe
        self.garments.epoch = self.epoch
        order = torch.Generator().manual_seed(recipe.seed * 1000 + self.epoch)
        rng = np.random.default_rng((recipe.seed, self.epoch))
        loader = DataLoader(
            self.garments, recipe.batch, shuffle=True, drop_last=True,
            generator=order,
        )  # fmt: skip
        self.net.train()
        for step, (images, kinds) in enumerate(ahead(loader)):
            if rng.random() < recipe.mix:
                images, target = mixed(images, kinds, self.types, rng)
            else:
                target = F.one_hot(kinds, self.types).float()
            images = images.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(self.net(images), target, label_smoothing=recipe.smoothing)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            done = self.epoch * self.steps + step
            checkpoint.follow(self.average, self.net, min(recipe.ema, (1 + done) / (10 + done)))
            yield float(loss.detach())
        self.epoch += 1


@torch.no_grad()
def logits(net: GarmentTypes, garments: Sequence[Garment]) -> F32:
    """Logits (n, types) of whole photos fitted into the crop."""
    net.eval()
    out = []
    for start in range(0, len(garments), 32):
        crops = np.stack([square(g.rgb, SIDE) for g in garments[start : start + 32]])
        out.append(net(normalise(torch.from_numpy(crops))).numpy())
    return np.concatenate(out).astype(np.float32)
