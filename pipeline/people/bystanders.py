"""People in the picture who are no tracks: too uncertain, outside of the areas that count, taken
for a figure. Nothing is reported of them; their heads are hidden all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from engines.boxes import iou_matrix
from pipeline.picture.heads import head_region
from pipeline.types import Box, Decision, Window

#: Seconds for which somebody counts as there who was searched and not found again.
KEEP_S = 1.0
#: Overlap with a track from which a box is that track's person.
SAME = 0.6
#: Overlap with a newer box from which an older one is the same.
MOVED = 0.3
#: Body heights that somebody may walk in a second, and for how many seconds that is allowed for.
SPEED = 0.8
MOST_S = 0.4

T = TypeVar("T")


@dataclass(slots=True)
class _Seen:
    box: Box
    at: float


class Bystanders:
    """Those of one camera."""

    def __init__(self) -> None:
        self._seen: list[_Seen] = []

    def follow(
        self,
        decision: Decision,
        pts: float,
        found: Sequence[Box],
        tracks: Sequence[Box],
        windows: Sequence[Window] | None,
    ) -> None:
        """Take in a frame: everybody found on it, and who of them is followed."""
        if decision == "detect":
            found = _besides(found, found, tracks, SAME)
            self._seen = self._besides(tracks, SAME)
            for one in self._seen:
                if windows is not None and not any(_touches(one.box, w) for w in windows):
                    one.at = pts  # nothing moved there
            self._seen = self._besides(found, MOVED)
            self._seen += [_Seen(box, pts) for box in found]
        elif decision == "still":
            for one in self._seen:
                one.at = pts
        self._seen = [one for one in self._seen if 0 <= pts - one.at <= KEEP_S]

    def _besides(self, others: Sequence[Box], least: float) -> list[_Seen]:
        return _besides(self._seen, [one.box for one in self._seen], others, least)

    def heads(self, pts: float) -> list[Box]:
        """Where their heads may be at a time in stream seconds."""
        return [head_after(one.box, pts - one.at) for one in self._seen]


def _besides(
    each: Sequence[T], boxes: Sequence[Box], others: Sequence[Box], least: float
) -> list[T]:
    """Those whose boxes overlap by less than ``least`` with each of the others."""
    if not boxes or not others:
        return list(each)
    overlap = iou_matrix(boxes, others).max(axis=1)
    return [one for one, most in zip(each, overlap.tolist(), strict=True) if most < least]


def head_after(box: Box, seconds: float) -> Box:
    """Where somebody's head may be some seconds after they were seen: a step to either side."""
    room = SPEED * min(max(seconds, 0.0), MOST_S) * (box[3] - box[1])
    x0, y0, x1, y1 = head_region(box)
    return x0 - room, y0, x1 + room, y1


def _touches(box: Box, window: Window) -> bool:
    return box[0] < window[2] and window[0] < box[2] and box[1] < window[3] and window[1] < box[3]
