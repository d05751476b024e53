"""Transformers' tensors by the names that timm gives them, which DeiT's and DINO's files share."""

from __future__ import annotations

import re

from engines.nets.vit import Shape, State, resized

#: Channels of a head: that of every transformer published under these names, and told by no file.
HEAD = 64
#: What is left out: classifiers, and what only pretraining needs.
IGNORED = r"(head|head_dist|fc_norm|pre_logits)\..*|mask_token"
#: Beginnings of names, and ours.
_RULES = (
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "positions"),
    (r"^patch_embed\.proj\.", "patches."),
)
#: Factors of what a part adds, and the layer that is the last of that part.
_SCALES = (("ls1.gamma", "attn.proj"), ("ls2.gamma", "mlp.fc2"))


def shape_of(state: State, side: int) -> Shape:
    """Sizes of the transformer that a file is of, for pictures of ``side`` pixels.

    Raises:
        KeyError: a tensor is missing.
    """
    width, _, patch, _ = state["patch_embed.proj.weight"].shape
    depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    hidden = len(state["blocks.0.mlp.fc1.bias"])
    return Shape(side, patch, width, depth, width // HEAD, hidden // width)


def from_timm(state: State, shape: Shape) -> State:
    """The tensors by our names; positions of another grid are interpolated, factors of layers
    (LayerScale, arXiv 2103.17239) multiplied into them.

    Raises:
        KeyError: a tensor is missing.
    """
    found = dict(state)
    found["pos_embed"] = resized(found["pos_embed"], shape.grid)
    for i in range(shape.depth):
        for factor, layer in _SCALES:
            scale = found.pop(f"blocks.{i}.{factor}", None)
            if scale is not None:
                weight, bias = (f"blocks.{i}.{layer}.{kind}" for kind in ("weight", "bias"))
                found[weight] = found[weight] * scale[:, None]
                found[bias] = found[bias] * scale
    for pattern, ours in _RULES:
        found = {re.sub(pattern, ours, name): tensor for name, tensor in found.items()}
    return {name: own for name, own in found.items() if not re.fullmatch(IGNORED, name)}
