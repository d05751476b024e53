"""Outfits of real people in the street: what is worn together against the same with one garment
of another person's, of the same category."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engines.nets.outfits import HyperRecipe, Ngnn, Ocphn, adjacency
from pipeline.picture.colour import NAMES
from training import outfits
from training.outfit_data import Person, load_people
from training.outfits import F32, F64, I64, Outfit, Recipe, Score

#: Share of the people (by group) that is held out.
HELD = 0.2
#: Numbers that are left of a network's features: the directions in which garments differ most.
REDUCED = 32
EPOCHS = 20
BATCH = 64
LR = 3e-3
L2 = 1e-4
#: Widths and steps of NGNN where all garments share their matrices.
SHARED = (24, 1)
#: OCPHN's towers have few outfits to learn from.
SMALL = HyperRecipe(12, 1, LR, L2, averaged=False)
OF_CATEGORY = 16


@dataclass(frozen=True, slots=True)
class Split:
    """Training and held-out people, nobody's near duplicate in the other part, and categories."""

    train: tuple[Person, ...]
    held: tuple[Person, ...]
    names: tuple[str, ...]


def split(people: Sequence[Person], seed: int) -> Split:
    """People by a seed; those held out with a garment of a category that training has not are left
    out."""
    groups = np.unique([one.group for one in people])
    order = np.random.default_rng((seed, 7)).permutation(len(groups))
    held = set(groups[order[: round(HELD * len(groups))]].tolist())
    parts = [[one for one in people if (one.group in held) == wanted] for wanted in (False, True)]
    names = tuple(sorted({name for one in parts[0] for name in one.categories}))
    known = [one for one in parts[1] if set(one.categories) <= set(names)]
    return Split(tuple(parts[0]), tuple(known), names)


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Features less their mean, times a basis."""

    mean: F32
    basis: F32

    def __call__(self, items: F32) -> F32:
        return np.asarray((items - self.mean) @ self.basis, np.float32)


def standard(items: F32) -> Scaled:
    """Every number at mean 0 and spread 1."""
    return Scaled(items.mean(0), np.diag(1 / np.maximum(items.std(0), 1e-3)).astype(np.float32))


def reduced(items: F32) -> Scaled:
    """``REDUCED`` principal components, each at spread 1."""
    mean = items.mean(0)
    _, spread, axes = np.linalg.svd(items - mean, full_matrices=False)
    scale = np.sqrt(len(items)) / np.maximum(spread[:REDUCED], 1e-6)
    return Scaled(mean, np.asarray(axes[:REDUCED].T * scale, np.float32))


def dressed(of: Split, parts: Sequence[str]) -> tuple[list[Outfit], list[Outfit]]:
    """Training and held-out outfits whose features are some of a person's: ``colours``, ``looks``,
    ``alone``."""
    scaled: list[tuple[str, Scaled]] = []
    for part in parts:
        every = np.concatenate([getattr(one, part) for one in of.train]).astype(np.float32)
        scaled.append((part, (reduced if part == "looks" else standard)(every)))

    def outfit(one: Person) -> Outfit:
        items = [scale(getattr(one, part).astype(np.float32)) for part, scale in scaled]
        kinds = np.array([of.names.index(name) for name in one.categories])
        return Outfit(kinds, np.concatenate(items, 1))

    return [outfit(one) for one in of.train], [outfit(one) for one in of.held]


class ColoursTogether:
    """The control that sees names of colours alone: of each garment the most frequent, of features
    that end with the shares of colour names."""

    def __init__(self, train: Sequence[Outfit]) -> None:
        self._control = outfits.Together([self._named(one) for one in train], len(NAMES))

    @staticmethod
    def _named(one: Outfit) -> I64:
        return np.asarray(one.items[:, -len(NAMES) :].argmax(1))

    def __call__(self, many: Sequence[Outfit]) -> F64:
        return np.array([self._control(self._named(one)) for one in many])


class Shared(nn.Module):
    """NGNN that has one kind of node: no garment's category is known, or as a feature alone."""

    def __init__(self, features: int, categories: int) -> None:
        """``categories``: as many as there are, as a feature; 0: unknown."""
        super().__init__()
        self.categories = categories
        edges = np.ones((1, 1), np.float32)
        self.net = Ngnn(edges, features + categories, *SHARED)

    def forward(self, kinds: Tensor, items: Tensor) -> Tensor:
        if self.categories:
            own = nn.functional.one_hot(kinds.clamp(min=0), self.categories).to(items.dtype)
            items = torch.cat([items, own], 2)
        return self.net(kinds.clamp(max=0), items)  # type: ignore[no-any-return]


