"""The steps on the inference thread, in order. Each takes a batch and returns it enriched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engines.base import Engine
from engines.zoo import ModelSpec
from pipeline.config import PersonConfig
from pipeline.crop import appearance, clip_box
from pipeline.pace import Pace
from pipeline.postprocess import DETECTION_DECODERS
from pipeline.stats import Stats
from pipeline.track import Tracker, TrackPolicy
from pipeline.types import Detection, Event, Frame, Tag, TaggedFrame, Track
from pipeline.vote import slot_of
from pipeline.zones import Zones

#: Pictures per engine call; larger batches gain nothing on a CPU.
MOST_BATCH = 8


class DetectStage:
    """Finds people in the frames that are due, all cameras in one batch."""

    name = "detect"

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        settings: PersonConfig,
        pace: Pace | None = None,
        zones: Mapping[str, Zones] | None = None,
    ) -> None:
        self.engine = engine
        self._spec = spec
        self._decode = DETECTION_DECODERS[spec.decoder]
        self._settings = settings
        self._pace = pace or Pace()
        self._zones = zones or {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        due = [i for i, tagged in enumerate(batch) if tagged.decision == "detect"]
        out = list(batch)
        began = time.perf_counter()
        for start in range(0, len(due), MOST_BATCH):
            part = due[start : start + MOST_BATCH]
            for i, found in zip(part, self.detect([batch[i].frame for i in part]), strict=True):
                out[i] = replace(batch[i], detections=found)
        self._pace.spent("detection", time.perf_counter() - began, len(due))
        return out

    def detect(self, frames: list[Frame]) -> list[tuple[Detection, ...]]:
        """People in each frame, best first, boxes in frame pixels."""
        pixels = self._settings.pixels
        sizes = [self._spec.input_size(frame.width, frame.height, pixels) for frame in frames]
        found: list[tuple[Detection, ...]] = [()] * len(frames)
        for size in set(sizes):
            alike = [i for i, other in enumerate(sizes) if other == size]
            together = self._detect([frames[i] for i in alike], size)
            for i, people in zip(alike, together, strict=True):
                found[i] = people
        return found

    def _detect(
        self, frames: list[Frame], size: tuple[int, int]
    ) -> Iterator[tuple[Detection, ...]]:
        images = np.stack([frame.rgb(size) for frame in frames])
        result = self.engine.infer({"images": images})
        settings = self._settings
        threshold = min(settings.score, settings.keep_score)
        for frame, codes, scores in zip(frames, result["boxes"], result["scores"], strict=True):
            boxes, kept = self._decode(codes, scores, size, threshold, settings.iou)
            boxes = boxes * np.array([frame.width, frame.height] * 2, np.float32)
            pairs = zip(boxes.tolist(), kept.tolist(), strict=True)
            zones = self._zones.get(frame.source, Zones())
            yield tuple(
                Detection(tuple(box), score, appearance=appearance(frame, box))
                for box, score in pairs
                if zones.counts(tuple(box), frame.width, frame.height)
            )


class TrackStage:
    """Gives people identities that last from frame to frame."""

    name = "track"

    def __init__(self, policy: TrackPolicy) -> None:
        self._policy = policy
        self._trackers: dict[str, Tracker] = {}
        self._last: dict[str, tuple[float, int, int]] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [self._follow(tagged) for tagged in batch]

    def _follow(self, tagged: TaggedFrame) -> TaggedFrame:
        frame = tagged.frame
        if frame.source not in self._trackers:
            self._trackers[frame.source] = Tracker(self._policy)
        tracker = self._trackers[frame.source]
        ended: list[int] = []
        pts, width, height = self._last.get(frame.source, (0.0, frame.width, frame.height))
        if frame.pts < pts - 1.0 or (width, height) != (frame.width, frame.height):
            ended += tracker.clear()
        self._last[frame.source] = (frame.pts, frame.width, frame.height)
        if tagged.decision == "detect":
            ended += tracker.update(tagged.detections, frame.pts)
        elif tagged.decision == "predict":
            tracker.advance()
        at = None if tagged.decision == "still" else frame.pts
        tracks = tuple(
            Track(
                t.id,
                clip_box(t.as_box(t.pts if at is None else at), frame),
                t.score,
                t.first_pts,
                predicted=t.predicted,
            )
            for t in tracker.confirmed()
        )
        return replace(tagged, tracks=tracks, ended=tuple(ended))


class EventStage:
    """Says what changed: nothing is repeated while a tag stays as it is."""

    name = "events"

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._shown: dict[tuple[str, int], dict[tuple[str, str], Tag]] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [replace(tagged, events=tuple(self._events(tagged))) for tagged in batch]

    def _events(self, tagged: TaggedFrame) -> list[Event]:
        frame, events = tagged.frame, []

        def event(name: Any, track_id: int, **more: Any) -> Event:
            at: dict[str, Any] = {"utc": frame.utc, "camera_utc": frame.camera_utc}
            return Event(name, frame.source, track_id, frame.index, frame.pts, **at, **more)

        for track in tagged.tracks:
            key = (frame.source, track.id)
            if key not in self._shown:
                self._shown[key] = {}
                self._stats.camera(frame.source).people += 1
                events.append(event("entered", track.id))
            events += self._changes(key, track, event)
        for track_id in tagged.ended:
            shown = self._shown.pop((frame.source, track_id), None)
            if shown is not None:
                events.append(event("left", track_id, tags=tuple(shown.values())))
        return events

    def _changes(
        self, key: tuple[str, int], track: Track, event: Callable[..., Event]
    ) -> list[Event]:
        before = self._shown[key]
        now = {slot_of(tag): tag for tag in track.tags}
        events = []
        for slot, tag in now.items():
            if slot not in before:
                events.append(event("appeared", track.id, tag=tag))
            elif (before[slot].label, before[slot].colour) != (tag.label, tag.colour):
                events.append(event("changed", track.id, tag=tag))
        events += [
            event("vanished", track.id, tag=before[slot]) for slot in before if slot not in now
        ]
        self._shown[key] = now
        return events
