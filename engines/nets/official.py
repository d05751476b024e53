"""Checkpoints of the authors of ILA and GLSim, by their own names (section "Checkpoints" of their
repositories): a dictionary with ``config``, a pickled ``argparse.Namespace``, and ``model``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from engines.nets.vit import Shape, State, resized

#: Names of theirs that begin or end a name of ours.
_PREFIX = "model."


def read_official(path: Path) -> State:
    """Tensors of a checkpoint by the authors' names. Nothing in it is run: of what pickles may
    name, only ``argparse.Namespace`` is allowed, for the settings, which are left out; an empty
    class stands in for it.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds anything else, or no ``model``.
    """
    try:
        with torch.serialization.safe_globals([(SimpleNamespace, "argparse.Namespace")]):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # the library's own, which differ between versions
        raise ValueError(f"{path}: no checkpoint, or an unsafe one: {error}") from None
    model = found.get("model") if isinstance(found, dict) else None
    if not isinstance(model, dict) or not all(isinstance(t, Tensor) for t in model.values()):
        raise ValueError(f"{path}: holds no 'model'")
    return {name.removeprefix(_PREFIX): tensor for name, tensor in model.items()}


def shape_of(state: State, side: int, heads: int = 12) -> Shape:
    """Sizes of the transformer of a checkpoint.

    Raises:
        KeyError: a tensor is missing.
    """
    width, _, patch, _ = state["patch_embedding.weight"].shape
    depth = len({n.split(".")[2] for n in state if n.startswith("encoder.blocks.")})
    hidden = len(state["encoder.blocks.0.pwff.fc1.bias"])
    return Shape(side, patch, width, depth, heads, hidden // width)


def transformer(state: State, shape: Shape) -> State:
    """The transformer's part by our names; positions of another grid are interpolated.

    Raises:
        KeyError: a tensor is missing.
    """
    found = {
        "class_token": state["class_token"],
        "positions": resized(state["positional_embedding.pos_embedding"], shape.grid),
        **_pair(state, "patch_embedding", "patches"),
        **_pair(state, "encoder_norm", "norm"),
    }
    for i in range(shape.depth):
        found |= block(state, f"encoder.blocks.{i}", f"blocks.{i}")
    return found


def block(state: State, theirs: str, ours: str) -> State:
    """One block, from and to names that begin so."""
    found: State = {}
    for kind in ("weight", "bias"):
        parts = [state[f"{theirs}.attn.proj_{part}.{kind}"] for part in "qkv"]
        found[f"{ours}.attn.qkv.{kind}"] = torch.cat(parts)
    names = (
        ("norm1", "norm1"),
        ("proj", "attn.proj"),
        ("norm2", "norm2"),
        ("pwff.fc1", "mlp.fc1"),
        ("pwff.fc2", "mlp.fc2"),
    )
    for one, other in names:
        found |= _pair(state, f"{theirs}.{one}", f"{ours}.{other}")
    return found


def adapter(state: State, index: int) -> State:
    """A down-sampling adapter, the first or the second, by the names within ours.

    Raises:
        KeyError: a tensor is missing.
    """
    theirs = f"encoder.ila_ds.{index}"
    names = (
        ("adapter_down", "adapter_down"),
        ("norm1.1", "norm1"),
        ("adapter_cls", "adapter_cls"),
        ("adapter_conv.0", "depthwise"),
        ("adapter_conv.1.0", "norm2"),
        ("adapter_conv.2", "pointwise"),
        ("norm3.1", "norm3"),
        ("adapter_up", "adapter_up"),
    )
    found: State = {"ds_conv.weight": state[f"{theirs}.ds_conv.weight"]}
    for one, other in names:
        found |= _pair(state, f"{theirs}.{one}", other)
        if other.startswith("norm"):
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                found[f"{other}.{name}"] = state[f"{theirs}.{one}.{name}"]
    found["adapter_cls.weight"] = found["adapter_cls.weight"].flatten(2)  # 1 x 1, whatever kind
    return found


def bottlenecks(state: State, index: int) -> State:
    """Those inside of a block, by the names within ours; none where it has none."""
    found: State = {}
    for place in ("adapter_attn", "adapter_pwffn"):
        for part in ("adapter_down", "adapter_up"):
            theirs = f"encoder.blocks.{index}.{place}.{part}"
            if f"{theirs}.weight" in state:
                found |= _pair(state, theirs, f"{place}.{part}")
    return found


def _pair(state: State, theirs: str, ours: str) -> State:
    return {f"{ours}.{kind}": state[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
