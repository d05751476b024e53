"""How right tags and their scores are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Pairs = Iterable[tuple[set[str], set[str]]]


def micro_f1(pairs: Pairs) -> float:
    """Micro-averaged F1 of (said, true) tag sets, one pair a picture; 1 if all are empty."""
    hits = wrong = missed = 0
    for said, true in pairs:
        hits += len(said & true)
        wrong += len(said - true)
        missed += len(true - said)
    every = 2 * hits + wrong + missed
    return 2 * hits / every if every else 1.0


def expected_calibration_error(
    scores: npt.ArrayLike, right: npt.ArrayLike, bins: int = 10
) -> float:
    """Mean distance of score and share of right answers over equal bins of the score, weighted by
    count (Guo et al., ICML 2017, section 2); 0 for no scores."""
    score, hit = np.asarray(scores, np.float64).ravel(), np.asarray(right, np.float64).ravel()
    if not len(score):
        return 0.0
    index = np.minimum((score * bins).astype(int), bins - 1)
    gap = np.abs(np.bincount(index, score, bins) - np.bincount(index, hit, bins))
    return float(gap.sum() / len(score))
