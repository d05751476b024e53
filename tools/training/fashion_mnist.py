"""Fashion-MNIST from few pictures: a small network that begins with random numbers.

The protocol of "Extract More from Less" (arXiv 2406.19814) on another collection: Debian's
``dataset-fashion-mnist`` (MIT; Xiao et al., arXiv 1708.07747), 28 x 28 pixels shown at 32. The
strong crop takes half of a side at least: a tenth would be three pixels.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.taught import Taught
from engines.teach.losses import ALPHA, self_distillation
from engines.teach.trainer import METHODS, Method, Recipe, Trainer, look
from engines.teach.twins import Image
from engines.teach.views import STRONG, WEAK, Rng, cropped, standard
from engines.teach.watch import Unwatched

U8 = npt.NDArray[np.uint8]
SIDE = 32
KINDS = 10
#: Shares of a side that the strong crop takes here.
STRONGER = (0.5, STRONG[1])
#: Channels of the three stages.
WIDTHS = (16, 32, 64)
#: How much faster the classifier learns than the network, where it does.
FASTER = 10.0
#: Learning rates that are tried, on pictures held out of those to learn from.
RATES = (1e-3, 3e-3, 1e-2)
#: Pictures at the end of those to learn from that are held out.
HELD_OUT = 1000


@dataclass(frozen=True, slots=True)
class Arm:
    """What one way of learning does: its method, and how fast the classifier learns."""

    method: Method
    head_rate: float


def _weak(rgb: Image, side: int, rng: Rng) -> Image:
    return cropped(rgb, side, WEAK, rng)


def _strong(rgb: Image, side: int, rng: Rng) -> Image:
    return cropped(rgb, side, STRONGER, rng)


def _one(net: Taught, views: Sequence[Tensor], classes: Tensor, recipe: Recipe) -> Tensor:
    """One crop, pulled towards the standard view."""
    logits, whole = net(views[0])
    return F.cross_entropy(logits, classes) + ALPHA * self_distillation(whole, net(views[1])[1])


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "plain": Arm(METHODS["finetune"], 1.0),
        "faster classifier": Arm(METHODS["finetune"], FASTER),
        "one crop": Arm(Method((standard, _strong), _one), FASTER),
        "adnet": Arm(Method((standard, _weak, _strong), METHODS["adnet"].loss), FASTER),
        "control": Arm(METHODS["control"], FASTER),
    }
)


class Block(nn.Module):
    """Two convolutions, added to their input (He et al., CVPR 2016)."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU()
        )
        self.second = nn.Sequential(
            nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout)
        )
        self.aside: nn.Module = nn.Identity()
        if stride != 1 or cin != cout:
            self.aside = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.aside(x))


class Small(nn.Module):
    """A ResNet of three blocks: (N, 3, 32, 32) in, pooled features (N, 64) out."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, WIDTHS[0], 3, 2, 1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(),
        ]
        cin = WIDTHS[0]
        for place, width in enumerate(WIDTHS):
            layers.append(Block(cin, width, 1 if place == 0 else 2))
            cin = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x).mean(dim=(2, 3))
        return out


class ArmTrainer(Trainer):
    """A training by an arm's method."""

    def __init__(
        self, arm: Arm, photos: Sequence[Image], classes: Any, net: Taught, recipe: Recipe
    ):
        super().__init__(photos, classes, net, recipe)
        self._method = arm.method


@cache
def read(folder: Path, name: str) -> tuple[U8, npt.NDArray[np.int64]]:
    """Pictures (n, 28, 28, 3) and classes (n,) of ``train`` or ``t10k``, in the IDX format."""

    def content(kind: str) -> bytes:
        return gzip.decompress((folder / f"{name}-{kind}-ubyte.gz").read_bytes())

    pixels = np.frombuffer(content("images-idx3"), np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.frombuffer(content("labels-idx1"), np.uint8, offset=8)
    return np.repeat(pixels[..., None], 3, axis=3), labels.astype(np.int64)


def right(
    arm: str, photos: U8, classes: npt.NDArray[np.int64], test: tuple[U8, Any], recipe: Recipe
) -> npt.NDArray[np.bool_]:
    """Which of the test pictures are named rightly by a network that learnt from photos."""
    torch.manual_seed(recipe.seed)
    net = ArmTrainer(ARMS[arm], list(photos), classes, Taught(Small(), WIDTHS[-1], KINDS), recipe)
    learnt = net.run(None, Unwatched())
    return np.asarray(look(learnt, list(test[0]), SIDE)[0].argmax(axis=1) == test[1])


def draw(classes: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.intp]:
    """Indices of ``count`` pictures of each class."""
    rng = np.random.default_rng((seed, count))
    every = [rng.permutation(np.flatnonzero(classes == kind))[:count] for kind in range(KINDS)]
    return np.concatenate(every)


@dataclass(frozen=True, slots=True)
class Study:
    """Every arm learns from the same draws; pictures to test on are asked about once."""

    folder: Path
    steps: int
    batch: int
    tested: int

    def rate(self, count: int) -> float:
        """The learning rate that is best for ``plain``, on pictures held out of those to learn
        from; one draw that no arm learns from."""
        pictures, classes = read(self.folder, "train")
        held = pictures[-HELD_OUT:], classes[-HELD_OUT:]
        rows = draw(classes[:-HELD_OUT], count, 1000)

        def share(rate: float) -> float:
            recipe = self._recipe("plain", rate, 1000)
            return float(right("plain", pictures[rows], classes[rows], held, recipe).mean())

        return max(RATES, key=share)

    def learn(self, arm: str, count: int, seed: int, rate: float) -> npt.NDArray[np.bool_]:
        """Which test pictures an arm names rightly after a draw."""
        pictures, classes = read(self.folder, "train")
        rows = draw(classes[:-HELD_OUT], count, seed)
        shown, true = read(self.folder, "t10k")
        test = shown[: self.tested], true[: self.tested]
        return right(arm, pictures[rows], classes[rows], test, self._recipe(arm, rate, seed))

    def _recipe(self, arm: str, rate: float, seed: int) -> Recipe:
        return Recipe(
            steps=self.steps,
            batch=self.batch,
            lr=rate,
            head_rate=ARMS[arm].head_rate,
            side=SIDE,
            seed=seed,
        )
