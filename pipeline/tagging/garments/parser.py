"""Garments of people: which crops to look at, what the parser says, what the person wears."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

import cv2
import numpy as np

from engines.base import Engine
from engines.zoo import Label, ModelSpec, categories, labels
from pipeline.flow.pace import Pace
from pipeline.picture.colour import colour_map, colour_names
from pipeline.picture.crop import crops, person_window, quality
from pipeline.picture.yuv import Rgb
from pipeline.settings.schema import GarmentConfig
from pipeline.tagging.garments.attributes import attributes, body_of
from pipeline.tagging.garments.types import TypeRefiner
from pipeline.tagging.parsing import around, cells_of, iou_matrix, large_pieces, mask_box
from pipeline.tagging.vote import TrackVote, VotePolicy
from pipeline.types import Box, Frame, Level, Parsing, Tag, TaggedFrame, Track

#: Crops per engine call; larger batches gain nothing on a CPU.
MOST_BATCH = 8
#: Labels that are no garment and never become tags.
NO_GARMENT = frozenset({"null", "hair", "skin"})
#: Probability under which a label is no evidence.
LEAST_SCORE = 0.1


class GarmentParser:
    """Runs the parsing model on person crops."""

    def __init__(self, engine: Engine, spec: ModelSpec, refiner: TypeRefiner | None = None) -> None:
        self._engine = engine
        self._spec = spec
        self._refiner = refiner
        self.labels: tuple[Label, ...] = labels(spec.name)
        self._categories = categories(spec.name)
        self._members = {
            name: [i for i, label in enumerate(self.labels) if label.category == name]
            for name in self._categories
        }

    def parse(self, people: Sequence[tuple[Frame, Box]]) -> list[tuple[Parsing, tuple[Tag, ...]]]:
        """Parsing and evidence of each person, cropped from full resolution, in batches."""
        out: list[tuple[Parsing, tuple[Tag, ...]]] = []
        for start in range(0, len(people), MOST_BATCH):
            part = people[start : start + MOST_BATCH]
            windows = [person_window(box, self._spec.size) for _, box in part]
            looks = [(frame, window) for (frame, _), window in zip(part, windows, strict=True)]
            pictures = crops(looks, self._spec.size)
            result = self._engine.infer({"images": pictures})
            found = result["labels"].astype(np.uint8)
            scores = np.array(result["scores"], np.float32)
            worn, groups = result["worn"].tolist(), result["categories"].tolist()
            for i, (window, crop) in enumerate(zip(windows, pictures, strict=True)):
                parsing = Parsing(window, found[i], scores[i])
                tags = self.evidence(parsing, crop, worn[i], groups[i])
                if self._refiner is not None:
                    tags = self._refiner.refine(part[i][0], parsing, tags)
                out.append((parsing, tags))
        return out

    def evidence(
        self, parsing: Parsing, crop: Rgb, worn: list[float], groups: list[float]
    ) -> tuple[Tag, ...]:
        """What one crop says for labels and categories, however little: see
        ``pipeline.tagging.vote``.

        Args:
            crop: the picture that was parsed, RGB uint8.
            worn: probability of each label.
            groups: probability of each category.
        """
        look = _Crop(parsing, crop, self.labels, self._spec.name)
        tags = []
        for i, (name, group) in enumerate((label.name, label.category) for label in self.labels):
            if worn[i] < LEAST_SCORE or name in NO_GARMENT:
                continue
            # A label without a cell of its own lies among those of its category.
            near = self._members[group] if group else []
            tags.append(look.tag(name, group, worn[i], [i]) or look.tag(name, group, worn[i], near))
        tags += [
            look.tag(name, name, groups[i], self._members[name], "category")
            for i, name in enumerate(self._categories)
            if groups[i] >= LEAST_SCORE
        ]
        return tuple(tag for tag in tags if tag is not None)


#: Box, colours and attributes of a set of cells.
_Where = tuple[Box, tuple[str, ...], tuple[tuple[str, str], ...]]


class _Crop:
    """One parsed crop, and the tags its cells make."""

    def __init__(self, parsing: Parsing, crop: Rgb, known: tuple[Label, ...], model: str) -> None:
        self._parsing = parsing
        self._crop = crop
        self._model = model
        self._body = body_of(parsing.labels, known)
        self._present = set(np.flatnonzero(np.bincount(parsing.labels.ravel())).tolist())
        self._looks: dict[tuple[tuple[int, ...], str | None], _Where] = {}
        height, width = parsing.labels.shape
        small = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
        self._colours = colour_map(np.asarray(small, np.uint8))

    def tag(
        self, label: str, category: str | None, score: float, members: list[int],
        level: Level = "fine",
    ) -> Tag | None:  # fmt: skip
        """The tag of a label, or of a category's labels together; ``None`` without a cell."""
        here = tuple(i for i in members if i in self._present)
        if not here:
            return None
        if (here, category) not in self._looks:
            self._looks[here, category] = self._look(here, category)
        box, colours, more = self._looks[here, category]
        return Tag("garment", label, category, score, box, colours, more, level, model=self._model)

    def _look(self, members: tuple[int, ...], category: str | None) -> _Where:
        mask = cells_of(self._parsing.labels, members)
        part = around(mask)
        mask[part] = large_pieces(mask[part])
        colours = tuple(name for name, _ in colour_names(self._colours[part], mask[part]))
        more = attributes(self._body, mask, category) if self._body else ()
        return mask_box(self._parsing.window, mask), colours, more


