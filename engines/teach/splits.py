"""Who is learnt from and who is held back."""

from __future__ import annotations

import numpy as np

from engines.teach.lesson import Indices


def folds(classes: Indices, together: Indices, count: int, seed: int) -> Indices:
    """A fold (0 to ``count`` - 1) for each picture.

    Every class is spread evenly; pictures with the same number in ``together`` share a fold. The
    largest groups are placed first, each where its classes are rarest so far.
    """
    rng = np.random.default_rng(seed)
    members: dict[int, list[int]] = {}
    for i in rng.permutation(len(classes)).tolist():
        members.setdefault(int(together[i]), []).append(i)
    held = np.zeros((count, int(classes.max()) + 1), np.int64)
    found = np.zeros(len(classes), np.int64)
    for own in sorted(members.values(), key=len, reverse=True):  # stable: the order stays random
        kinds = classes[own]
        crowded = held[:, kinds].sum(axis=1)
        total = held.sum(axis=1)
        best = np.lexsort((rng.random(count), total, crowded))[0]
        found[own] = best
        np.add.at(held[best], kinds, 1)
    return found


def draws(classes: Indices, count: int, power: float, rng: np.random.Generator) -> Indices:
    """Indices of ``count`` pictures to learn from, drawn class by class.

    A class is drawn in proportion to its size to the power of ``power``: 1 as pictures are, 0 every
    class alike, 0.5 between (Mahajan et al., Exploring the Limits of Weakly Supervised Pretraining,
    ECCV 2018, section 2.2). Within a class nothing comes twice before everything came once.
    """
    sizes = np.bincount(classes)
    share = np.where(sizes > 0, sizes.astype(float) ** power, 0.0)
    kinds = rng.choice(len(sizes), count, p=share / share.sum())
    found = np.empty(count, np.int64)
    for kind in np.unique(kinds):
        places = np.flatnonzero(kinds == kind)
        own = np.flatnonzero(classes == kind)
        rounds = [rng.permutation(own) for _ in range(-(-len(places) // len(own)))]
        found[places] = np.concatenate(rounds)[: len(places)]
    return found


def hash_share(text: str) -> float:
    """A number from 0 to 1, always the same for a text."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return (value * 2654435761 % 2**32) / 2**32
