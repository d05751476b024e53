"""Recipes that start from a published transformer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engines.nets import official
from engines.nets.glsim import GlobalLocal
from engines.nets.ifa import AggregatedTransformer
from engines.nets.ila import DOWN_AFTER, KINDS, AdaptedTransformer
from engines.nets.vit import Shape, State, read_npz, shape_of
from engines.teach.lesson import TeachError
from engines.teach.trainer import Recipe

#: How checkpoints of the authors of ILA and GLSim end.
PUBLISHED = ".pth"
#: Recipe -> how it learns: adapters are new and learn quickly, whole networks were learnt already.
TRANSFORMERS: Mapping[str, Recipe] = MappingProxyType(
    {
        **dict.fromkeys(KINDS, Recipe(lr=1e-3, head_rate=1.0, batch=8)),
        **dict.fromkeys(("glsim", "ifa"), Recipe(lr=3e-5, head_rate=30.0, batch=8)),
    }
)


def transformer(name: str, weights: Path | None, side: int) -> Any:
    """The network of a recipe, started from a file, up to its features.

    Raises:
        TeachError: there is no file, or it holds no such transformer.
    """
    if weights is None:
        raise TeachError(
            f"recipe '{name}' starts from a published transformer: give --weights ViT-B_16.npz"
        )
    try:
        if weights.suffix == PUBLISHED:
            return _published(name, official.read_official(weights), side)
        state = read_npz(weights)
        shape = _checked(shape_of(state, side), name)
        if name in KINDS:
            return AdaptedTransformer(shape, name, state)
        net = GlobalLocal(shape) if name == "glsim" else AggregatedTransformer(shape)
        net.vit.load(state)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TeachError(
            f"--weights {weights}: no transformer that '{name}' starts from: {reason}"
        ) from None
    return net


def _checked(shape: Shape, name: str) -> Shape:
    """Raise TeachError where adapters would leave no token."""
    if name in KINDS and shape.grid <= 2 * len(DOWN_AFTER):
        least = shape.patch * (2 * len(DOWN_AFTER) + 1)
        raise TeachError(f"--side {shape.side}: too small for '{name}', which needs {least}")
    return shape


def _published(name: str, state: State, side: int) -> Any:
    """The network of a checkpoint of a method's authors."""
    shape = _checked(official.shape_of(state, side), name)
    if name in KINDS:
        net: Any = AdaptedTransformer(shape, name)
    elif name == "glsim":
        net = GlobalLocal(shape)
    else:
        raise ValueError(f"checkpoints of '{name}' are not read; give an .npz file")
    net.load_official(state)
    return net
