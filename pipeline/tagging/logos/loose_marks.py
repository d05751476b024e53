"""Brand marks that belong to nobody: on signs, shelves and bags set down.

A camera's picture is cut into tiles, one of which is looked at every so often, in turn. A mark seen
at the same place again is said; one that is gone when its tile is looked at again, with nobody in
front of it, is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from pipeline.picture.crop import middle_in
from pipeline.picture.yuv import Window
from pipeline.tagging.parsing import iou_matrix
from pipeline.types import Box, Tag

#: Height of small tiles as a share of the picture's; large ones are as high as the picture.
SMALL = 0.6
#: Share of a tile that its neighbour shows as well.
OVERLAP = 1 / 6
#: Overlap from which two sightings of a brand are one mark.
SAME = 0.3
#: Looks at its tile in a row without a mark after which it is gone.
MISSED = 3


def tiles(width: int, height: int, size: tuple[int, int]) -> list[Window]:
    """Windows of the aspect ratio of ``size`` that cover a picture, large ones first."""
    whole = min(width / size[0], height / size[1])
    return [
        (x, y, x + round(size[0] * scale), y + round(size[1] * scale))
        for scale in (whole, SMALL * whole)
        for y in _starts(height, size[1] * scale)
        for x in _starts(width, size[0] * scale)
    ]


def _starts(length: int, side: float) -> list[int]:
    """Where tiles of a side begin, evenly spread from the first pixel to the last."""
    room = length - side
    count = ceil(max(room, 0) / (side * (1 - OVERLAP)) - 1e-6)
    return [round(room * i / count) for i in range(count + 1)] if count else [round(room / 2)]


@dataclass(slots=True)
class _Place:
    """A mark at its place, the tile that showed it, how often it was and was not there."""

    tag: Tag
    tile: Window
    seen: int = 1
    missed: int = 0


class Standing:
    """The marks of one camera that belong to nobody.

    ``tile_s`` are the seconds between two tiles, ``looks`` the sightings before a mark is said.
    """

    def __init__(self, tile_s: float, looks: int) -> None:
        self._tile_s = tile_s
        self._looks = looks
        self._size = (0, 0)
        self._tiles: list[Window] = []
        self._next = 0
        self._at = -inf
        self._places: list[_Place] = []

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The marks that are said."""
        return tuple(place.tag for place in self._places if place.seen >= self._looks)

    def due(
        self, pts: float, size: tuple[int, int], shape: tuple[int, int], stretch: float = 1.0
    ) -> Window | None:
        """The tile to look at now, if it is time: for a picture of ``size`` and a detector's input
        of ``shape``, both (width, height)."""
        if size != self._size or pts < self._at:
            self._size, self._tiles, self._next = size, tiles(*size, shape), 0
            self._places.clear()
            self._at = -inf
        if pts - self._at < self._tile_s * stretch:
            return None
        self._at = pts
        self._next = (self._next + 1) % len(self._tiles)
        return self._tiles[self._next - 1]

    def saw(self, tile: Window, tags: Sequence[Tag], people: Sequence[Box]) -> None:
        """Take in what a tile shows; marks on ``people`` are theirs, places behind them unknown."""
        loose = [tag for tag in tags if not _covered(tag, people)]
        for tag in loose:
            self._add(tag, tile)
        for place in self._places:
            hidden = place.tile != tile or _covered(place.tag, people)
            if not hidden and not any(same_mark(place.tag, tag) for tag in loose):
                place.missed += 1
        self._places = [place for place in self._places if place.missed < MISSED]

    def _add(self, tag: Tag, tile: Window) -> None:
        for place in self._places:
            if same_mark(place.tag, tag):
                place.tag, place.tile, place.missed = tag, tile, 0
                place.seen += 1
                return
        self._places.append(_Place(tag, tile))


def _covered(tag: Tag, people: Sequence[Box]) -> bool:
    return any(middle_in(tag.box, box) for box in people)


def same_mark(one: Tag, other: Tag) -> bool:
    """Whether two sightings are one mark."""
    return one.label == other.label and iou_matrix([one.box], [other.box])[0, 0] >= SAME
