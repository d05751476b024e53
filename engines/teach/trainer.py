"""The training loop: views, steps, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.nets.efficientnet_lite import normalise
from engines.nets.taught import Taught
from engines.teach import checkpoint
from engines.teach.ahead import ahead
from engines.teach.lesson import Indices
from engines.teach.losses import ALPHA, adnet_loss
from engines.teach.splits import draws
from engines.teach.twins import Image
from engines.teach.views import STRONG, WEAK, Rng, cropped, square, standard
from engines.teach.watch import Watch

#: Makes one view (side, side, 3) of a picture.
View = Callable[[Image, int, Rng], Image]
#: Loss of a network on views (n, 3, side, side) each and class indices (n,).
Loss = Callable[[Taught, Sequence[Tensor], Tensor, "Recipe"], Tensor]
#: Steps between two checkpoints.
EPOCH = 20
#: Share of the steps in which the rate rises; then it falls to nothing, along a cosine.
WARM = 0.1
DECAY = 0.03
#: Largest norm of a step's gradient.
CLIP = 1.0
#: The part of features that is a published transformer.
PUBLISHED = "vit"
#: Parts of a training that change.
PARTS = ("net", "optimizer", "schedule")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the pictures and the network.

    Attributes:
        method: what is learnt from a picture, one of ``METHODS``.
        head_rate: learning rate of the classifier, as a multiple of the network's.
        new_rate: the same of what stands beside a published transformer.
        power: how much more often large classes are drawn; see ``splits.draws``.
    """

    method: str = "finetune"
    steps: int = 300
    batch: int = 24
    lr: float = 1e-4
    head_rate: float = 20.0
    new_rate: float = 1.0
    alpha: float = ALPHA
    power: float = 0.5
    side: int = 224
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Method:
    """What a step sees of each picture, and what it makes of that."""

    views: tuple[View, ...]
    loss: Loss


def _weak(rgb: Image, side: int, rng: Rng) -> Image:
    return cropped(rgb, side, WEAK, rng)


def _strong(rgb: Image, side: int, rng: Rng) -> Image:
    return cropped(rgb, side, STRONG, rng)


def _entropy(net: Taught, views: Sequence[Tensor], classes: Tensor, recipe: Recipe) -> Tensor:
    losses = [F.cross_entropy(net(view)[0], classes) for view in views]
    return torch.stack(losses).mean()


def _adnet(net: Taught, views: Sequence[Tensor], classes: Tensor, recipe: Recipe) -> Tensor:
    logits, _ = net(views[0])
    return adnet_loss(logits, classes, net(views[1])[1], net(views[2])[1], recipe.alpha)


#: ``control`` sees as many views as ``adnet``, all of them standard, each with its own label.
METHODS = MappingProxyType(
    {
        "finetune": Method((standard,), _entropy),
        "adnet": Method((standard, _weak, _strong), _adnet),
        "control": Method((standard, standard, standard), _entropy),
    }
)


def _groups(net: Taught, recipe: Recipe) -> list[dict[str, Any]]:
    """What learns, by how fast: the classifier, what is new, and what was published."""
    learns = [(n.split("."), p) for n, p in net.features.named_parameters() if p.requires_grad]
    rates = (
        (list(net.fc.parameters()), recipe.head_rate),
        ([p for name, p in learns if PUBLISHED not in name], recipe.new_rate),
        ([p for name, p in learns if PUBLISHED in name], 1.0),
    )
    return [{"params": part, "lr": recipe.lr * rate} for part, rate in rates if part]


class Trainer:
    """One training, which goes on from its last checkpoint.

    Results are the same for the same pictures, network and recipe, interrupted or not, on one
    thread of one machine.
    """

    def __init__(
        self,
        pictures: Sequence[Image],
        classes: Indices,
        net: Taught,
        recipe: Recipe,
        device: str = "cpu",
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.done = 0
        self._pictures = pictures
        self._classes = classes
        self._method = METHODS[recipe.method]
        groups = _groups(net, recipe)
        self.optimizer = torch.optim.AdamW(groups, recipe.lr, weight_decay=DECAY, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)

    def _rate(self, step: int) -> float:
        warm = WARM * self.recipe.steps
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (self.recipe.steps - warm))

    def run(self, path: Path | None, watch: Watch, what: str = "training") -> Taught:
        """Make the steps that are left, saving every ``EPOCH`` of them to ``path``; the network,
        ready to be asked."""
        if path is not None and path.exists():
            try:
                self.done = checkpoint.resume(path, self, PARTS)
            except (ValueError, RuntimeError, EOFError, UnpicklingError):
                watch.tell(f"{path.name}: of another training, or damaged; beginning anew")
        watch.begin(what, self.recipe.steps, self.done)
        while self.done < self.recipe.steps:
            for _ in self.epoch():
                watch.step()
            if path is not None:
                checkpoint.save(path, self, self.done, PARTS)
        return self.net.eval()

    def epoch(self) -> Iterator[float]:
        """Make the steps up to the next checkpoint, yielding the loss of each."""
        recipe = self.recipe
        count = min(EPOCH, recipe.steps - self.done)
        torch.manual_seed(recipe.seed * 1_000_003 + self.done)
        self.net.train()
        for views, classes in ahead(self._batches(count)):
            with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
                shown = [self._shown(view) for view in views]
                loss = self._method.loss(self.net, shown, classes.to(self.device), recipe)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
            self.optimizer.step()
            self.schedule.step()
            yield float(loss.detach())
        self.done += count

    def _batches(self, count: int) -> Iterator[tuple[list[Tensor], Tensor]]:
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, self.done))
        rows = draws(self._classes, count * recipe.batch, recipe.power, rng)
        for own in rows.reshape(count, recipe.batch):
            views = [
                np.stack([view(self._pictures[i], recipe.side, rng) for i in own])
                for view in self._method.views
            ]
            yield [torch.from_numpy(v) for v in views], torch.from_numpy(self._classes[own])

    def _shown(self, images: Tensor) -> Tensor:
        return normalise(images.to(self.device)).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def look(
    net: Taught, pictures: Sequence[Image], side: int, watch: Watch | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits (n, classes) and features (n, width) of whole pictures, fitted into the square."""
    net.eval()
    device = next(net.parameters()).device
    logits, features = [], []
    for start in range(0, len(pictures), 16):
        crops = np.stack([square(rgb, side) for rgb in pictures[start : start + 16]])
        seen, felt = net(normalise(torch.from_numpy(crops).to(device)))
        logits.append(seen.float().cpu().numpy())
        features.append(felt.float().cpu().numpy())
        if watch is not None:
            watch.step(len(crops))
    return np.concatenate(logits), np.concatenate(features)
