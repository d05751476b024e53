"""Garments of people: which crops to look at, what the parser says, what the person wears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from engines.base import Engine
from engines.zoo import Label, ModelSpec, labels
from pipeline.colour import colour_name
from pipeline.config import GarmentConfig
from pipeline.crop import person_window, quality
from pipeline.postprocess import label_box, label_summary
from pipeline.stages import MOST_BATCH
from pipeline.types import Box, Frame, Parsing, Tag, TaggedFrame, Track
from pipeline.vote import TrackVote, VotePolicy
from pipeline.yuv import Rgb

#: Labels that are no garment and never become tags.
NO_GARMENT = frozenset({"null", "hair", "skin"})
#: Looks after which a track is settled and only refreshed.
SETTLED = 3


class GarmentParser:
    """Runs the parsing model on person crops."""

    def __init__(self, engine: Engine, spec: ModelSpec, settings: GarmentConfig) -> None:
        self._engine = engine
        self._spec = spec
        self._settings = settings
        self.labels: tuple[Label, ...] = labels(spec.name)

    def parse(self, people: Sequence[tuple[Frame, Box]]) -> list[tuple[Parsing, tuple[Tag, ...]]]:
        """Parsing and tags of each person, cropped from full resolution, in batches."""
        out: list[tuple[Parsing, tuple[Tag, ...]]] = []
        for start in range(0, len(people), MOST_BATCH):
            part = people[start : start + MOST_BATCH]
            windows = [person_window(box, self._spec.size) for _, box in part]
            crops = [
                frame.crop(window, self._spec.size)
                for (frame, _), window in zip(part, windows, strict=True)
            ]
            result = self._engine.infer({"images": np.stack(crops)})
            found = result["labels"].astype(np.uint8)
            scores = np.array(result["scores"], np.float32)
            for i, (window, crop) in enumerate(zip(windows, crops, strict=True)):
                parsing = Parsing(window, found[i], scores[i])
                out.append((parsing, self.tags(parsing, crop)))
        return out

    def tags(self, parsing: Parsing, crop: Rgb) -> tuple[Tag, ...]:
        """Garments present in one crop, best first, each with the colour inside of its mask."""
        cells, scores = label_summary(parsing, len(self.labels))
        least = self._settings.min_area * parsing.labels.size
        small: Rgb | None = None
        tags = []
        for i in np.flatnonzero((cells >= least) & (scores >= self._settings.score)).tolist():
            label = self.labels[i]
            if label.name in NO_GARMENT:
                continue
            if small is None:
                height, width = parsing.labels.shape
                size = (width, height)
                small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
            colour, _ = colour_name(small, parsing.labels == i)
            box, score = label_box(parsing, i), round(float(scores[i]), 4)
            tags.append(
                Tag("garment", label.name, label.category, score, box, colour,
                    model=self._spec.name)
            )  # fmt: skip
        return tuple(sorted(tags, key=lambda tag: -tag.score))


@dataclass(slots=True)
class _Look:
    """What is known about one track's crops."""

    vote: TrackVote
    best: float = 0.0
    at: float = float("-inf")
    tags: tuple[Tag, ...] = field(default=())


class GarmentStage:
    """Tags people whose crop is new, clearly better than before, or stale."""

    name = "garments"

    def __init__(self, parser: GarmentParser, settings: GarmentConfig, vote: VotePolicy) -> None:
        self._parser = parser
        self._settings = settings
        self._vote = vote
        self._looks: dict[tuple[str, int], _Look] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        rated = [self._rate(tagged) for tagged in batch]
        chosen = [
            (tagged.frame, track)
            for tagged in rated
            for track in tagged.tracks
            if self._wanted(tagged, track)
        ]
        best = set()
        parsed = self._parser.parse([(frame, track.box) for frame, track in chosen])
        for (frame, track), (_, tags) in zip(chosen, parsed, strict=True):
            if self._record(frame, track, tags):
                best.add((id(frame), track.id))
        out = [self._attach(tagged, best) for tagged in rated]
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

    def _wanted(self, tagged: TaggedFrame, track: Track) -> bool:
        settings = self._settings
        if tagged.decision != "detect" or track.predicted:
            return False
        if track.box[3] - track.box[1] < settings.min_height_px:
            return False
        look = self._looks.get((tagged.frame.source, track.id))
        if look is None:
            return True
        age = tagged.frame.pts - look.at
        if look.vote.looks < SETTLED and age >= settings.settle_s:
            return True
        return age >= settings.refresh_s or track.quality > settings.better * look.best

    def _record(self, frame: Frame, track: Track, tags: tuple[Tag, ...]) -> bool:
        """Count one crop; whether it is the track's best so far."""
        key = (frame.source, track.id)
        look = self._looks.setdefault(key, _Look(TrackVote(self._vote)))
        look.vote.add(tags)
        look.at = frame.pts
        look.tags = tuple(replace(tag, track_id=track.id) for tag in look.vote.result())
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
