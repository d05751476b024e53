"""How well garments go together: two graph networks over the categories of an outfit.

NGNN (Cui, Li, Wu, Zhang, Wang: "Dressing as a Whole", WWW 2019) and the hypergraph model OCPHN, as
replicated in arXiv 2404.18040. A garment is a node of its category; each category has matrices of
its own. Written from their equations.

Where the replication's text and its code differ, ``Statement`` says which is meant: ``paper`` or
``code``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Which of two that differ is followed.
Statement = Literal["paper", "code"]
#: Slope of LeakyReLU below zero.
LEAK = 0.01
#: Of two modalities, the weight of pictures, and that of how far apart both see a garment.
PICTURES = 0.2
APART = 5.0


@dataclass(frozen=True, slots=True)
class HyperRecipe:
    """OCPHN's sizes and training by one of its statements.

    Attributes:
        width: of a garment's and of a category's part of a node.
        steps: of propagation.
        l2: weight of the penalty on weights; ``averaged`` over them, or their sum.
    """

    width: int
    steps: int
    lr: float
    l2: float
    averaged: bool
    batch: int = 16
    epochs: int = 80


def hyper_recipe(statement: Statement) -> HyperRecipe:
    """OCPHN as its code has it, or as its text states it."""
    if statement == "code":
        return HyperRecipe(16, 1, 1e-4, 0.1, averaged=True)
    return HyperRecipe(12, 3, 1e-3, 1e-3, averaged=False)


def adjacency(outfits: Iterable[npt.NDArray[np.int64]], categories: int) -> npt.NDArray[np.float32]:
    """How often a category is seen with another, of all times it is seen: (from, to), 0 for itself.

    Args:
        outfits: indices of the categories of each.
    """
    together = np.zeros((categories, categories), np.float64)
    seen = np.zeros(categories)
    for outfit in outfits:
        own = np.unique(outfit)
        seen[own] += 1
        together[np.ix_(own, own)] += 1
    np.fill_diagonal(together, 0)
    return np.asarray(together / np.maximum(seen, 1)[:, None], np.float32)


def preference(better: Tensor, worse: Tensor, statement: Statement) -> Tensor:
    """Loss of scores (B,) that should be higher than others. The code takes -mean sigmoid of the
    difference, the paper its logarithm (Rendle et al., BPR, UAI 2009)."""
    if statement == "code":
        return -torch.sigmoid(better - worse).mean()
    return -F.logsigmoid(better - worse).mean()


def penalty(net: nn.Module, averaged: bool) -> Tensor:
    """Sum of a net's squared weights, or their mean."""
    weights = [p.square().sum() for p in net.parameters()]
    total = torch.stack(weights).sum()
    return total / sum(p.numel() for p in net.parameters()) if averaged else total


class PerCategory(nn.Module):
    """A linear map of its own for every category: (B, N, cin) of categories (B, N) to
    (B, N, cout)."""

    def __init__(self, categories: int, cin: int, cout: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(categories, cout, cin))
        nn.init.normal_(self.weight, std=cin**-0.5)
        self.bias = nn.Parameter(torch.zeros(categories, cout)) if bias else None

    def forward(self, x: Tensor, kinds: Tensor) -> Tensor:
        # An embedding's gradient is summed up many times faster than that of an index.
        own = F.embedding(kinds, self.weight.flatten(1)).unflatten(2, self.weight.shape[1:])
        y = (own @ x[..., None]).squeeze(3)
        return y if self.bias is None else y + F.embedding(kinds, self.bias)


class Propagation(nn.Module):
    """``steps`` times: garments hear each other, m_j = W_r^j sum_i A_ij W_s^i h_i, and one GRU, the
    same for all, turns m_j and h_j into h_j. Absent garments stay zero."""

    def __init__(self, categories: int, width: int, steps: int, bias: bool = False) -> None:
        super().__init__()
        self.steps = steps
        self.send = PerCategory(categories, width, width, bias)
        self.receive = PerCategory(categories, width, width, bias)
        self.gru = nn.GRUCell(width, width)

    def forward(self, h: Tensor, kinds: Tensor, edges: Tensor, present: Tensor) -> Tensor:
        """States (B, N, width) after it; ``edges`` (B, from, to), ``present`` bool (B, N)."""
        for _ in range(self.steps):
            heard = edges.transpose(1, 2) @ self.send(h, kinds)
            told = self.receive(heard, kinds)
            h = self.gru(told.flatten(0, 1), h.flatten(0, 1)).view_as(h) * present[..., None]
        return h


