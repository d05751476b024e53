"""Transformers that are taught from few photos: adapters, a second look, and what they are compared
with. All begin with the same weights; arithmetic is bfloat16, to save time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engines.nets.taught import Taught
from engines.nets.vit import Shape, VisionTransformer
from engines.nets.vit_names import from_timm, shape_of
from engines.published.checkpoint import read_state
from engines.teach import linear
from engines.teach.trainer import Recipe, Trainer, look
from engines.teach.transformers import TRANSFORMERS, transformer
from engines.teach.watch import Unwatched
from training.type_data import Garment

#: What is compared -> the recipe that it learns by, all from a linear classifier on features as
#: they are; ``frozen`` is that classifier, ``whole`` the transformer trained on, as ``glsim`` is,
#: without the second look.
ARMS: Mapping[str, str] = MappingProxyType(
    {"frozen": "", "whole": "glsim", "ila": "ila", "ila+": "ila+", "ila++": "ila++"}
    | {"glsim": "glsim"}
)


class FirstToken(nn.Module):
    """The class token (N, width) of a transformer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.width = shape.width
        self.vit = VisionTransformer(shape)

    @classmethod
    def read(cls, weights: Path, side: int) -> FirstToken:
        """The one of a file, by timm's names."""
        state = read_state(weights)
        net = cls(shape_of(state, side))
        net.vit.load_state_dict(from_timm(state, net.vit.shape))
        return net

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.vit(x)[:, 0]
        return out


class Halved(nn.Module):
    """The same network in bfloat16, where that changes little."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.width = net.width

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out: Tensor = self.net(x).float()
        return out


@dataclass(frozen=True, slots=True)
class Study:
    """What each arm makes of draws of photos."""

    weights: Path
    side: int
    steps: int

    def right(
        self, arm: str, photos: Sequence[Garment], test: Sequence[Garment], kinds: int, seed: int
    ) -> npt.NDArray[np.bool_]:
        """Which of the test pictures are named rightly."""
        classes = np.array([photo.kind for photo in photos])
        pictures, shown = ([one.rgb for one in part] for part in (photos, test))
        true = np.array([photo.kind for photo in test])
        torch.manual_seed(seed)
        net = Taught(Halved(self._network(arm)), self._network(arm).width, kinds)
        seen = look(net, pictures, self.side)[1]
        linear.begin(net.fc, seen, classes, np.arange(len(classes)), seed)
        if arm != "frozen":
            recipe: Recipe = replace(
                TRANSFORMERS[ARMS[arm]], steps=self.steps, side=self.side, seed=seed
            )
            net = Trainer(pictures, classes, net, recipe).run(None, Unwatched())
        return np.asarray(look(net, shown, self.side)[0].argmax(axis=1) == true)

    def _network(self, arm: str) -> Any:
        if arm in TRANSFORMERS:
            return transformer(arm, self.weights, self.side)
        return FirstToken.read(self.weights, self.side)
