"""Brand marks on people: where on a crop, which of the gallery's, on which garment."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.boxes import nms
from engines.zoo import Label, ModelSpec
from pipeline.flow.pace import Pace
from pipeline.picture.crop import clip_box, crops, middle_in, person_window
from pipeline.picture.yuv import Window
from pipeline.settings.schema import LogoConfig
from pipeline.tagging.logos.exemplars import ROOM
from pipeline.tagging.logos.gallery import F32, Gallery, GalleryError, Match, open_gallery
from pipeline.tagging.logos.lettering import Lettering
from pipeline.tagging.logos.loose_marks import Standing
from pipeline.tagging.vote import TrackVote, VotePolicy
from pipeline.types import Box, Frame, Parsing, Tag, TaggedFrame, Track

#: Marks of a crop that are recognised, the surest first.
MOST_MARKS = 4
#: Overlap above which two boxes are one mark.
SAME = 0.4
#: Margin to the second brand from which letters need not be read, pixels they must be high.
CLEAR, LEAST_LINE = 0.1, 8
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
        self, detector: Engine, size: tuple[int, int], embedder: Embedder, gallery: Gallery,
        least: float, lettering: Lettering | None = None,
    ) -> None:  # fmt: skip
        self._detector = detector
        self.size = size
        self._embedder = embedder
        self.gallery = gallery
        self._least = least
        self._lettering = lettering
        self._state = gallery.state()
        self._asked = -inf

    @property
    def model(self) -> str:
        """Name of the model that recognises."""
        return self._embedder.spec.name

    def refresh(self, now: float) -> None:
        """Read the gallery again if it was changed; a damaged one is told of, the old one kept."""
        if now - self._asked < ASKED_S:
            return
        self._asked = now
        state = self.gallery.state()
        if state == self._state:
            return
        self._state = state
        try:
            self.gallery = open_gallery(self.gallery.folder, self._embedder.spec)
            log.warning("gallery read again: %d brands", len(self.gallery.names))
        except GalleryError as error:
            log.warning("%s; going on with the brands from before", error)

    def read(self, frame: Frame, window: Window) -> list[Mark]:
        """Marks in a window of the aspect ratio of ``size``, the surest first."""
        found = self._detector.infer({"images": frame.crop(window, self.size)[None]})
        boxes, scores = self._marks(found["boxes"][0], found["scores"][0], window)
        if not len(boxes):
            return []
        places: list[Box] = [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes.tolist()]
        vectors = self._embedder(crops([(frame, around(b)) for b in places], self._embedder.size))
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

    def on(self, frame: Frame, person: Box) -> list[Mark]:
        """Marks on one person, the surest first; those beside the person are not theirs."""
        marks = self.read(frame, person_window(person, self.size))
        return [mark for mark in marks if middle_in(mark.box, person)]

    def _marks(
        self, boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], window: Window
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Boxes in frame pixels and scores of the surest few."""
        sure = np.flatnonzero(scores >= self._least)
        boxes, scores = boxes[sure], scores[sure]
        kept = nms(boxes, scores, SAME)[:MOST_MARKS]
        x0, y0, x1, y1 = window
        scale = np.array([(x1 - x0) / self.size[0], (y1 - y0) / self.size[1]] * 2)
        return (boxes[kept] * scale + (x0, y0, x0, y0)).astype(np.float32), scores[kept]


class Embedder:
    """The embedding model: square crops in, unit vectors out."""

    def __init__(self, engine: Engine, spec: ModelSpec) -> None:
        self._engine = engine
        self.spec = spec
        self.size = spec.size

    @cached_property
    def background(self) -> F32 | None:
        """Unit vectors of what is no brand's mark, as shipped with the model."""
        path = self.spec.path.with_name("background.npy")
        if not path.exists():
            return None
        return np.asarray(np.load(path, allow_pickle=False), np.float32)

    def __call__(self, crops: npt.NDArray[np.uint8]) -> F32:
        return np.array(self._engine.infer({"images": crops})["embeddings"], np.float32)


def around(box: Box) -> Window:
    """The square around a mark, with the room its gallery pictures have."""
    x0, y0, x1, y1 = box
    half = max((0.5 + ROOM) * max(x1 - x0, y1 - y0), 2.0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)


def garment_under(box: Box, parsing: Parsing, names: Sequence[Label]) -> str | None:
    """The category of the garment most of a mark lies on; ``None`` if that is none."""
    x0, y0, x1, y1 = parsing.window
    height, width = parsing.labels.shape
    sx, sy = width / max(x1 - x0, 1), height / max(y1 - y0, 1)
    columns = slice(max(int((box[0] - x0) * sx), 0), max(int(np.ceil((box[2] - x0) * sx)), 0))
    rows = slice(max(int((box[1] - y0) * sy), 0), max(int(np.ceil((box[3] - y0) * sy)), 0))
    cells = parsing.labels[rows, columns]
    if not cells.size:
        return None
    counts: dict[str | None, int] = {}
    for index, count in zip(*np.unique(cells, return_counts=True), strict=True):
        name = names[int(index)].category
        counts[name] = counts.get(name, 0) + int(count)
    return max(counts, key=lambda name: counts[name])


