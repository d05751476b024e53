"""Reading brand marks: where on a crop, and which brand of the gallery each is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.packs import Pack
from pipeline.picture.crop import clip_box, crops, middle_in, person_window
from pipeline.tagging.logos.colours import seen_hues
from pipeline.tagging.logos.decision import Level, View
from pipeline.tagging.logos.exemplars import ROOM
from pipeline.tagging.logos.finder import Finder
from pipeline.tagging.logos.gallery import Gallery, Match, open_gallery
from pipeline.tagging.logos.gallery_file import F32, GalleryError
from pipeline.tagging.logos.lettering import NAME, Lettering, folded
from pipeline.tagging.logos.lettering import WIDE as WIDE_LINE
from pipeline.types import Box, Frame, Rgb, Window

#: Probability from which a mark is looked at again, cut tighter and wider: what nearly is a brand.
PROMISING = 0.05
#: Sides of those crops against that of the first.
AGAIN = (0.9, 1.12, 1.25)
#: Side of the closer look at somebody's breast against that at all of them.
CLOSER = 0.6
#: Height of its middle on them.
BREAST = 0.35
#: Width of somebody against their height from which they are close: seen in part, or from nearby.
WIDE = 0.5
#: Words read at a look, the surest first, beside those whose looks say a brand: one takes as long
#: as embedding several marks.
MOST_READ = 1
#: Height in pixels from which letters can be read.
LEAST_LINE = 8
#: Seconds between two looks at whether the gallery was changed.
ASKED_S = 2.0

log = logging.getLogger("threadline.logos")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a look: the detector's least score, and how sure a brand must be."""

    score: float = 0.3
    level: Level = "normal"


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark found: its box in frame pixels, how sure it is one, and whose it is."""

    box: Box
    score: float
    match: Match


class LogoReader:
    """Finds and recognises marks in full resolution: on people by one finder, on tiles of the
    picture by another, or by the same where no other is given."""

    def __init__(
        self,
        people: Finder,
        embedder: Embedder,
        gallery: Gallery,
        lettering: Lettering | None = None,
        tiles: Finder | None = None,
    ) -> None:
        self.people = people
        self.tiles = tiles or people
        self.embedder = embedder
        self.gallery = gallery
        self.lettering = lettering
        self._state = gallery.state()
        self._asked = -inf

    @property
    def model(self) -> str:
        """Name of the model that recognises."""
        return self.embedder.pack.name

    @property
    def empty(self) -> bool:
        """Whether the gallery has no brand."""
        return not self.gallery.names

    def refresh(self, now: float) -> None:
        """Read the gallery again if it changed; a damaged one is logged, and the old one kept."""
        if now - self._asked < ASKED_S:
            return
        self._asked = now
        state = self.gallery.state()
        if state == self._state:
            return
        self._state = state
        try:
            self.gallery = open_gallery(self.gallery.folder, self.embedder.pack)
            log.warning("gallery read again: %d brands", len(self.gallery.names))
        except GalleryError as error:
            log.warning("%s; going on with the brands from before", error)

    def read(self, frame: Frame, windows: Sequence[Window], ask: Ask) -> list[Mark]:
        """Marks in tiles, the surest first, each once."""
        return self.look(self.tiles, frame, windows, ask)

    def look(self, find: Finder, frame: Frame, windows: Sequence[Window], ask: Ask) -> list[Mark]:
        """Marks that a finder finds in windows, the surest first, each once."""
        places, scores = find(frame, windows, ask.score)
        matches = self.recognised(frame, places, scores, ask.level)
        return [Mark(*mark) for mark in zip(places, scores, matches, strict=True)]

    def recognised(
        self, frame: Frame, places: Sequence[Box], scores: Sequence[float], level: Level
    ) -> list[Match]:
        """Whose the mark in each box is: looked at once, and where that is promising, again cut
        tighter and wider."""
        if not places:
            return []
        vectors, views = self.seen(frame, places, scores)
        matches = self.gallery.match(vectors, views, level)
        again = [i for i, match in enumerate(matches) if match.probability >= PROMISING]
        if again:
            more = self.again(frame, [places[i] for i in again])
            vectors[again] = fused(vectors[again], more)
            better = self.gallery.match(vectors[again], [views[i] for i in again], level)
            for i, match in zip(again, better, strict=True):
                matches[i] = match
        if self.lettering is not None:
            self._spell(self.lettering, frame, places, vectors, matches)
        return matches

    def seen(
        self, frame: Frame, places: Sequence[Box], scores: Sequence[float]
    ) -> tuple[F32, list[View]]:
        """Embeddings (n, length) of the squares around boxes, and how well each was seen."""
        cut = self._cut(frame, [square_around(box) for box in places])
        sides = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in places]
        hues = map(seen_hues, cut, places)
        return self.embedder(cut), list(map(View, sides, scores, hues))

    def again(self, frame: Frame, places: Sequence[Box]) -> F32:
        """Embeddings (n, k, length) of the same marks, cut tighter and wider."""
        squares = [square_around(box, scale) for box in places for scale in AGAIN]
        return self.embedder(self._cut(frame, squares)).reshape(len(places), len(AGAIN), -1)

    def _cut(self, frame: Frame, squares: Sequence[Window]) -> Rgb:
        return crops([(frame, square) for square in squares], self.embedder.size)

    def _spell(
        self,
        read: Lettering,
        frame: Frame,
        places: Sequence[Box],
        vectors: F32,
        matches: list[Match],
    ) -> None:
        """Read what may be a word where looks leave a doubt: all that would be reported, and the
        surest of the rest; into ``matches``."""
        strict = self.gallery.decision.least("strict")
        boxes = [_whole(clip_box(box, frame)) for box in places]
        words = [i for i, box in enumerate(boxes) if _doubtful_word(box, matches[i], strict)]
        told = [i for i in words if matches[i].brand is not None]
        rest = [i for i in words if matches[i].brand is None]
        for i in [*told, *rest[:MOST_READ]]:
            text = read(frame.crop(boxes[i]))
            found = self.gallery.lettered(vectors[i], text)
            matches[i] = found or _unless_read(matches[i], text)

    def on(self, frame: Frame, person: Box, ask: Ask, all_scales: bool = True) -> list[Mark]:
        """Marks on one person, the surest first; those beside the person are not theirs. Somebody
        seen again and again is looked at in one scale a time."""
        windows = person_windows(person, self.people.size)
        if not all_scales:
            windows = [windows[frame.index % len(windows)]]
        marks = self.look(self.people, frame, windows, ask)
        return [mark for mark in marks if middle_in(mark.box, person)]


def person_windows(person: Box, size: tuple[int, int]) -> list[Window]:
    """Windows in which a person's marks are searched: all of them; the breast closer, where that
    shows more; at half the scale where somebody fills the window's width, as close people do."""
    x0, y0, x1, y1 = person
    whole = person_window(person, size)
    found = [whole]
    if whole[3] - whole[1] >= size[1] / CLOSER:
        found.append(_about((x0 + x1) / 2, y0 + BREAST * (y1 - y0), whole, CLOSER))
    if x1 - x0 >= WIDE * (y1 - y0):
        found.append(_about((whole[0] + whole[2]) / 2, (whole[1] + whole[3]) / 2, whole, 2.0))
    return found


