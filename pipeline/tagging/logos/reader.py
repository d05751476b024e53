"""Reading brand marks: where on a crop, and which brand of the gallery each is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.boxes import nms
from engines.packs import Pack
from pipeline.picture.crop import clip_box, crops, middle_in, person_window
from pipeline.tagging.logos.exemplars import ROOM
from pipeline.tagging.logos.gallery import F32, Gallery, GalleryError, Match, open_gallery
from pipeline.tagging.logos.lettering import Lettering
from pipeline.types import Box, Frame, Window

#: Marks of a crop that are recognised, the surest first.
MOST_MARKS = 4
#: Overlap above which two boxes are one mark.
DOUBLE = 0.4
#: Margin to the second brand from which letters need not be read.
CLEAR = 0.1
#: Height in pixels from which letters can be read.
LEAST_LINE = 8
#: Seconds between two looks at whether the gallery was changed.
ASKED_S = 2.0

log = logging.getLogger("threadline.logos")


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark found: its box in frame pixels, how sure it is one, and whose it is."""

    box: Box
    score: float
    match: Match


class LogoReader:
    """Finds and recognises marks on person crops of full resolution."""

    def __init__(
        self,
        detector: Engine,
        size: tuple[int, int],
        embedder: Embedder,
        gallery: Gallery,
        lettering: Lettering | None = None,
    ) -> None:
        self.detector = detector
        self.size = size
        self.embedder = embedder
        self.gallery = gallery
        self._lettering = lettering
        self._state = gallery.state()
        self._asked = -inf

    @property
    def model(self) -> str:
        """Name of the model that recognises."""
        return self.embedder.pack.name

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

    def read(self, frame: Frame, window: Window, least: float) -> list[Mark]:
        """Marks in a window of the aspect ratio of ``size``, the surest first; ``least`` is the
        score a mark needs."""
        found = self.detector.infer({"images": frame.crop(window, self.size)[None]})
        boxes, scores = self._marks(found["boxes"][0], found["scores"][0], window, least)
        if not len(boxes):
            return []
        places: list[Box] = [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes.tolist()]
        vectors = self.embedder(
            crops([(frame, square_around(b)) for b in places], self.embedder.size)
        )
        matches = self.gallery.match(vectors)
        if self._lettering is not None:
            matches = [
                self._read(frame, box, vector, match)
                for box, vector, match in zip(places, vectors, matches, strict=True)
            ]
        return [Mark(*found) for found in zip(places, scores.tolist(), matches, strict=True)]

    def _read(self, frame: Frame, box: Box, vector: F32, match: Match) -> Match:
        """A match by looks; by letters as well where looks leave a doubt."""
        if match.brand is not None and match.margin >= CLEAR:
            return match
        assert self._lettering is not None
        x0, y0, x1, y1 = (round(v) for v in clip_box(box, frame))
        if y1 - y0 < LEAST_LINE:
            return match
        return self.gallery.lettered(vector, self._lettering(frame.crop((x0, y0, x1, y1)))) or match

    def on(self, frame: Frame, person: Box, least: float) -> list[Mark]:
        """Marks on one person, the surest first; those beside the person are not theirs."""
        marks = self.read(frame, person_window(person, self.size), least)
        return [mark for mark in marks if middle_in(mark.box, person)]

    def _marks(self, boxes: F32, scores: F32, window: Window, least: float) -> tuple[F32, F32]:
        """Boxes in frame pixels and scores of the surest few."""
        sure = np.flatnonzero(scores >= least)
        boxes, scores = boxes[sure], scores[sure]
        kept = nms(boxes, scores, DOUBLE)[:MOST_MARKS]
        x0, y0, x1, y1 = window
        scale = np.array([(x1 - x0) / self.size[0], (y1 - y0) / self.size[1]] * 2)
        return (boxes[kept] * scale + (x0, y0, x0, y0)).astype(np.float32), scores[kept]


class Embedder:
    """The embedding model: square crops in, unit vectors out."""

    def __init__(self, engine: Engine, pack: Pack) -> None:
        self._engine = engine
        self.pack = pack
        self.size = pack.size

    @cached_property
    def background(self) -> F32 | None:
        """Unit vectors of what is no brand's mark, as shipped with the model."""
        path = self.pack.path.with_name("background.npy")
        if not path.exists():
            return None
        return np.asarray(np.load(path, allow_pickle=False), np.float32)

    def __call__(self, crops: npt.NDArray[np.uint8]) -> F32:
        return np.array(self._engine.infer({"images": crops})["embeddings"], np.float32)


def square_around(box: Box) -> Window:
    """The square around a mark, with the room its gallery pictures have."""
    x0, y0, x1, y1 = box
    half = max((0.5 + ROOM) * max(x1 - x0, y1 - y0), 2.0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)
