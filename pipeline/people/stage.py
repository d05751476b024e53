"""The steps on the inference thread, in order. Each takes a batch and returns it enriched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pipeline.flow.stats import Stats
from pipeline.people.regions import Whereabouts
from pipeline.people.track import Tracker, TrackPolicy
from pipeline.picture.crop import clip_box
from pipeline.tagging.vote import slot_of
from pipeline.types import Event, Tag, TaggedFrame, Track


class TrackStage:
    """Gives people identities that last from frame to frame."""

    name = "track"

    def __init__(self, policy: TrackPolicy) -> None:
        self._policy = policy
        self._trackers: dict[str, Tracker] = {}
        self._last: dict[str, tuple[float, int, int]] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [self._follow(tagged) for tagged in batch]

    def where(self, source: str, pts: float) -> list[Whereabouts]:
        """A camera's people at a time in stream seconds."""
        tracker = self._trackers.get(source)
        return tracker.where(pts) if tracker else []

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
            ended += tracker.update(tagged.detections, frame.pts, tagged.windows)
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
        self._shown: dict[tuple[str, int | None], dict[tuple[str, str], Tag]] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [replace(tagged, events=tuple(self._events(tagged))) for tagged in batch]

    def _events(self, tagged: TaggedFrame) -> list[Event]:
        frame, events = tagged.frame, []

        def event(name: Any, track_id: int | None, **more: Any) -> Event:
            at: dict[str, Any] = {"utc": frame.utc, "camera_utc": frame.camera_utc}
            return Event(name, frame.source, track_id, frame.index, frame.pts, **at, **more)

        for track in tagged.tracks:
            key = (frame.source, track.id)
            if key not in self._shown:
                self._shown[key] = {}
                self._stats.camera(frame.source).people += 1
                events.append(event("entered", track.id))
            events += self._changes(key, track.tags, event)
        if tagged.tags or (frame.source, None) in self._shown:  # what belongs to nobody
            events += self._changes((frame.source, None), tagged.tags, event)
        for track_id in tagged.ended:
            shown = self._shown.pop((frame.source, track_id), None)
            if shown is not None:
                events.append(event("left", track_id, tags=tuple(shown.values())))
        return events

    def _changes(
        self,
        key: tuple[str, int | None],
        tags: Sequence[Tag],
        event: Callable[..., Event],
    ) -> list[Event]:
        before, track_id = self._shown.get(key, {}), key[1]
        now = {slot_of(tag): tag for tag in tags}
        events = []
        for slot, tag in now.items():
            if slot not in before:
                events.append(event("appeared", track_id, tag=tag))
            elif (before[slot].label, before[slot].colour) != (tag.label, tag.colour):
                events.append(event("changed", track_id, tag=tag))
        events += [
            event("vanished", track_id, tag=before[slot]) for slot in before if slot not in now
        ]
        self._shown[key] = now
        return events
