"""What the trainings share: averaged weights, and checkpoints they continue from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn


class Part(Protocol):
    """A net, an optimizer, a schedule."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move ``average`` towards ``net``, keeping the share ``keep`` of itself; in place."""
    for old, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


def save(path: Path, parts: Mapping[str, Part], done: int, recipe: Mapping[str, Any]) -> None:
    """Write the parts' state after ``done`` steps or epochs, whole or not at all."""
    state = {name: part.state_dict() for name, part in parts.items()}
    partial = path.with_suffix(".part")
    torch.save({**state, "done": done, "recipe": dict(recipe)}, partial)
    partial.replace(path)


def resume(path: Path, parts: Mapping[str, Part], recipe: Mapping[str, Any]) -> int:
    """Load the parts' state; how many steps or epochs were done.

    Raises:
        ValueError: the file was written with another recipe.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != dict(recipe):
        raise ValueError(f"{path}: written with another recipe; remove it to start anew")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["done"])
