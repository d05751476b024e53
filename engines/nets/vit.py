"""Vision Transformer (Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021), as published:
pre-norm blocks, a class token, learned positions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Tensors by Google's names.
State = dict[str, Tensor]
EPS = 1e-12


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a transformer; the default is ViT-B/16 at 224 pixels."""

    side: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    ratio: int = 4

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.side // self.patch


class Attention(nn.Module):
    """Multi-head self-attention on tokens (N, T, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads).unbind(2)
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        )
        return self.proj(out.transpose(1, 2).reshape(n, tokens, width))


class Mlp(nn.Module):
    """Two layers with an exact GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and a perceptron, each on normalised tokens and added to them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=EPS)
        self.attn = Attention(shape.width, shape.heads)
        self.norm2 = nn.LayerNorm(shape.width, eps=EPS)
        self.mlp = Mlp(shape.width, shape.width * shape.ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Backbone: normalised RGB float32 (N, 3, side, side) in, tokens (N, 1 + grid ** 2, width)
    after the last normalisation out, the class token first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.patches = nn.Conv2d(3, shape.width, shape.patch, shape.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + shape.grid**2, shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, eps=EPS)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def embed(self, x: Tensor) -> Tensor:
        """Tokens before the first block."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        first = self.class_token.expand(x.shape[0], -1, -1)
        return torch.cat((first, patches), 1) + self.positions

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def load(self, state: State) -> None:
        """Take over the weights of a file of Google's; positions of another grid are interpolated.

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: one has another size.
        """
        self.load_state_dict(from_google(state, self.shape))


def read_npz(path: Path) -> State:
    """Tensors of a file such as ``ViT-B_16.npz``, read without unpickling.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    with np.load(path, allow_pickle=False) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def shape_of(state: State, side: int) -> Shape:
    """Sizes of the transformer that a file is of, for pictures of ``side`` pixels.

    Raises:
        KeyError: a tensor is missing.
    """
    own = {name.split("/")[1] for name in state if name.startswith("Transformer/encoderblock_")}
    query = state["Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel"]
    hidden = state["Transformer/encoderblock_0/MlpBlock_3/Dense_0/bias"]
    width = query.shape[0]
    patch = state["embedding/kernel"].shape[0]
    return Shape(side, patch, width, len(own), query.shape[1], len(hidden) // width)


def from_google(state: State, shape: Shape) -> State:
    """Google's names and layouts as ours.

    Raises:
        KeyError: a tensor is missing.
    """
    width = shape.width
    found = {
        "class_token": state["cls"],
        "positions": resized(state["Transformer/posembed_input/pos_embedding"], shape.grid),
        "patches.weight": state["embedding/kernel"].permute(3, 2, 0, 1),
        "patches.bias": state["embedding/bias"],
        "norm.weight": state["Transformer/encoder_norm/scale"],
        "norm.bias": state["Transformer/encoder_norm/bias"],
    }
    for i in range(shape.depth):
        own = f"Transformer/encoderblock_{i}"
        for ours, theirs in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            found[f"blocks.{i}.{ours}.weight"] = state[f"{own}/{theirs}/scale"]
            found[f"blocks.{i}.{ours}.bias"] = state[f"{own}/{theirs}/bias"]
        heard = f"{own}/MultiHeadDotProductAttention_1"
        parts: list[Any] = ["query", "key", "value"]
        kernels = [state[f"{heard}/{part}/kernel"].reshape(width, width).T for part in parts]
        biases = [state[f"{heard}/{part}/bias"].reshape(width) for part in parts]
        found[f"blocks.{i}.attn.qkv.weight"] = torch.cat(kernels)
        found[f"blocks.{i}.attn.qkv.bias"] = torch.cat(biases)
        found[f"blocks.{i}.attn.proj.weight"] = state[f"{heard}/out/kernel"].reshape(width, width).T
        found[f"blocks.{i}.attn.proj.bias"] = state[f"{heard}/out/bias"]
        for ours, theirs in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
            found[f"blocks.{i}.mlp.{ours}.weight"] = state[f"{own}/MlpBlock_3/{theirs}/kernel"].T
            found[f"blocks.{i}.mlp.{ours}.bias"] = state[f"{own}/MlpBlock_3/{theirs}/bias"]
    return found


def resized(positions: Tensor, grid: int) -> Tensor:
    """Positions (1, 1 + g ** 2, D) of another grid, the class token's kept, by bilinear
    interpolation."""
    first, rest = positions[:, :1], positions[:, 1:]
    side = round(rest.shape[1] ** 0.5)
    if side == grid:
        return positions
    square = rest.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    made = F.interpolate(square, size=(grid, grid), mode="bilinear", align_corners=False)
    return torch.cat((first, made.flatten(2).transpose(1, 2)), 1)
