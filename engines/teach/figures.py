"""How well something was learnt, counted on pictures that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.teach.calibration import calibration_error, softmax
from engines.teach.lesson import Indices

#: Pictures a class has at least to count as head, and as middle; those with fewer are the tail.
HEAD = 100
MIDDLE = 20
#: Deviations of a normal distribution about which 95 % lie.
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Figures:
    """Of pictures held out.

    Attributes:
        accuracy: share of pictures whose likeliest class is right.
        low, high: 95 % interval of that share (``wilson``).
        balanced: mean over classes of the share that is right.
        calibration: expected calibration error of the scores.
        confusion: (classes, classes), true by told.
        count: pictures.
    """

    accuracy: float
    low: float
    high: float
    balanced: float
    calibration: float
    confusion: npt.NDArray[np.int64]
    count: int

    @property
    def recalls(self) -> npt.NDArray[np.float64]:
        """Share of each class's pictures that are right; NaN where none was held out."""
        sizes = self.confusion.sum(axis=1)
        return np.where(sizes > 0, self.confusion.diagonal() / np.maximum(sizes, 1), np.nan)


def figures(logits: npt.NDArray[np.float32], classes: Indices, temperature: float) -> Figures:
    """Figures of logits (n, classes) at a temperature."""
    chances = softmax(logits, temperature)
    told = chances.argmax(axis=1)
    confusion = np.zeros((chances.shape[1],) * 2, np.int64)
    np.add.at(confusion, (classes, told), 1)
    right = told == classes
    sizes = confusion.sum(axis=1)
    balanced = float((confusion.diagonal()[sizes > 0] / sizes[sizes > 0]).mean())
    return Figures(
        float(right.mean()),
        *wilson(int(right.sum()), len(right)),
        balanced=balanced,
        calibration=calibration_error(chances, classes),
        confusion=confusion,
        count=len(right),
    )


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share, of ``right`` of ``count`` (Wilson, Probable Inference, the Law of
    Succession, and Statistical Inference, JASA 1927): unlike a standard error it is no point where
    all are right, or none."""
    share, more = right / count, _Z**2 / count
    middle = (share + more / 2) / (1 + more)
    off = _Z * np.sqrt(share * (1 - share) / count + more / count / 4) / (1 + more)
    return float(max(middle - off, 0.0)), float(min(middle + off, 1.0))


def by_frequency(
    recalls: Sequence[float] | npt.NDArray[np.float64], learnt: Sequence[int] | Indices
) -> dict[str, tuple[float, int]]:
    """Mean recall, and number of classes, of the head, the middle and the tail: classes with at
    least ``HEAD``, at least ``MIDDLE`` and fewer pictures to learn from (the parts of Liu et al.,
    Large-Scale Long-Tailed Recognition in an Open World, CVPR 2019)."""
    sizes, found = np.asarray(learnt), np.asarray(recalls, float)
    parts = {
        "head": sizes >= HEAD,
        "middle": (sizes < HEAD) & (sizes >= MIDDLE),
        "tail": sizes < MIDDLE,
    }
    return {
        name: (float(found[own & ~np.isnan(found)].mean()), int((own & ~np.isnan(found)).sum()))
        for name, own in parts.items()
        if (own & ~np.isnan(found)).any()
    }


def gain(
    one: npt.NDArray[np.float32], other: npt.NDArray[np.float32], classes: Indices
) -> tuple[float, float]:
    """By how much more often ``one`` is right than ``other`` on the same pictures, and the standard
    error of that paired difference."""
    right = [(logits.argmax(axis=1) == classes).astype(float) for logits in (one, other)]
    difference = right[0] - right[1]
    return float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))
