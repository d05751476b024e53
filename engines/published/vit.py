"""The block of vision transformers (Dosovitskiy et al., ICLR 2021), with the names of parameters
that checkpoints of the hub have."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


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
        query, key, value = (
            three[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        return self.attention["output"]["dense"](mixed)