def nearer(mark: Box, one: Box, other: Box) -> bool:
    """Whether a mark in two people's boxes is nearer to the middle of one than of the other: boxes
    of people side by side cover each other's edges."""

    def off(box: Box) -> float:
        return abs(mark[0] + mark[2] - box[0] - box[2]) / max(box[2] - box[0], 1.0)

    return middle_in(mark, one) and off(one) < off(other)


def mark_tags(
    marks: Sequence[Mark], parsing: Parsing, names: Sequence[Label], model: str = ""
) -> list[Tag]:
    """A tag for every brand recognised on a person, the surest of its marks, and on which
    garment."""
    best: dict[str, Tag] = {}
    for mark in marks:
        garment = garment_under(mark.box, parsing, names)
        tag = _tag(mark, model, garment)
        if tag is not None and (tag.label not in best or best[tag.label].score < tag.score):
            best[tag.label] = tag
    return list(best.values())


def loose_tags(marks: Sequence[Mark], model: str = "") -> list[Tag]:
    """A tag for every mark recognised that is on nobody."""
    return [tag for mark in marks if (tag := _tag(mark, model)) is not None]


def _tag(mark: Mark, model: str, garment: str | None = None) -> Tag | None:
    brand = mark.match.brand
    if brand is None:
        return None
    more = (("on", garment),) if garment else ()
    return Tag("logo", brand, None, mark.score, mark.box, attributes=more, model=model)


class LogoStage:
    """Looks for marks on the crops garments were just parsed on, voting over a person's, and on the
    tiles of the picture in turn."""

    name = "logos"

    def __init__(
        self, reader: LogoReader, names: Sequence[Label], settings: LogoConfig, pace: Pace
    ) -> None:
        self._reader = reader
        self._names = names
        self._pace = pace
        self._settings = settings
        self._policy = VotePolicy(
            settings.appear, settings.vanish, settings.appear, settings.looks, settings.memory
        )
        self._votes: dict[tuple[str, int], TrackVote] = {}
        self._standing: dict[str, Standing] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        self._reader.refresh(time.monotonic())
        return [self._frame(tagged) for tagged in batch]

    def _frame(self, tagged: TaggedFrame) -> TaggedFrame:
        frame = tagged.frame
        began, looks = time.perf_counter(), 0
        for track in tagged.tracks:
            parsing = tagged.parsings.get(track.id)
            if parsing is not None and self._wanted(frame, track):
                self._look(tagged, track, parsing)
                looks += 1
        tags: tuple[Tag, ...] = ()
        if self._settings.tile_s:
            standing = self._standing.get(frame.source)
            if standing is None:
                standing = Standing(self._settings.tile_s, self._settings.looks)
                self._standing[frame.source] = standing
            looks += self._look_around(standing, tagged)
            tags = standing.tags
        if looks and frame.live:  # paid for by the crops' share of the time
            self._pace.spent("crop", time.perf_counter() - began, looks)
        for track_id in tagged.ended:
            self._votes.pop((frame.source, track_id), None)
        tracks = tuple(self._with_tags(frame, track) for track in tagged.tracks)
        return replace(tagged, tracks=tracks, tags=tags)

    def _wanted(self, frame: Frame, track: Track) -> bool:
        vote = self._votes.get((frame.source, track.id))
        return vote is None or vote.looks < self._settings.most_looks or track.best

    def _look(self, tagged: TaggedFrame, track: Track, parsing: Parsing) -> None:
        frame = tagged.frame
        vote = self._votes.setdefault((frame.source, track.id), TrackVote(self._policy))
        others = [other.box for other in tagged.tracks if other.id != track.id]
        marks = [
            mark for mark in self._reader.on(frame, track.box)
            if not any(nearer(mark.box, other, track.box) for other in others)
        ]  # fmt: skip
        tags = mark_tags(marks, parsing, self._names, self._reader.model)
        vote.add(tags, max(track.quality, 1.0))

    def _look_around(self, standing: Standing, tagged: TaggedFrame) -> bool:
        """Look at the next tile if it is time."""
        frame = tagged.frame
        stretch = self._pace.stretch if frame.live else 1.0
        size = (frame.width, frame.height)
        tile = standing.due(frame.pts, size, self._reader.size, stretch)
        if tile is None:
            return False
        tags = loose_tags(self._reader.read(frame, tile), self._reader.model)
        standing.saw(tile, tags, [track.box for track in tagged.tracks])
        return True

    def _with_tags(self, frame: Frame, track: Track) -> Track:
        vote = self._votes.get((frame.source, track.id))
        if vote is None:
            return track
        tags = tuple(replace(tag, track_id=track.id) for tag in vote.result())
        return replace(track, tags=track.tags + tags)
