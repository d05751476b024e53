"""The same object from picture to picture: its number, and its size over all looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.boxes import iou_matrix
from pipeline.tagging.measures.shape import Measure, State
from pipeline.types import Box

#: Looks at an object that its size is the mean of, at most; later ones replace none.
MOST_LOOKS = 400
#: Overlap from which a box goes on with an object, and where it has none, the distance of their
#: middles, in the object's longer sides.
_SAME = 0.15
_NEAR = 0.6


@dataclass(slots=True)
class Followed:
    """One object.

    Attributes:
        looks: the clear looks at all of it.
        seen: how many pictures showed it.
    """

    id: int
    box: Box
    at: float
    state: State
    looks: list[Measure] = field(default_factory=list)
    seen: int = 1
    velocity: tuple[float, float] = (0.0, 0.0)

    def expected(self, pts: float) -> Box:
        """Where it should be by now."""
        dx, dy = (speed * (pts - self.at) for speed in self.velocity)
        x0, y0, x1, y1 = self.box
        return x0 + dx, y0 + dy, x1 + dx, y1 + dy

    def mean(self, name: str) -> float:
        """Mean of a measure over all clear looks."""
        return float(np.mean([getattr(look, name) for look in self.looks]))

    @property
    def spread_cm(self) -> float:
        """Standard deviation of the length over the looks; 0 of a single one."""
        return float(np.std([look.length_cm for look in self.looks]))


class Follower:
    """The objects of one camera. Positions are in pixels, times in stream seconds."""

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._next = 1
        self.objects: list[Followed] = []

    def update(self, found: Sequence[tuple[Box, Measure]], pts: float) -> list[Followed]:
        """Go on with what a picture shows; the objects in it, in the order of ``found``."""
        self.objects = [one for one in self.objects if pts - one.at <= self._lost_s]
        expected = [one.expected(pts) for one in self.objects]
        pairs = _pairs(expected, [box for box, _ in found])
        shown: list[Followed] = []
        for i, (box, measured) in enumerate(found):
            state = measured.state
            inside = [e for e in expected if _holds(box, e)]
            if len(inside) > 1 and state == "whole":  # two that were apart are one shape now
                state = "overlapping"
            if i in pairs:
                one = self.objects[pairs[i]]
                self._move(one, box, pts)
                one.state, one.seen = state, one.seen + 1
            else:
                one = Followed(self._next, box, pts, state)
                self._next += 1
                self.objects.append(one)
            if state == "whole" and len(one.looks) < MOST_LOOKS:
                one.looks.append(measured)
            shown.append(one)
        return shown

    @staticmethod
    def _move(one: Followed, box: Box, pts: float) -> None:
        gap = max(pts - one.at, 1e-3)
        dx, dy = ((box[i] + box[i + 2] - one.box[i] - one.box[i + 2]) / 2 / gap for i in (0, 1))
        keep = 0.5 if one.seen > 1 else 0.0
        one.velocity = (
            keep * one.velocity[0] + (1 - keep) * dx,
            keep * one.velocity[1] + (1 - keep) * dy,
        )
        one.box, one.at = box, pts


def _holds(box: Box, other: Box) -> bool:
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _pairs(expected: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Index of a found box -> index of an expected one, best first, each used once."""
    if not expected or not found:
        return {}
    likeness = np.asarray(iou_matrix(expected, found), float)
    old, new = np.array(expected), np.array(found)
    middles = (old[:, None, :2] + old[:, None, 2:] - new[None, :, :2] - new[None, :, 2:]) / 2
    apart = (
        np.hypot(middles[..., 0], middles[..., 1])
        / np.maximum((old[:, 2:] - old[:, :2]).max(1), 1)[:, None]
    )
    likeness = np.where(likeness >= _SAME, 1 + likeness, np.where(apart < _NEAR, 1 - apart, 0))
    pairs: dict[int, int] = {}
    while likeness.max() > 0:
        i, j = np.unravel_index(int(likeness.argmax()), likeness.shape)
        pairs[int(j)] = int(i)
        likeness[i, :] = likeness[:, j] = 0
    return pairs
