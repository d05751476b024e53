"""The same object from picture to picture: its number, and its size over all looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engines.boxes import iou_matrix
from pipeline.tagging.measures.shape import Measure, State
from pipeline.types import Box

_Floats = npt.NDArray[np.float64]
#: Looks at an object that its size is the mean of, at most; later ones replace none.
MOST_LOOKS = 400
#: Overlap from which a box goes on with an object, and where it has less, the distance of their
#: middles, in the object's longer sides, up to which a box of equal sides does.
_SAME = 0.3
_NEAR = 0.6
#: How much the sides of equal boxes may differ, and how much movements that agree, in sizes.
_EQUAL = 0.12
_AGREE = 0.15
#: Share of the objects that must be found again; fewer, and they all move otherwise than thought.
_ENOUGH = 0.6


@dataclass(slots=True)
class Followed:
    """One object.

    Attributes:
        looks: the clear looks at all of it.
        seen: how many pictures showed it.
        names: what a pack said it is -> sum of the probabilities.
        told: lengths in cm that a pack tells, of the first looks.
    """

    id: int
    box: Box
    at: float
    state: State
    looks: list[Measure] = field(default_factory=list)
    seen: int = 1
    velocity: _Floats | None = None
    names: dict[str, float] = field(default_factory=dict)
    told: list[float] = field(default_factory=list)

    def call(self, name: str, score: float) -> None:
        """Take in what a pack says it is."""
        self.names[name] = self.names.get(name, 0.0) + score

    @property
    def name(self) -> str:
        """What it is by most of what was said; empty where nothing was."""
        return max(self.names, key=self.names.__getitem__, default="")

    def move(self, box: Box, pts: float) -> _Floats:
        """Go on to a box; the pixels a second (2,) by which that is away."""
        gap = max(pts - self.at, 1e-3)
        before, now = (_middles(np.array([one], float))[0] for one in (self.box, box))
        speed = np.asarray((now - before) / gap, float)
        self.velocity = speed if self.velocity is None else (self.velocity + speed) / 2
        self.box, self.at = box, pts
        return speed

    def mean(self, name: str) -> float:
        """Mean of a measure over all clear looks."""
        return float(np.mean([getattr(look, name) for look in self.looks]))

    @property
    def spread_cm(self) -> float:
        """Standard deviation of the length over the looks; 0 of a single one."""
        return float(np.std([look.length_cm for look in self.looks]))


class Follower:
    """The objects of one camera. Positions are in pixels, times in stream seconds.

    What lies on a belt moves alike: an object seen once is expected where that takes it. Before
    anything is known of it, the movement is the one that most pairs of equal boxes agree on.
    """

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._next = 1
        self._flow: _Floats | None = None
        self.objects: list[Followed] = []

    def update(self, found: Sequence[tuple[Box, Measure]], pts: float) -> list[Followed]:
        """Go on with what a picture shows; the objects in it, in the order of ``found``."""
        self.objects = [one for one in self.objects if pts - one.at <= self._lost_s]
        boxes = [box for box, _ in found]
        pairs = self._matched(boxes, pts)
        enough = len(pairs) >= _ENOUGH * min(len(boxes), len(self.objects))
        if self._flow is None or not enough:
            flow = common_flow(self.objects, boxes, pts)
            if flow is not None:
                self._flow = flow
                for one in self.objects:
                    one.velocity = None
                pairs = self._matched(boxes, pts)
        # Whoever is not found may be in one shape with another.
        missing = [
            self._expected(one, pts)
            for i, one in enumerate(self.objects)
            if i not in pairs.values() and one.state == "whole"
        ]
        shown: list[Followed] = []
        moves: list[_Floats] = []
        for i, (box, measured) in enumerate(found):
            state = measured.state
            if state == "whole" and any(_holds(box, other) for other in missing):
                state = "overlapping"
            if i in pairs:
                one = self.objects[pairs[i]]
                moves.append(one.move(box, pts))
                one.state, one.seen = state, one.seen + 1
            else:
                one = Followed(self._next, box, pts, state)
                self._next += 1
                self.objects.append(one)
            if state == "whole" and len(one.looks) < MOST_LOOKS:
                one.looks.append(measured)
            shown.append(one)
        if moves:
            self._flow = np.asarray(np.median(moves, axis=0), float)
        return shown

    def _expected(self, one: Followed, pts: float) -> Box:
        speed = one.velocity if one.velocity is not None else self._flow
        if speed is None:
            return one.box
        dx, dy = (float(v) * (pts - one.at) for v in speed)
        x0, y0, x1, y1 = one.box
        return x0 + dx, y0 + dy, x1 + dx, y1 + dy

    def _matched(self, boxes: Sequence[Box], pts: float) -> dict[int, int]:
        """Index of a found box -> index of the object it is, best first, each used once."""
        expected = [self._expected(one, pts) for one in self.objects]
        if not expected or not boxes:
            return {}
        old, new = np.array(expected, float), np.array(boxes, float)
        overlap = np.asarray(iou_matrix(expected, list(boxes)), float)
        reach = _NEAR * np.maximum((old[:, 2:] - old[:, :2]).max(1), 1)[:, None]
        apart = np.hypot(*(_middles(old)[:, None] - _middles(new)[None]).transpose(2, 0, 1)) / reach
        alike = _alike(old, new)
        likeness = np.where(
            overlap >= _SAME, 1 + overlap, np.where(alike & (apart < 1), 1 - apart, 0)
        )
        pairs: dict[int, int] = {}
        while likeness.max() > 0:
            i, j = np.unravel_index(int(likeness.argmax()), likeness.shape)
            pairs[int(j)] = int(i)
            likeness[i, :] = likeness[:, j] = 0
        return pairs


def common_flow(objects: Sequence[Followed], boxes: Sequence[Box], pts: float) -> _Floats | None:
    """Pixels a second (2,) by which most boxes have moved on, if at least two agree; of several
    ways, the slowest."""
    if len(objects) < 2 or len(boxes) < 2:
        return None
    old, new = np.array([one.box for one in objects], float), np.array(boxes, float)
    gaps = np.maximum(pts - np.array([one.at for one in objects]), 1e-3)[:, None, None]
    speeds = ((_middles(new)[None] - _middles(old)[:, None]) / gaps)[_alike(old, new)]
    if len(speeds) < 2:
        return None
    size = np.median((old[:, 2:] - old[:, :2]).max(1))
    near = (
        np.hypot(*(speeds[:, None] - speeds[None]).transpose(2, 0, 1)) < _AGREE * size / gaps.min()
    )
    votes = near.sum(1) - 1e-6 * np.hypot(*speeds.T) / max(float(np.abs(speeds).max()), 1e-9)
    best = int(votes.argmax())
    return np.asarray(speeds[near[best]].mean(0), float) if votes[best] >= 1.5 else None


def _middles(boxes: _Floats) -> _Floats:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _alike(old: _Floats, new: _Floats) -> npt.NDArray[np.bool_]:
    """Which boxes (N, 4) and (M, 4) are of equal width and height, nearly: (N, M)."""
    one, other = (boxes[:, 2:] - boxes[:, :2] for boxes in (old, new))
    apart = np.abs(one[:, None] - other[None])
    return np.asarray((apart < 4 + _EQUAL * np.maximum(one[:, None], other[None])).all(2))


def _holds(box: Box, other: Box) -> bool:
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
