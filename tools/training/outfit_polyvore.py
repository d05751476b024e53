"""Outfits of Polyvore, which has no pictures: what categories alone say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engines.nets.outfits import Ngnn, Ocphn, Statement, adjacency, hyper_recipe
from training import outfits
from training.outfit_data import polyvore
from training.outfits import I64, Outfit, Recipe, Score, Swap

CATEGORIES = 120
#: Outfits a step, and epochs: the published ones are 16 and 80, and take days on one core.
BATCH = 256
EPOCHS = 6
#: OCPHN's learning rate for batches 16 times as large: the square root of that.
FASTER = 4
#: Size of the vector OCPHN learns for a category: published 2048, as many as features of pictures.
OF_CATEGORY = 64


def _bare(kinds: I64) -> Outfit:
    return Outfit(kinds, np.ones((len(kinds), 1), np.float32))


def _nets(train: list[I64], seed: int) -> Mapping[str, Callable[[], tuple[nn.Module, Recipe]]]:
    """Models by name. A garment's only feature is 1, so that a category's own matrix is a vector
    learnt for it."""
    edges = adjacency(train, CATEGORIES)

    def ngnn(statement: Statement) -> tuple[nn.Module, Recipe]:
        return Ngnn(edges, 1), Recipe(EPOCHS, BATCH, 6e-3, 1e-5, statement=statement, seed=seed)

    def ocphn(statement: Statement) -> tuple[nn.Module, Recipe]:
        stated = hyper_recipe(statement)
        lr = stated.lr * FASTER
        recipe = Recipe(EPOCHS, BATCH, lr, stated.l2, stated.averaged, statement, seed)
        return Ocphn(CATEGORIES, 1, stated, OF_CATEGORY), recipe

    return {
        "NGNN, paper": lambda: ngnn("paper"),
        "NGNN, code": lambda: ngnn("code"),
        "OCPHN, paper": lambda: ocphn("paper"),
        "OCPHN, code": lambda: ocphn("code"),
    }


def names() -> tuple[str, ...]:
    """What is measured."""
    return ("categories seen together", *_nets([], 0))


def measured(name: str, folder: Path, seed: int) -> dict[str, float]:
    """FITB and AUC of one model on the test outfits, by where wrong garments come from."""
    train, test = polyvore(folder)
    worn = np.bincount(np.concatenate(train), minlength=CATEGORIES).astype(float)
    anything = outfits.any_category(CATEGORIES)
    frequent = outfits.any_category(CATEGORIES, worn / worn.sum())
    torch.manual_seed(seed)
    if name not in _nets([], 0):
        control = outfits.Together(train, CATEGORIES)
        return _figures(
            lambda many: np.array([control(one.kinds) for one in many]),
            [_bare(kinds) for kinds in test], (anything, frequent), seed,
        )  # fmt: skip
    net, recipe = _nets(train, seed)[name]()
    for _ in outfits.fit(net, [_bare(kinds) for kinds in train], anything, recipe):
        pass
    return _figures(
        lambda many: outfits.scores_of(net, many),
        [_bare(kinds) for kinds in test], (anything, frequent), seed,
    )  # fmt: skip


def _figures(
    score: Score, test: list[Outfit], swaps: tuple[Swap, Swap], seed: int
) -> dict[str, float]:
    rng = np.random.default_rng((seed, 9))
    found = {}
    for name, swap in zip(("any category", "frequent ones"), swaps, strict=True):
        asked = outfits.questions(test, swap, rng)
        found[f"FITB, {name}"] = outfits.filled(score, asked)
        found[f"AUC, one, {name}"] = outfits.told_apart(score, asked)
    whole = outfits.wholly(swaps[0])
    replaced = [[one, whole(one, rng)] for one in test]
    found["AUC, all, any category"] = outfits.told_apart(score, replaced)
    same = outfits.questions(test, outfits.same_category(test), rng)
    found["FITB, same category"] = outfits.filled(score, same)
    found["AUC, one, same category"] = outfits.told_apart(score, same)
    return found