def _about(x: float, y: float, window: Window, scale: float) -> Window:
    """A window about a point, so many times as large as another."""
    wide, high = (round(scale * (window[i + 2] - window[i])) for i in (0, 1))
    left, top = round(x - wide / 2), round(y - high / 2)
    return left, top, left + wide, top + high


def fused(vectors: F32, more: F32) -> F32:
    """Unit vectors (n, length) of marks: means of their own and of ``more`` (n, k, length)."""
    mean = vectors + more.sum(axis=1)
    return np.asarray(
        mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6), np.float32
    )


def _doubtful_word(box: Window, match: Match, strict: float) -> bool:
    """Whether a box has a word's shape, and looks leave a doubt."""
    x0, y0, x1, y1 = box
    wide = y1 - y0 >= LEAST_LINE and x1 - x0 >= WIDE_LINE * (y1 - y0)
    return wide and (match.brand is None or match.probability < strict)


def _unless_read(match: Match, text: str) -> Match:
    """A doubtful match, without its brand where a word was read that is not its name: one word
    looks like another."""
    return match if len(folded(text)) < NAME else replace(match, brand=None)


def _whole(box: Box) -> Window:
    """A box in whole pixels."""
    x0, y0, x1, y1 = (round(v) for v in box)
    return x0, y0, x1, y1


class Embedder:
    """The embedding model: square crops in, unit vectors out."""

    def __init__(self, engine: Engine, pack: Pack) -> None:
        self._engine = engine
        self.pack = pack
        self.size = pack.size

    def __call__(self, crops: npt.NDArray[np.uint8]) -> F32:
        return np.array(self._engine.infer({"images": crops})["embeddings"], np.float32)


def square_around(box: Box, scale: float = 1.0) -> Window:
    """The square around a mark with the room of its gallery pictures, ``scale`` times as large."""
    x0, y0, x1, y1 = box
    half = max((0.5 + ROOM) * scale * max(x1 - x0, y1 - y0), 2.0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)
