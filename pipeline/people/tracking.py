"""Gives people identities that last from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.people.bystanders import Bystanders, head_after
from pipeline.people.figures import Figures
from pipeline.people.track import Trackers
from pipeline.picture.crop import clip_box
from pipeline.types import Box, TaggedFrame, Track

#: Seconds without a picture after which nobody is followed on, as between two recordings. Recorders
#: that wait for motion leave gaps of a minute, after which who stood still stands there.
GAP_S = 120.0


class TrackStage:
    """Turns detections into tracks, camera by camera."""

    name = "track"

    def __init__(self, trackers: Trackers) -> None:
        self._trackers = trackers
        self._figures: dict[str, Figures] = {}
        self._bystanders: dict[str, Bystanders] = {}
        self._last: dict[str, tuple[float, int, int]] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [self._follow(tagged) for tagged in batch]

    def forget(self, source: str) -> None:
        self._trackers.forget(source)
        self._figures.pop(source, None)
        self._bystanders.pop(source, None)
        self._last.pop(source, None)

    def _follow(self, tagged: TaggedFrame) -> TaggedFrame:
        frame = tagged.frame
        tracker = self._trackers.of(frame.source)
        figures = self._figures_of(frame.source)
        ended: list[int] = []
        begun = (frame.pts, frame.width, frame.height)
        pts, width, height = self._last.get(frame.source, begun)
        resized = (width, height) != (frame.width, frame.height)
        if resized or not pts <= frame.pts <= pts + GAP_S:
            ended += tracker.clear()
            self._bystanders.pop(frame.source, None)
        if resized:
            figures = self._figures[frame.source] = self._new(frame.source)
        self._last[frame.source] = (frame.pts, frame.width, frame.height)
        if tagged.decision == "detect":
            people = figures.without(frame, tagged.detections)
            size = (frame.width, frame.height)
            ended += tracker.update(people, frame.pts, tagged.windows, size)
        elif tagged.decision == "predict":
            tracker.advance()
        still = tagged.decision == "still"
        if still:
            ended += tracker.still(frame.pts)
        tracks = tuple(
            Track(
                t.id,
                clip_box(t.as_box(t.pts if still else frame.pts), frame),
                t.score,
                predicted=t.predicted,
            )
            for t in tracker.confirmed()
        )
        if tagged.decision == "detect":
            motionless = figures.found(frame, tracks)
            tracker.drop(motionless)
            ended += motionless
            tracks = tuple(track for track in tracks if track.id not in motionless)
        others = self._others(tagged, tracks)
        return replace(tagged, tracks=tracks, ended=tuple(ended), others=others)

    def _others(self, tagged: TaggedFrame, tracks: Sequence[Track]) -> tuple[Box, ...]:
        """Where heads of people may be who are no tracks."""
        source, pts = tagged.frame.source, tagged.frame.pts
        bystanders = self._bystanders.setdefault(source, Bystanders())
        found = [*tagged.bystanders, *(d.box for d in tagged.detections)]
        people = [track.box for track in tracks]
        bystanders.follow(tagged.decision, pts, found, people, tagged.windows)
        unshown = self._trackers.of(source).unshown(pts)
        lost = [head_after(box, seconds) for box, seconds in unshown]
        return tuple(bystanders.heads(pts) + lost)

    def _figures_of(self, source: str) -> Figures:
        if source not in self._figures:
            self._figures[source] = self._new(source)
        return self._figures[source]

    def _new(self, source: str) -> Figures:
        return Figures(self._trackers.settings(source).motionless_s)
