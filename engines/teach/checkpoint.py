"""What the trainings share: averaged weights, and checkpoints they continue from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from engines.files import replace_file

#: What a training has that changes as it goes on.
PARTS = ("net", "average", "optimizer", "schedule")


class Training(Protocol):
    """A net, its averaged twin, an optimizer, a schedule, and the recipe, a dataclass."""

    net: Any
    average: Any
    optimizer: Any
    schedule: Any

    @property
    def recipe(self) -> Any: ...


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move ``average`` towards ``net``, keeping the share ``keep`` of itself; in place."""
    for old, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


def save(path: Path, training: Any, done: int, parts: Sequence[str] = PARTS) -> None:
    """Write a training's state after ``done`` steps or epochs, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    state = {name: getattr(training, name).state_dict() for name in parts}
    packed = io.BytesIO()
    torch.save({**state, "done": done, "recipe": asdict(training.recipe)}, packed)
    replace_file(path, packed.getvalue(), durable=False)


def resume(path: Path, training: Any, parts: Sequence[str] = PARTS) -> int:
    """Load a training's state; how many steps or epochs were done.

    Raises:
        ValueError: the file was written with another recipe.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != asdict(training.recipe):
        raise ValueError(f"{path}: written with another recipe; remove it to start anew")
    for name in parts:
        getattr(training, name).load_state_dict(state[name])
    return int(state["done"])


def begin(path: Path, training: Training) -> None:
    """Give a training the averaged weights of another, as far as both have them."""
    state = torch.load(path, map_location="cpu", weights_only=True)["average"]
    own = training.net.state_dict()
    same = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    for net in (training.net, training.average):
        net.load_state_dict({**own, **same})
