"""Training and questions of outfit models: which garment fits, and which outfit is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engines.nets.outfits import Statement, penalty, preference

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Rng = np.random.Generator
#: Wrong answers to a question, beside the right one.
WRONG = 3


@dataclass(frozen=True, slots=True, eq=False)
class Outfit:
    """Garments worn together: categories int64 (n,), features float32 (n, D)."""

    kinds: I64
    items: F32

    def swapped(self, place: int, kind: int, item: F32) -> Outfit:
        """The same with another garment in one place."""
        kinds, items = self.kinds.copy(), self.items.copy()
        kinds[place], items[place] = kind, item
        return Outfit(kinds, items)


#: Another garment, category and features, for a place of an outfit.
Swap = Callable[[Outfit, int, Rng], tuple[int, F32]]
#: Scores (n,) of outfits.
Score = Callable[[Sequence[Outfit]], F64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data and the net."""

    epochs: int
    batch: int
    lr: float
    l2: float
    averaged: bool = False
    statement: Statement = "code"
    seed: int = 0


def packed(outfits: Sequence[Outfit]) -> tuple[Tensor, Tensor]:
    """Categories (B, N), -1 beyond the last garment, and features (B, N, D)."""
    most = max(len(one.kinds) for one in outfits)
    kinds = np.full((len(outfits), most), -1, np.int64)
    items = np.zeros((len(outfits), most, outfits[0].items.shape[1]), np.float32)
    for i, one in enumerate(outfits):
        kinds[i, : len(one.kinds)], items[i, : len(one.kinds)] = one.kinds, one.items
    return torch.from_numpy(kinds), torch.from_numpy(items)


def fit(net: nn.Module, outfits: Sequence[Outfit], swap: Swap, recipe: Recipe) -> Iterator[float]:
    """Train a net to score outfits above the same with one garment swapped; yields the mean loss of
    every epoch."""
    rng = np.random.default_rng((recipe.seed, 1))
    optimizer = torch.optim.Adam(net.parameters(), recipe.lr)
    net.train()
    for _ in range(recipe.epochs):
        losses = []
        order = rng.permutation(len(outfits))
        for start in range(0, len(order), recipe.batch):
            better = [outfits[i] for i in order[start : start + recipe.batch]]
            worse = [other(one, swap, rng) for one in better]
            scores = net(*packed([*better, *worse]))
            half = len(better)
            loss = preference(scores[:half], scores[half:], recipe.statement)
            loss = loss + recipe.l2 * penalty(net, recipe.averaged)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        yield float(np.mean(losses))
    net.eval()


def other(one: Outfit, swap: Swap, rng: Rng) -> Outfit:
    """An outfit with one garment swapped."""
    place = int(rng.integers(len(one.kinds)))
    return one.swapped(place, *swap(one, place, rng))


@torch.no_grad()
def scores_of(net: nn.Module, outfits: Sequence[Outfit], batch: int = 512) -> F64:
    """Scores (n,) by a net."""
    net.eval()
    parts = (outfits[i : i + batch] for i in range(0, len(outfits), batch))
    return np.concatenate([net(*packed(part)).double().numpy() for part in parts])


def any_category(categories: int, weights: F64 | None = None) -> Swap:
    """A garment of a category the outfit has not, all as likely, or by ``weights``; its only
    feature is 1."""

    def swap(one: Outfit, place: int, rng: Rng) -> tuple[int, F32]:
        while True:
            kind = int(rng.integers(categories) if weights is None
                       else np.searchsorted(cumulated, rng.random()))  # fmt: skip
            if kind not in one.kinds:
                return kind, np.ones(1, np.float32)

    cumulated = np.cumsum(weights if weights is not None else [1.0])
    cumulated[-1] = 1.0
    return swap


def same_category(outfits: Sequence[Outfit]) -> Swap:
    """A garment of the same category from another of some outfits; of a category only one of them
    has, its own."""
    worn: dict[int, list[F32]] = {}
    for one in outfits:
        for kind, item in zip(one.kinds.tolist(), one.items, strict=True):
            worn.setdefault(kind, []).append(item)
    known: Mapping[int, F32] = {kind: np.stack(items) for kind, items in worn.items()}

    def swap(one: Outfit, place: int, rng: Rng) -> tuple[int, F32]:
        kind = int(one.kinds[place])
        items = known[kind]
        item = items[rng.integers(len(items))]
        for _ in range(20):
            if not np.array_equal(item, one.items[place]):
                break
            item = items[rng.integers(len(items))]
        return kind, item

    return swap


def wholly(swap: Swap) -> Callable[[Outfit, Rng], Outfit]:
    """Every garment swapped, one after the other."""

    def whole(one: Outfit, rng: Rng) -> Outfit:
        for place in range(len(one.kinds)):
            one = one.swapped(place, *swap(one, place, rng))
        return one

    return whole


def questions(outfits: Sequence[Outfit], swap: Swap, rng: Rng) -> list[list[Outfit]]:
    """Of each outfit, itself and ``WRONG`` others, each with another garment in one place."""
    found = []
    for one in outfits:
        place = int(rng.integers(len(one.kinds)))
        wrong = [one.swapped(place, *swap(one, place, rng)) for _ in range(WRONG)]
        found.append([one, *wrong])
    return found


def filled(score: Score, asked: Sequence[Sequence[Outfit]]) -> float:
    """Share of questions whose first answer scores highest; among equals, its chance."""
    scores = score([one for answers in asked for one in answers]).reshape(len(asked), -1)
    best = scores >= scores.max(1, keepdims=True) - 1e-12
    return float((best[:, 0] / best.sum(1)).mean())


def area(real: F64, made: F64) -> float:
    """Area under the ROC curve: how often a real one scores above a made one; equals count half."""
    ordered = np.sort(made)
    below = np.searchsorted(ordered, real, "left") + np.searchsorted(ordered, real, "right")
    return float(below.mean() / (2 * len(made)))


def told_apart(score: Score, asked: Sequence[Sequence[Outfit]]) -> float:
    """Area under the ROC curve of the first answers against the second ones."""
    return area(score([one[0] for one in asked]), score([one[1] for one in asked]))


class Together:
    """The control that sees categories alone: mean logarithm of how often each is seen with each
    other, of all times it is seen, counts plus 0.5 and 1."""

    def __init__(self, outfits: Sequence[I64], categories: int) -> None:
        together, seen = np.zeros((categories, categories)), np.zeros(categories)
        for own in outfits:
            seen[np.unique(own)] += 1
            together[np.ix_(own, own)] += 1
        self.log = np.log((together + 0.5) / (seen + 1)[:, None])

    def __call__(self, kinds: I64) -> float:
        pairs = ~np.eye(len(kinds), dtype=bool)
        return float(self.log[np.ix_(kinds, kinds)][pairs].mean())
