"""How well found boxes match true ones: average precision, recall at a precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.boxes import overlaps

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looked:
    """One picture: found boxes (n, 4) xyxy with scores (n,), true boxes (m, 4), and boxes (k, 4)
    of objects that may be found or not (too small, mostly hidden)."""

    found: F64
    scores: F64
    people: F64
    ignore: F64


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall when results are taken by falling score."""

    scores: F64
    precision: F64
    recall: F64
    people: int

    def average_precision(self) -> float:
        """Area under the curve, precision made falling first (all points, as COCO has at one
        IoU)."""
        envelope = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float(np.sum(np.diff(self.recall, prepend=0.0) * envelope))

    def recall_at(self, precision: float) -> tuple[float, float]:
        """The highest recall reached at this precision or better, and the score to ask for."""
        good = np.flatnonzero(self.precision >= precision)
        if not len(good):
            return 0.0, 1.0
        return float(self.recall[good[-1]]), float(self.scores[good[-1]])


def _judge(look: Looked, least: float) -> npt.NDArray[np.int8]:
    """1 right, 0 wrong, -1 not counted, for each found box; best scores choose first."""
    verdict = np.zeros(len(look.found), np.int8)
    iou, _ = overlaps(look.found, look.people)
    near, within = overlaps(look.found, look.ignore)
    taken = np.zeros(len(look.people), bool)
    for i in np.argsort(-look.scores, kind="stable"):
        free = np.where(taken, 0.0, iou[i])
        best = int(free.argmax()) if len(free) else -1
        if best >= 0 and free[best] >= least:
            taken[best] = True
            verdict[i] = 1
        elif len(look.ignore) and (near[i].max() >= least or within[i].max() >= 0.6):
            verdict[i] = -1
    return verdict


def curve(looks: Sequence[Looked], iou: float = 0.5) -> Curve:
    """Precision and recall over all pictures together."""
    verdicts = [_judge(look, iou) for look in looks]
    scores = np.concatenate([np.zeros(0), *(look.scores for look in looks)])
    marks = np.concatenate([np.zeros(0, np.int8), *verdicts])
    counted = marks >= 0
    scores, marks = scores[counted], marks[counted]
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(marks[order] == 1)
    people = sum(len(look.people) for look in looks)
    precision = right / np.maximum(np.arange(1, len(right) + 1), 1)
    return Curve(scores[order], precision, right / max(people, 1), people)
