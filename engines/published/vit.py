"""The block of vision transformers (Dosovitskiy et al., ICLR 2021), with the names of parameters
that checkpoints of the hub have."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: GELU, and what is taken for it: by a sigmoid, or by a hyperbolic tangent.
Gelu = Literal["exact", "quick", "tanh"]


def gelu(x: Tensor, kind: Gelu) -> Tensor:
    """GELU (Hendrycks and Gimpel, arXiv 1606.08415), exact or by one of its approximations."""
    if kind == "quick":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="tanh" if kind == "tanh" else "none")


def attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of heads: all of (n, heads, tokens, numbers), joined to (n, tokens, hidden)."""
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)


def split(x: Tensor, heads: int) -> Tensor:
    """Tokens (n, tokens, hidden) by heads: (n, heads, tokens, numbers)."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """Attention and a perceptron, each behind a LayerNorm and beside a shortcut.

    ``forward`` takes and returns tokens (n, tokens, hidden).
    """

    def __init__(self, hidden: int, heads: int, inner: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        three = {name: nn.Linear(hidden, hidden) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {
                "attention": nn.ModuleDict(three),
                "output": nn.ModuleDict({"dense": nn.Linear(hidden, hidden)}),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(hidden, inner)})
        self.output = nn.ModuleDict({"dense": nn.Linear(inner, hidden)})
        self.layernorm_before = nn.LayerNorm(hidden, epsilon)
        self.layernorm_after = nn.LayerNorm(hidden, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attended(self.layernorm_before(x))
        inner = F.gelu(self.intermediate["dense"](self.layernorm_after(x)))
        return x + self.output["dense"](inner)

    def _attended(self, x: Tensor) -> Tensor:
        three = self.attention["attention"]
        parts = (split(three[name](x), self.heads) for name in ("query", "key", "value"))
        return self.attention["output"]["dense"](attended(*parts))


class Perceptron(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, hidden: int, inner: int, kind: Gelu = "exact") -> None:
        super().__init__()
        self.kind: Gelu = kind
        self.fc1 = nn.Linear(hidden, inner)
        self.fc2 = nn.Linear(inner, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x), self.kind))


class _Fused(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(attended(*(split(own, self.heads) for own in self.qkv(x).chunk(3, -1))))


class FusedBlock(nn.Module):
    """The same block with the names that checkpoints of timm and ALBEF have: query, key and value
    are one layer."""

    def __init__(
        self, hidden: int, heads: int, inner: int, epsilon: float = 1e-6, kind: Gelu = "exact"
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden, epsilon)
        self.attn = _Fused(hidden, heads)
        self.norm2 = nn.LayerNorm(hidden, epsilon)
        self.mlp = Perceptron(hidden, inner, kind)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))