def trained(net: nn.Module, train: Sequence[Outfit], seed: int) -> Score:
    """Scores by a network trained with same-category swaps."""
    recipe = Recipe(EPOCHS, BATCH, LR, L2, statement="paper", seed=seed)
    for _ in outfits.fit(net, train, outfits.same_category(train), recipe):
        pass
    return lambda many: outfits.scores_of(net, many)


#: Makes a score of training outfits, the number of categories and a seed.
Model = Callable[[Sequence[Outfit], int, int], Score]


def _ngnn(train: Sequence[Outfit], kinds: int, seed: int) -> Score:
    edges = adjacency([one.kinds for one in train], kinds)
    return trained(Ngnn(edges, train[0].items.shape[1]), train, seed)


def _ocphn(train: Sequence[Outfit], kinds: int, seed: int) -> Score:
    return trained(Ocphn(kinds, train[0].items.shape[1], SMALL, OF_CATEGORY), train, seed)


def _shared(train: Sequence[Outfit], kinds: int, seed: int) -> Score:
    return trained(Shared(train[0].items.shape[1], 0), train, seed)


def _told(train: Sequence[Outfit], kinds: int, seed: int) -> Score:
    return trained(Shared(train[0].items.shape[1], kinds), train, seed)


def _categories(train: Sequence[Outfit], kinds: int, seed: int) -> Score:
    control = outfits.Together([one.kinds for one in train], kinds)
    return lambda many: np.array([control(one.kinds) for one in many])


def _names(train: Sequence[Outfit], kinds: int, seed: int) -> Score:
    return ColoursTogether(train)


def models() -> Mapping[str, tuple[Model, tuple[str, ...]]]:
    """What is compared, and what of garments it sees."""
    return {
        "control: categories seen together": (_categories, ("colours",)),
        "control: colour names seen together": (_names, ("colours",)),
        "control: colours, no categories": (_shared, ("colours",)),
        "NGNN, colours": (_ngnn, ("colours",)),
        "OCPHN, colours": (_ocphn, ("colours",)),
        "category as a feature, colours": (_told, ("colours",)),
        "own light: control: colours, no categories": (_shared, ("alone",)),
        "own light: category as a feature, colours": (_told, ("alone",)),
        "fewer: control: colours, no categories": (_shared, ("colours",)),
        "fewer: NGNN, looks": (_ngnn, ("looks",)),
        "fewer: NGNN, looks and colours": (_ngnn, ("looks", "colours")),
        "fewer: no categories, looks": (_shared, ("looks",)),
        "fewer: no categories, looks and colours": (_shared, ("looks", "colours")),
    }


def names() -> tuple[str, ...]:
    """What is measured."""
    return tuple(models())


def measured(name: str, file: Path, seed: int) -> dict[str, float]:
    """FITB and AUC on held-out people, wrong garments of the same category of other people held
    out. ``fewer``: of the people alone whose looks are known."""
    people = load_people(file)
    if name.startswith("fewer"):
        people = [one for one in people if np.isfinite(one.looks).all()]
    of = split(people, seed)
    model, parts = models()[name]
    train, held = dressed(of, parts)
    torch.manual_seed(seed)
    score = model(train, len(of.names), seed)
    rng = np.random.default_rng((seed, 9))
    swap = outfits.same_category(held)
    asked = [one for _ in range(4) for one in outfits.questions(held, swap, rng)]
    return {"FITB": outfits.filled(score, asked), "AUC": outfits.told_apart(score, asked)}
