"""Recipes that start from a published transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engines.base import EngineError
from engines.nets import official, vit_names
from engines.nets.glsim import GlobalLocal
from engines.nets.ifa import AggregatedTransformer
from engines.nets.ila import DOWN_AFTER, KINDS, AdaptedTransformer
from engines.nets.vit import Shape, State, from_google, read_npz, shape_of
from engines.nets.vit_names import from_timm
from engines.published.checkpoint import read_state
from engines.teach.lesson import TeachError
from engines.teach.trainer import Recipe

#: How files of Google's end, and checkpoints of the authors of ILA and GLSim, as of others.
NUMPY = ".npz"
AUTHORS = ".pth"
#: A tensor by the name that timm gives it.
CLASS_TOKEN = "cls_token"
#: How the name of a model of timm's begins, which timm itself fetches from the hub.
TIMM = "timm:"
#: Recipe -> how it learns: adapters and what joins class tokens are new and learn quickly, whole
#: networks were learnt already.
TRANSFORMERS: Mapping[str, Recipe] = MappingProxyType(
    {
        **dict.fromkeys(KINDS, Recipe(lr=1e-3, head_rate=1.0, batch=8)),
        "glsim": Recipe(lr=3e-5, head_rate=1.0, batch=8),
        "ifa": Recipe(lr=1e-5, head_rate=100.0, new_rate=100.0, batch=8),
    }
)
#: Those whose classifier begins as a linear one (``linear.begin``): of thousands of classes, which
#: ``ifa`` is for, that takes longer than all else.
BEGUN = frozenset((*KINDS, "glsim"))


def transformer(name: str, weights: Path | None, side: int) -> Any:
    """The network of a recipe, started from a file, up to its features.

    Raises:
        TeachError: there is no file, or it holds no such transformer.
    """
    weights = given(name, weights)
    try:
        if weights.suffix == NUMPY:
            state = read_npz(weights)
            return _started(name, shape_of(state, side), partial(from_google, state))
        if weights.name.startswith(TIMM):
            state = _of_timm(weights.name.removeprefix(TIMM))
        elif weights.suffix == AUTHORS:
            state = official.read_official(weights)
        else:
            state = read_state(weights, "model", "state_dict")
        if weights.suffix == AUTHORS and CLASS_TOKEN not in state:
            return _published(name, state, side)
        return _started(name, vit_names.shape_of(state, side), partial(from_timm, state))
    except TeachError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        RuntimeError,
        EOFError,
        EngineError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise TeachError(
            f"--weights {weights}: no transformer that '{name}' starts from: {reason}"
        ) from None


def given(name: str, weights: Path | None) -> Path:
    """What a recipe starts from.

    Raises:
        TeachError: nothing was given.
    """
    if weights is None:
        raise TeachError(
            f"recipe '{name}' starts from a published transformer: give --weights ViT-B_16.npz"
        )
    return weights


def _started(name: str, shape: Shape, named: Callable[[Shape], State]) -> Any:
    """The network of a recipe on a transformer's weights, which ``named`` gives by our names."""
    weights = named(_checked(shape, name))
    if name in KINDS:
        return AdaptedTransformer(shape, name, weights)
    net = GlobalLocal(shape) if name == "glsim" else AggregatedTransformer(shape)
    net.vit.load_state_dict(weights)
    return net


def _of_timm(name: str) -> State:
    """The weights that timm has under a name.

    Raises:
        TeachError: timm is not installed, knows no such model, or cannot fetch it.
    """
    try:
        timm = import_module("timm")
    except ImportError:
        raise TeachError(f"--weights {TIMM}{name}: timm is missing: pip install timm") from None
    try:
        found: State = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # of the hub and of several libraries
        reason = " ".join(str(error).split())[:160]
        raise TeachError(f"--weights {TIMM}{name}: not to be had from timm: {reason}") from None
    return found


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
