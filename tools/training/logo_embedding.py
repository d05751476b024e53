"""Training and evaluation of the embedder of brand marks."""

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

from engines.nets.efficientnet_lite import normalise
from engines.nets.logo_embedder import LENGTH, SIDE, LogoEmbedder
from engines.teach import checkpoint
from engines.teach.ahead import ahead
from training.garment_data import Image, Rng
from training.logo_crops import crop, exemplar
from training.logo_marks import Brand
from training.logo_prints import PLAIN, ROUGH

F32 = npt.NDArray[np.float32]

#: Smallest and largest longer side of a mark in training, in pixels of the camera's picture.
LEAST_SIDE, MOST_SIDE = 18.0, 110.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data."""

    steps: int = 2000
    batch: int = 64
    clean: float = 0.15
    lr: float = 2e-3
    backbone_lr: float = 6e-4
    proxy_lr: float = 2e-2
    weight_decay: float = 0.02
    scale: float = 22.0
    margin: float = 0.12
    ema: float = 0.998
    frozen_blocks: int = 3
    seed: int = 0
    threads: int = 2


def side_of(rng: Rng) -> float:
    """A mark's longer side, small ones as often as twice as large ones."""
    return float(np.exp(rng.uniform(np.log(LEAST_SIDE), np.log(MOST_SIDE))))


class Trainer:
    """One training, resumable from a checkpoint.

    Every brand has a proxy, a unit vector; a crop must be nearer to its brand's than to all others
    by a margin (CosFace, Wang et al., CVPR 2018, section 3.2; proxies as in Movshovitz-Attias et
    al., ICCV 2017).
    """

    def __init__(
        self, brands: Sequence[Brand], fabrics: list[Image], imagenet: Path, recipe: Recipe
    ) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.brands = list(brands)
        self.fabrics = fabrics
        self.net = LogoEmbedder()
        self.net.backbone.load_imagenet(imagenet)
        self.net.backbone.freeze(recipe.frozen_blocks)
        self.net.proxies = torch.nn.Parameter(torch.randn(len(self.brands), LENGTH))
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net)
        old = [p for p in self.net.backbone.parameters() if p.requires_grad]
        groups = [
            {"params": self.net.project.parameters(), "lr": recipe.lr},
            {"params": old, "lr": recipe.backbone_lr},
            {"params": [self.net.proxies], "lr": recipe.proxy_lr, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, [float(g["lr"]) for g in groups], recipe.steps, pct_start=0.08
        )
        self.done = 0

    def begin(self, path: Path) -> None:
        """Start with what another training has learnt, of either model; a brand's proxy with where
        its pictures are now."""
        checkpoint.begin(path, self)
        shown = [exemplar(brand, SIDE, variant) for brand in self.brands for variant in range(3)]
        vectors = embedded(self.average, shown).reshape(len(self.brands), 3, LENGTH).mean(axis=1)
        for net in (self.net, self.average):
            net.proxies.data.copy_(torch.from_numpy(vectors * LENGTH**0.5))

    def save(self, path: Path) -> None:
        """Write the state after the last finished step, whole or not at all."""
        checkpoint.save(path, self, self.done)

    def resume(self, path: Path) -> None:
        """Continue from ``path``; the recipe must be the one it was written with."""
        self.done = checkpoint.resume(path, self)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(self.done, self.recipe.steps):
            rng = np.random.default_rng((self.recipe.seed, step))
            chosen = rng.integers(0, len(self.brands), self.recipe.batch)
            crops = [self._sample(self.brands[i], rng) for i in chosen]
            yield normalise(torch.from_numpy(np.stack(crops))), torch.from_numpy(chosen)

    def _sample(self, brand: Brand, rng: Rng) -> Image:
        if rng.random() < self.recipe.clean:
            return exemplar(brand, SIDE, int(rng.integers(3)))
        return crop(brand, self.fabrics, side_of(rng), SIDE, rng, rng.uniform(PLAIN, ROUGH))

    def run(self) -> Iterator[float]:
        """Train to the end, yielding the loss of every step."""
        recipe = self.recipe
        self.net.train()
        for images, brands in ahead(self._batches()):
            images = images.contiguous(memory_format=torch.channels_last)
            likeness = self.net(images) @ F.normalize(self.net.proxies, dim=1).T
            margin = recipe.margin * F.one_hot(brands, len(self.brands))
            loss = F.cross_entropy(recipe.scale * (likeness - margin), brands)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            keep = min(recipe.ema, (1 + self.done) / (10 + self.done))
            checkpoint.follow(self.average, self.net, keep)
            self.done += 1
            yield float(loss.detach())


@torch.no_grad()
def embedded(net: LogoEmbedder, crops: Sequence[Image]) -> F32:
    """Unit vectors (n, LENGTH) of crops (SIDE, SIDE, 3)."""
    net.eval()
    out = [
        net(normalise(torch.from_numpy(np.stack(crops[start : start + 128])))).numpy()
        for start in range(0, len(crops), 128)
    ]
    return np.concatenate(out).astype(np.float32)


def top1(
    net: LogoEmbedder, brands: Sequence[Brand], fabrics: list[Image], sides: tuple[float, float],
    count: int, seed: int,
) -> float:  # fmt: skip
    """Share of composed crops whose nearest exemplar among all of ``brands`` is of their own."""
    shown = [exemplar(brand, SIDE, variant) for brand in brands for variant in range(3)]
    gallery = embedded(net, shown).reshape(len(brands), 3, LENGTH)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(brands), count)
    crops = [crop(brands[i], fabrics, rng.uniform(*sides), SIDE, rng) for i in chosen]
    likeness = np.einsum("nd,bvd->nbv", embedded(net, crops), gallery).max(axis=2)
    return float((likeness.argmax(axis=1) == chosen).mean())
