"""The regression of lengths, by the recipe of AutoFish (arXiv 2501.03767)."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from torch import Tensor, nn

from engines.nets import efficientnet_lite, mobilenet_v2
from engines.nets.length import LengthNet
from engines.published.checkpoint import load_state, read_state
from engines.teach import checkpoint
from engines.teach.ahead import ahead
from engines.teach.lengths import CHOSEN_BY, F32, LEARNT, Lengths
from engines.teach.lesson import Indices
from engines.teach.views import hued, jittered
from engines.teach.watch import Watch
from engines.teach.weights import imagenet_weights

#: Times that everything is learnt from, if the budget allows.
PASSES = 200
#: Brightness, contrast and saturation vary by so much, and the hue by that share of a circle.
#: Nothing is moved, turned or scaled: that would change how many pixels a centimetre is.
JITTER = (0.2, 0.5, 0.4)
HUE = 0.3
#: Steps between two checkpoints.
EPOCH = 20
#: Objects of the groups to choose by that each checkpoint is judged by.
_JUDGED = 256
#: Parts of a training that change.
PARTS = ("net", "optimizer", "best")


@dataclass(frozen=True, slots=True)
class LengthRecipe:
    """Everything that decides the outcome besides objects and network."""

    steps: int
    batch: int = 32
    lr: float = 1e-3
    side: int = 224
    seed: int = 0
    network: str = ""


class Lite0(efficientnet_lite.EfficientNetLite0):
    """EfficientNet-Lite0, with ImageNet's weights, up to its pooled features."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.embed(super().forward(x)[-1])


def network(weights: Path | None, start: float) -> tuple[LengthNet, str]:
    """The network before it learns, and what it starts from, for people.

    MobileNetV2 with the weights of a file, as published; without a file, EfficientNet-Lite0 with
    ImageNet's weights, because a network that knows pictures is part of the recipe.

    Raises:
        EngineError: the file holds no MobileNetV2, or the weights are not installed.
    """
    if weights is not None:
        mobile = mobilenet_v2.MobileNetV2()
        load_state(mobile, read_state(weights, "state_dict", "model"), mobilenet_v2.CLASSIFIER)
        told = f"MobileNetV2, started from {weights.name}"
        return LengthNet(mobile, mobile.width, mobilenet_v2.in_unit, start), told
    lite = Lite0()
    lite.load_imagenet(imagenet_weights())
    net = LengthNet(lite, efficientnet_lite.EMBEDDING, efficientnet_lite.normalise, start)
    return net, "EfficientNet-Lite0, started from its ImageNet weights"


def l1(told: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error, in cm."""
    return (told - true).abs().mean()


class _Best(nn.Module):
    """The network of the checkpoint with the least error, that error, its step, and the seconds
    spent so far."""

    error: Tensor
    step: Tensor
    spent: Tensor

    def __init__(self, net: LengthNet) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        for name, value in (("error", float("inf")), ("step", 0.0), ("spent", 0.0)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))


class LengthTrainer:
    """One training, which goes on from its last checkpoint: Adam on the mean absolute error, the
    checkpoint kept that is best on the groups to choose by."""

    def __init__(
        self, lesson: Lengths, net: LengthNet, recipe: LengthRecipe, device: str = "cpu"
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.net = net.to(device)
        self.best = _Best(net).to(device)
        self.done = 0
        self._lesson = lesson
        self._rows = lesson.rows(LEARNT)
        chosen = lesson.rows(CHOSEN_BY)
        self._judged = chosen[:: -(-len(chosen) // _JUDGED)]
        self.optimizer = torch.optim.Adam(net.parameters(), recipe.lr)

    def run(self, path: Path | None, watch: Watch, seconds: float = float("inf")) -> LengthNet:
        """Make the steps that are left, or as many as the time allows, saving every ``EPOCH`` of
        them to ``path``; the best network, ready to be asked."""
        if path is not None and path.exists():
            try:
                self.done = checkpoint.resume(path, self, PARTS)
            except (ValueError, RuntimeError, EOFError, UnpicklingError):
                watch.tell(f"{path.name}: of another training, or damaged; beginning anew")
        watch.begin("length", self.recipe.steps, self.done)
        while self.done < self.recipe.steps and (not self.done or self.best.spent < seconds):
            begin = time.monotonic()
            for _ in self.epoch():
                watch.step()
            self._choose()
            self.best.spent += time.monotonic() - begin
            if path is not None:
                checkpoint.save(path, self, self.done, PARTS)
        return self.best.net.eval()

    def epoch(self) -> Iterator[float]:
        """Make the steps up to the next checkpoint, yielding the loss of each."""
        count = min(EPOCH, self.recipe.steps - self.done)
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.done)
        self.net.train()
        for crops, boxes, lengths in ahead(self._batches(count)):
            with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
                told = self.net(crops.to(self.device), boxes.to(self.device))
            loss = l1(told.float(), lengths.to(self.device))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            yield float(loss.detach())
        self.done += count

    def _batches(self, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        lesson, rng = self._lesson, np.random.default_rng((self.recipe.seed, self.done))
        for step in range(self.done, self.done + count):
            rows = self._drawn(step)
            crops = np.stack([hued(jittered(lesson.crops[i], JITTER, rng), HUE, rng) for i in rows])
            boxes, lengths = lesson.boxes[rows], lesson.lengths[rows]
            yield torch.from_numpy(crops), torch.from_numpy(boxes), torch.from_numpy(lengths)

    def _drawn(self, step: int) -> Indices:
        """The objects of a step: nothing comes twice in a pass."""
        batch = min(self.recipe.batch, len(self._rows))
        around, place = divmod(step, len(self._rows) // batch)
        order = np.random.default_rng((self.recipe.seed, around, 1)).permutation(self._rows)
        return order[place * batch : (place + 1) * batch]

    def _choose(self) -> None:
        """Keep the network if it is the best so far."""
        told = tell(self.net, self._lesson, self._judged)
        error = float(np.abs(told - self._lesson.lengths[self._judged]).mean())
        if error < self.best.error:
            self.best.net.load_state_dict(self.net.state_dict())
            self.best.error.fill_(error)
            self.best.step.fill_(self.done)


@torch.no_grad()
def tell(net: LengthNet, lesson: Lengths, rows: Indices) -> F32:
    """Lengths in cm (n,) that a network tells of some objects."""
    net.eval()
    device = next(net.parameters()).device
    found = []
    for start in range(0, len(rows), 32):
        own = rows[start : start + 32]
        crops = torch.from_numpy(np.stack([lesson.crops[i] for i in own]))
        boxes = torch.from_numpy(lesson.boxes[own])
        found.append(net(crops.to(device), boxes.to(device)).float().cpu().numpy())
    return np.concatenate(found)
