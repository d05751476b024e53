"""Brands with the whole transformer trained, as intermediate class tokens were published: three
hundred of them, to be possible on a processor.

Every tenth rank of ``brand_study``: as long a tail, a tenth of the pictures. Arithmetic is
bfloat16, to save time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from engines.nets.taught import Taught
from engines.teach.trainer import Recipe, Trainer, look
from engines.teach.transformers import transformer
from engines.teach.twins import Image
from engines.teach.watch import Unwatched
from training.brand_study import counts, picture, ranked
from training.transformer_study import FirstToken, Halved

#: Every so many ranks are taken.
APART = 10
#: Pictures of each class that are asked about.
ASKED = 4
#: Learning rate of the network, and of a classifier that begins with random numbers.
RATE = 1e-5
FASTER = 100.0
BATCH = 32
#: What is compared: the recipe ``ifa``, and the same with a classifier of the last class token.
ARMS: Mapping[str, str] = MappingProxyType({"last token": "", "ifa": "ifa"})


class Prints(NamedTuple):
    """Pictures (side, side, 3) to learn from and their classes (n,), the commonest first, and
    ``ASKED`` of each class, in that order."""

    learnt: list[Image]
    classes: npt.NDArray[np.int64]
    asked: list[Image]


def prints(package: Path, side: int, cache: Path) -> Prints:
    """The same pictures every time."""
    brands, own = ranked(package, cache)[::APART], counts()[::APART]
    rng = np.random.default_rng(2)

    def drawn(classes: npt.NDArray[np.int64]) -> list[Image]:
        views = (picture(brands[i], rng) for i in classes)
        return [
            np.asarray(cv2.resize(v, (side, side), interpolation=cv2.INTER_AREA)) for v in views
        ]

    classes = np.repeat(np.arange(len(own)), own)
    return Prints(drawn(classes), classes, drawn(np.repeat(np.arange(len(own)), ASKED)))


def right(
    own: Prints, arm: str, weights: Path, side: int, steps: int, seed: int
) -> npt.NDArray[np.bool_]:
    """Which of the pictures that are asked about are named rightly after all has learnt."""
    torch.manual_seed(seed)
    kinds = len(own.asked) // ASKED
    features: Any = (
        transformer("ifa", weights, side) if ARMS[arm] else FirstToken.read(weights, side)
    )
    recipe = Recipe("finetune", steps, BATCH, RATE, FASTER, FASTER, side=side, seed=seed)
    net = Taught(Halved(features), features.width, kinds)
    trained = Trainer(own.learnt, own.classes, net, recipe).run(None, Unwatched())
    told = look(trained, own.asked, side)[0].argmax(axis=1)
    return np.asarray(told == np.repeat(np.arange(kinds), ASKED))