class Readout(nn.Module):
    """sigmoid(w_a . h) LeakyReLU(w_s . h), summed over the garments that count."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.Linear(width, 1, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, h: Tensor, counts: Tensor) -> Tensor:
        parts = torch.sigmoid(self.attention(h)) * F.leaky_relu(self.score(h), LEAK)
        return (parts.squeeze(2) * counts).sum(1)


class Ngnn(nn.Module):
    """Node-wise graph neural network: every garment hears every other.

    ``forward`` takes categories int64 (B, N), -1 where an outfit has fewer garments, and features
    float32 (B, N, D), and returns scores (B,).
    """

    edges: Tensor

    def __init__(
        self, edges: npt.NDArray[np.float32], features: int, width: int = 12, steps: int = 3
    ) -> None:
        """``edges`` are those of ``adjacency``."""
        super().__init__()
        self.register_buffer("edges", torch.from_numpy(edges))
        self.enter = PerCategory(len(edges), features, width)
        self.walk = Propagation(len(edges), width, steps)
        self.read = Readout(width)

    def initial(self, kinds: Tensor, items: Tensor) -> Tensor:
        """States (B, N, width) before any garment has heard of another."""
        return torch.tanh(self.enter(items, kinds.clamp(min=0))) * (kinds >= 0)[..., None]

    def forward(self, kinds: Tensor, items: Tensor) -> Tensor:
        present, index = kinds >= 0, kinds.clamp(min=0)
        edges = self.edges[index[:, :, None], index[:, None, :]]
        edges = edges * present[:, :, None] * present[:, None, :]
        return self.read(self.walk(self.initial(kinds, items), index, edges, present), present)


class TwoModalities(nn.Module):
    """NGNN on pictures and NGNN on words: ``PICTURES`` of the first score, the rest of the second.

    ``forward`` returns scores (B,), and how far apart both see the garments, which is added to the
    loss ``APART`` times.
    """

    def __init__(self, pictures: Ngnn, words: Ngnn) -> None:
        super().__init__()
        self.pictures = pictures
        self.words = words

    def forward(self, kinds: Tensor, pictures: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        seen, read = self.pictures(kinds, pictures), self.words(kinds, words)
        apart = self.pictures.initial(kinds, pictures) - self.words.initial(kinds, words)
        there = (kinds >= 0)[..., None].expand_as(apart)
        return PICTURES * seen + (1 - PICTURES) * read, apart[there].square().mean()


class _Tower(nn.Module):
    """Three layers of each category: LeakyReLU, tanh, tanh."""

    def __init__(self, categories: int, cin: int, width: int) -> None:
        super().__init__()
        sizes = (cin, width, width)
        self.layers = nn.ModuleList(PerCategory(categories, n, width, True) for n in sizes)

    def forward(self, x: Tensor, kinds: Tensor) -> Tensor:
        x = F.leaky_relu(self.layers[0](x, kinds), LEAK)
        for layer in list(self.layers)[1:]:
            x = torch.tanh(layer(x, kinds))
        return x


class Ocphn(nn.Module):
    """Hypergraph model: the two garments least alike are keys, which hear all others.

    Takes and returns what ``Ngnn`` does; every outfit must have two garments.
    """

    def __init__(
        self, categories: int, features: int, recipe: HyperRecipe, of_category: int = 2048
    ) -> None:
        """``of_category``: size of the vector learnt for each category."""
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(categories, of_category) * of_category**-0.5)
        self.of_item = _Tower(categories, features, recipe.width)
        self.of_category = _Tower(categories, of_category, recipe.width)
        self.walk = Propagation(categories, 2 * recipe.width, recipe.steps, bias=True)
        self.read = Readout(2 * recipe.width)

    def nodes(self, kinds: Tensor, items: Tensor) -> Tensor:
        """Category's part and garment's part (B, N, 2 width)."""
        index = kinds.clamp(min=0)
        every = torch.arange(len(self.vectors), device=kinds.device)[None]
        told = self.of_category(self.vectors[None], every)[0]  # once, not for every garment
        both = torch.cat([told[index], self.of_item(items, index)], 2)
        return both * (kinds >= 0)[..., None]

    def forward(self, kinds: Tensor, items: Tensor) -> Tensor:
        present = kinds >= 0
        if bool((present.sum(1) < 2).any()):
            raise ValueError("an outfit has fewer than two garments")
        nodes = self.nodes(kinds, items)
        keys = key_pair(nodes.detach(), present)
        others = ~torch.eye(kinds.shape[1], dtype=torch.bool, device=kinds.device)
        edges = present[:, :, None] & keys[:, None, :] & others
        heard = self.walk(nodes, kinds.clamp(min=0), edges.to(nodes.dtype), present)
        return self.read(heard, keys)


def key_pair(nodes: Tensor, present: Tensor) -> Tensor:
    """Where (B, N) the two present nodes (B, N, D) with the smallest product are, bool."""
    n = nodes.shape[1]
    alike = nodes @ nodes.transpose(1, 2)
    pairs = torch.ones(n, n, dtype=torch.bool, device=nodes.device).triu(1)
    able = present[:, :, None] & present[:, None, :] & pairs
    found = alike.masked_fill(~able, torch.inf).flatten(1).argmin(1)
    keys = torch.zeros_like(present)
    keys.scatter_(1, (found // n)[:, None], True)
    return keys.scatter_(1, (found % n)[:, None], True)