#: Overlap with the box last looked at from which somebody has not moved, and how much longer their
#: tags stay fresh then: the same picture says the same.
STANDING, PATIENCE = 0.85, 4.0
#: Need of somebody of whom nothing is said yet.
_SILENT = 1e6


@dataclass(slots=True)
class _Look:
    """What is known about one track's crops."""

    vote: TrackVote
    box: Box
    best: float = 0.0
    at: float = float("-inf")
    tags: tuple[Tag, ...] = field(default=())


class GarmentStage:
    """Tags people whose crop is new, clearly better than before, or stale."""

    name = "garments"

    def __init__(
        self,
        parser: GarmentParser,
        settings: GarmentConfig,
        vote: VotePolicy,
        pace: Pace | None = None,
    ) -> None:
        self._parser = parser
        self._settings = settings
        self._vote = vote
        self._pace = pace or Pace()
        self._looks: dict[tuple[str, int], _Look] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        rated = [self._rate(tagged) for tagged in batch]
        chosen = self._choose(rated)
        best = set()
        began = time.perf_counter()
        parsed = self._parser.parse([(frame, track.box) for frame, track in chosen])
        self._pace.spent("crop", time.perf_counter() - began, len(chosen))
        seen: dict[int, dict[int, Parsing]] = {id(tagged.frame): {} for tagged in batch}
        for (frame, track), (parsing, evidence) in zip(chosen, parsed, strict=True):
            seen[id(frame)][track.id] = parsing
            if self._record(frame, track, evidence):
                best.add((id(frame), track.id))
        out = [
            replace(self._attach(tagged, best), parsings=seen[id(tagged.frame)]) for tagged in rated
        ]
        for tagged in batch:
            for track_id in tagged.ended:
                self._looks.pop((tagged.frame.source, track_id), None)
        return out

    def _rate(self, tagged: TaggedFrame) -> TaggedFrame:
        """Add the quality of every detected (not merely predicted) person."""
        if tagged.decision != "detect":
            return tagged
        tracks = tuple(
            track
            if track.predicted
            else replace(track, quality=track.score * quality(tagged.frame, track.box))
            for track in tagged.tracks
        )
        return replace(tagged, tracks=tracks)

    def _choose(self, batch: list[TaggedFrame]) -> list[tuple[Frame, Track]]:
        """The crops to look at: all that recordings want, and of live cameras as many as the pace
        allows, those that need it most."""
        wanted = [
            (need, tagged.frame, track)
            for tagged in batch
            if tagged.decision == "detect"
            for track in tagged.tracks
            if (need := self._need(tagged.frame, track)) >= 1
        ]
        live = sorted((w for w in wanted if w[1].live), key=lambda w: (-w[0], -w[2].quality))
        most = self._pace.allowed("crop")
        chosen = [w for w in wanted if not w[1].live] + live[:most]
        return [(frame, track) for _, frame, track in chosen]

    def _need(self, frame: Frame, track: Track) -> float:
        """How much a person needs another look, wanted from 1 on: most of all those of whom nothing
        is said yet, the ones nearest to it first; then those looked at a few times only; then the
        stale ones and those seen clearly better."""
        settings = self._settings
        if track.predicted or track.box[3] - track.box[1] < settings.min_height_px:
            return 0.0
        look = self._looks.get((frame.source, track.id))
        stretch = self._pace.stretch if frame.live else 1.0
        age = (frame.pts - look.at) / stretch if look else inf
        looks = look.vote.looks if look else 0
        if look is None or (looks < settings.settle_looks and age >= settings.settle_s):
            silent = looks < (1 if self._hurried(frame) else self._vote.looks)
            return _SILENT + looks if silent else 1.0 + settings.settle_looks - looks
        stale = age / settings.refresh_s
        if stale >= 1 and iou_matrix([track.box], [look.box])[0, 0] > STANDING:
            stale /= PATIENCE
        better = track.quality / max(settings.better * look.best, 1e-6)
        return max(stale, min(better, _SILENT - 1))

    def _hurried(self, frame: Frame) -> bool:
        """Whether there is no time for second looks before the first word: under pressure twice as
        many people have something said about them that way, if a little less surely."""
        return frame.live and self._pace.stretch > 1

    def _record(self, frame: Frame, track: Track, evidence: tuple[Tag, ...]) -> bool:
        """Count one crop; whether it is the track's best so far."""
        key = (frame.source, track.id)
        look = self._looks.setdefault(key, _Look(TrackVote(self._vote), track.box))
        look.vote.add(evidence, max(track.quality, 1.0))
        look.at, look.box = frame.pts, track.box
        said = look.vote.result(self._hurried(frame))
        look.tags = tuple(replace(tag, track_id=track.id) for tag in said)
        better = track.quality > look.best
        look.best = max(look.best, track.quality)
        return better

    def _attach(self, tagged: TaggedFrame, best: set[tuple[int, int]]) -> TaggedFrame:
        source = tagged.frame.source
        tracks = tuple(
            replace(
                track,
                tags=self._looks[source, track.id].tags,
                best=(id(tagged.frame), track.id) in best,
            )
            if (source, track.id) in self._looks
            else track
            for track in tagged.tracks
        )
        return replace(tagged, tracks=tracks)
