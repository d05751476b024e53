"""What lies around in a picture, on no person: signs, shelves, bags set down.

A camera's picture is cut into tiles, one of which is looked at every so often, in turn. Something
seen at the same place again is reported; once it is gone when its tile is looked at again, with
nobody in front of it, it is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from engines.boxes import overlaps
from pipeline.picture.crop import middle_in
from pipeline.types import Box, Frame, Tag, Window

#: Height of small tiles as a share of the picture's; large ones are as high as the picture.
SMALL = 0.6
#: How much wider than large tiles a window around all of the picture must be to show more.
WIDER = 1.5
#: Share of a tile that its neighbour shows as well.
OVERLAP = 1 / 6
#: Overlap from which two sightings of a label are one thing.
SAME_PLACE = 0.3
#: Share of a thing inside of another from which it is a part of that.
PART = 0.8
#: Looks at its tile in a row without it after which something is gone.
MISSED = 3


def tiles(width: int, height: int, size: tuple[int, int]) -> list[Window]:
    """Windows of the aspect ratio of ``size`` that cover a picture, large ones first: the whole
    picture at two scales, for what fills it, and tiles."""
    whole = min(width / size[0], height / size[1])
    around = max(width / size[0], height / size[1])
    wider = [scale for scale in (2 * around, around) if scale > WIDER * whole]
    return [
        (x, y, x + round(size[0] * scale), y + round(size[1] * scale))
        for scale in (*wider, whole, SMALL * whole)
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
    """A tag at its place, the tile that showed it, how often it was and was not there."""

    tag: Tag
    tile: Box
    seen: int = 1
    missed: int = 0


class Rota:
    """The tiles of one camera in turn, and what was seen on them.

    ``tile_s`` are the seconds between two tiles, ``looks`` the sightings before a tag is reported.
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
        """The tags that are reported."""
        return settled([place.tag for place in self._places if place.seen >= self._looks])

    def due(self, frame: Frame, shape: tuple[int, int], slowdown: float = 1.0) -> Window | None:
        """The tile of a frame to look at now, if it is time; tiles have the proportions of
        ``shape`` (width, height)."""
        size = (frame.width, frame.height)
        if size != self._size or frame.pts < self._at:  # another picture, or the stream began anew
            self._size, self._tiles, self._next = size, tiles(*size, shape), 0
            self._places.clear()
            self._at = -inf
        if frame.pts - self._at < self._tile_s * slowdown:
            return None
        self._at = frame.pts
        self._next = (self._next + 1) % len(self._tiles)
        return self._tiles[self._next - 1]

    def saw(self, tile: Box, tags: Sequence[Tag], people: Sequence[Box]) -> None:
        """Take in what a tile shows; tags on ``people`` are theirs, places behind them unknown."""
        loose = [tag for tag in tags if not _covered(tag, people)]
        for tag in loose:
            self._add(tag, tile)
        for place in self._places:
            hidden = place.tile != tile or _covered(place.tag, people)
            if not hidden and not any(same_thing(place.tag, tag) for tag in loose):
                place.missed += 1
        self._places = [place for place in self._places if place.missed < MISSED]

    def _add(self, tag: Tag, tile: Box) -> None:
        """A sighting; parts of one thing that were taken for several are one from then on."""
        same = [place for place in self._places if same_thing(place.tag, tag)]
        seen = max((place.seen for place in same), default=0) + 1
        here = _Place(tag, tile, seen)
        at = next((i for i, place in enumerate(self._places) if place in same), len(self._places))
        rest = [place for place in self._places if place not in same]
        self._places = [*rest[:at], here, *rest[at:]]


def _covered(tag: Tag, people: Sequence[Box]) -> bool:
    return any(middle_in(tag.box, box) for box in people)


def settled(tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """Tags without those that contradict a surer one of their kind: another label for a thing at
    the same place, or for a part of it."""
    return tuple(tag for tag in tags if not any(_refuted(tag, other) for other in tags))


def _refuted(tag: Tag, other: Tag) -> bool:
    return (
        tag.kind == other.kind
        and tag.label != other.label
        and tag.outlined
        and other.outlined
        and tag.score < other.score
        and _same_place(tag.box, other.box)
    )


def same_thing(one: Tag, other: Tag) -> bool:
    """Whether two sightings are one thing, or one of them a part of it: tiles cut things, and find
    letters of a word beside the word."""
    return one.label == other.label and _same_place(one.box, other.box)


def _same_place(one: Box, other: Box) -> bool:
    """Whether two boxes show the same, or one a part of the other."""
    iou, inside = (shares[0, 0] for shares in overlaps([one], [other]))
    around = overlaps([other], [one])[1][0, 0]
    return bool(iou >= SAME_PLACE or max(inside, around) >= PART)
