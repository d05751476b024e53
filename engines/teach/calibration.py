"""Scores that mean what they say: a temperature, and how far from the truth scores are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
#: Temperatures that are tried.
GRID = (0.4, 2.5, 85)


def softmax(logits: npt.NDArray[Any], temperature: float = 1.0) -> F64:
    """Probabilities (n, classes) of logits."""
    scaled = np.asarray(logits, np.float64) / temperature
    power = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: F64 = power / power.sum(axis=1, keepdims=True)
    return found


def log_loss(logits: npt.NDArray[Any], classes: npt.NDArray[np.int64], at: float = 1.0) -> float:
    """Mean negative logarithm of what the right classes are given at a temperature."""
    chance = softmax(logits, at)[np.arange(len(classes)), classes]
    return float(-np.log(np.maximum(chance, 1e-12)).mean())


def fit_temperature(logits: npt.NDArray[Any], classes: npt.NDArray[np.int64]) -> float:
    """Temperature of a softmax over (n, classes) logits that makes the right classes likeliest
    (Guo et al., On Calibration of Modern Neural Networks, ICML 2017)."""
    grid = np.linspace(*GRID)
    return float(grid[int(np.argmin([log_loss(logits, classes, t) for t in grid]))])


def reliability(
    chances: F64, classes: npt.NDArray[np.int64], bins: int = 10
) -> list[tuple[float, float, int]]:
    """For each bin of the highest score with a picture in it: mean score, share that is right, and
    how many there are."""
    score, right = chances.max(axis=1), chances.argmax(axis=1) == classes
    place = np.minimum((score * bins).astype(int), bins - 1)
    return [
        (float(score[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in np.unique(place)
    ]


def calibration_error(chances: F64, classes: npt.NDArray[np.int64], bins: int = 10) -> float:
    """Expected calibration error: mean distance of score and share that is right, over bins."""
    rows = reliability(chances, classes, bins)
    return sum(abs(score - right) * count for score, right, count in rows) / len(classes)
