"""Boxes to identities, aware of real time: skipped frames neither age nor lose a track.

Motion is an alpha-beta filter per box side over seconds, association is the two-pass scheme of
ByteTrack (Zhang et al., ECCV 2022): certain detections first, doubtful ones only to keep tracks
that already exist. Assignment is the Jonker-Volgenant solver of the ``lap`` package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import lap
import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.people.detect import PersonSettings
from pipeline.people.likeness import likeness_matrix, resemblance_matrix
from pipeline.people.regions import Whereabouts, inside, searched
from pipeline.settings.section import PerSource, Seconds, Section, Share
from pipeline.types import Box, Detection, Window

F64 = npt.NDArray[np.float64]

#: Seconds a person stays in view on prediction alone; longer, the box would be a guess.
SHOWN_S = 0.4
#: Seconds for which a predicted box moves on.
FORESIGHT_S = 1.0
#: Seconds after which 63 % of an error of prediction counts as one of speed.
SPEED_S = 0.56
#: Least share of the first error that does.
FIRST = 0.5
#: Looks at the picture after which a new person has been seen often enough to be tagged.
SETTLED = 16
#: Doubtful detections in a row that keep nobody any more, if the last certain one is older.
DOUBTS = 5
DOUBT_S = 10.0
#: Share of somebody's height that a doubtful detection must have; less is a part, or another.
WHOLE = 0.75
#: How much longer somebody is waited for who vanished away from the picture's edges: behind a post
#: or somebody else, not through a door.
PATIENCE = 1.6
#: Looks in a row that miss somebody after which no further one is needed to believe it.
MISSED = 4


class TrackSettings(Section):
    """Following people from frame to frame."""

    iou: Share = Field(
        0.1, description="likeness of prediction and detection below which they never match"
    )
    confirm_hits: int = Field(3, ge=1, le=100, description="detections that make a person")
    lost_s: Seconds = Field(
        2.5, description="time unseen at an edge until a person has left; 1.6 times that elsewhere"
    )
    motionless_s: Seconds = Field(
        120, description="time without the least movement after which it is a mannequin or a poster"
    )


@dataclass(slots=True, eq=False)
class Target:
    """One followed person; the tracker's own state.

    ``looks`` since the person was confirmed found them in place; the last ``missed`` did not.
    The last certain detection came at ``sure_at``, and ``doubts`` others since then.
    """

    id: int
    box: F64
    score: float
    pts: float
    sure_at: float
    velocity: F64 = field(default_factory=lambda: np.zeros(4))
    hits: int = 1
    looks: int = 0
    missed: int = 0
    unseen_s: float = 0.0
    doubts: int = 0
    predicted: bool = False
    appearance: F64 | None = None

    def predict(self, pts: float) -> F64:
        """Box at ``pts``, moving on for at most ``FORESIGHT_S`` past the last detection."""
        moved = self.velocity * (min(max(pts - self.pts, 0.0), FORESIGHT_S) / 2)
        return np.ravel(self.box.reshape(2, 2) + moved.reshape(2, 2).sum(axis=0))

    def correct(self, detection: Detection, pts: float, sure: bool) -> None:
        """Blend in a detection (alpha 0.7, beta 0.3; a fifth of its appearance)."""
        box, score = np.array(detection.box, np.float64), detection.score
        expected = self.predict(pts)
        if not sure and box[3] - box[1] < WHOLE * (expected[3] - expected[1]):
            box = expected  # the part that is seen says little of where the rest is
        if detection.appearance and self.appearance is not None:
            self.appearance += 0.2 * (np.array(detection.appearance) - self.appearance)
        elapsed = pts - self.pts
        self.sure_at, self.doubts = (pts, 0) if sure else (self.sure_at, self.doubts + 1)
        error = box - expected
        if elapsed > 0:
            height = max(box[3] - box[1], 1.0)
            # The longer ago, the more of the error is due to the speed and not to the boxes; and
            # of a speed nothing is known before the second detection.
            gain = max(1.0 - np.exp(-elapsed / SPEED_S), FIRST if self.hits == 1 else 0.0)
            self.velocity += gain * error / max(elapsed, 0.05)
            # A person rarely moves faster than two body heights per second.
            self.velocity = np.clip(self.velocity, -2 * height, 2 * height)
        self.box = box - 0.3 * error
        self.score, self.pts = score, pts
        self.hits += 1
        self.looks += 1
        self.missed, self.unseen_s, self.predicted = 0, 0.0, False

    def rest(self, pts: float) -> None:
        """Nothing moved here."""
        self.velocity[:] = 0.0
        self.looks += 1
        self.pts, self.predicted = pts, False

    def as_box(self, pts: float) -> Box:
        return cast(Box, tuple(self.predict(pts).tolist()))


def assign(cost: F64, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost, none dearer than ``limit``."""
    if cost.size == 0:
        return []
    _, columns, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    return [(row, int(column)) for row, column in enumerate(columns) if column >= 0]


class Tracker:
    """Tracks of one camera. Call ``update`` with detections, ``advance`` without."""

    def __init__(self, settings: TrackSettings, person: PersonSettings) -> None:
        self._settings = settings
        self._person = person
        self._targets: list[Target] = []
        self._next_id = 1
        self._looked_at: float | None = None
        self._size: tuple[int, int] | None = None

    def update(
        self,
        detections: Sequence[Detection],
        pts: float,
        windows: Sequence[Window] | None = None,
        size: tuple[int, int] | None = None,
    ) -> list[int]:
        """Take the detections of the frame at ``pts``, ``size`` (width, height) if known; ids of
        confirmed tracks that ended.

        With ``windows``, only these were looked at, and elsewhere nothing moved: who is not in
        them stands still.
        """
        self._size = size
        elapsed = self._since_looked(pts)
        strong = [d for d in detections if d.score >= self._person.score]
        weak = [d for d in detections if self._person.keep_score <= d.score < self._person.score]
        waiting, fresh = self._match(self._targets, strong, pts)
        waiting, _ = self._match(waiting, weak, pts)
        missed = []
        for target in waiting:
            looked_at = windows is None or searched(target.as_box(pts), windows)
            if not looked_at and not target.missed:
                target.rest(pts)
            else:
                target.unseen_s += elapsed
                target.missed += 1
                target.predicted = True
                missed.append(target)
        ended = self._retire(missed)
        for detection in fresh:
            box = np.array(detection.box, np.float64)
            looks = np.array(detection.appearance) if detection.appearance else None
            self._targets.append(Target(0, box, detection.score, pts, pts, appearance=looks))
        for target in self._targets:
            if target.id == 0 and target.hits >= self._settings.confirm_hits:
                target.id, self._next_id = self._next_id, self._next_id + 1
                target.looks = 0
        return ended

    def still(self, pts: float) -> list[int]:
        """Nothing moved up to ``pts``: whoever the last look found is there, and whoever it missed
        is not; ids of confirmed tracks that ended."""
        elapsed = self._since_looked(pts)
        for target in self._targets:
            target.predicted = target.missed > 0
            target.unseen_s += elapsed * target.predicted
        return self._retire([target for target in self._targets if target.missed])

    def advance(self) -> None:
        """A frame went by without a detection run: boxes are predictions until the next one."""
        for target in self._targets:
            target.predicted = True

    def confirmed(self) -> list[Target]:
        """Targets that count as people, still in view or lost for a moment."""
        return [t for t in self._targets if t.id and t.unseen_s <= SHOWN_S]

    def unshown(self, pts: float) -> list[tuple[Box, float]]:
        """Boxes of those followed but not in ``confirmed``, and how long each was not seen."""
        shown = self.confirmed()
        return [(t.as_box(pts), pts - t.pts) for t in self._targets if t not in shown]

    def where(self, pts: float) -> list[Whereabouts]:
        """The people in view and what may yet become one; those just missed are in doubt."""
        return [
            Whereabouts(t.as_box(t.pts), t.as_box(pts), bool(t.id) and not t.missed)
            for t in self._targets
            if t.unseen_s <= SHOWN_S or t.missed < 2
        ]

    def settled(self) -> bool:
        """Whether a scene in which nothing moves may be left alone: everybody in it is confirmed,
        was seen often enough to be tagged, and is not missed for the first time."""
        return all(
            t.missed >= MISSED or (t.id and not t.missed and t.looks >= SETTLED)
            for t in self._targets
        )

    def drop(self, ids: Sequence[int]) -> None:
        """Follow some no longer: they are no people."""
        self._targets = [target for target in self._targets if target.id not in ids]

    def clear(self) -> list[int]:
        """Forget all (another picture size, another scene); ids of confirmed tracks that ended."""
        ended = [t.id for t in self._targets if t.id]
        self._targets, self._looked_at = [], None
        return ended

    def _since_looked(self, pts: float) -> float:
        """Seconds since the last look, or since nothing had moved after it."""
        since, self._looked_at = self._looked_at, pts
        return 0.0 if since is None else max(pts - since, 0.0)

    def _match(
        self, targets: list[Target], detections: list[Detection], pts: float
    ) -> tuple[list[Target], list[Detection]]:
        """Correct matched targets; returns what is left on both sides."""
        if not targets or not detections:
            return targets, detections
        predicted = np.array([t.predict(pts) for t in targets])
        boxes = np.array([d.box for d in detections], np.float64)
        unseen = np.array([max(pts - t.pts, 0.0) for t in targets])
        likeness = likeness_matrix(predicted, boxes, unseen)
        likeness *= resemblance_matrix(
            [t.appearance for t in targets], [d.appearance for d in detections]
        )
        pairs = assign(1.0 - likeness, 1.0 - self._settings.iou)
        for row, column in pairs:
            found = detections[column]
            targets[row].correct(found, pts, found.score >= self._person.score)
        rows, columns = {r for r, _ in pairs}, {c for _, c in pairs}
        return (
            [t for i, t in enumerate(targets) if i not in rows],
            [d for i, d in enumerate(detections) if i not in columns],
        )

    def _waits_s(self, target: Target) -> float:
        """How long somebody who is missed is waited for."""
        away = self._size is not None and inside(target.as_box(target.pts), self._size)
        return self._settings.lost_s * (PATIENCE if away else 1.0)

    def _retire(self, waiting: list[Target]) -> list[int]:
        """Drop unconfirmed targets at once, confirmed ones after a while and two looks, and who
        was in doubt for too long."""
        gone = [t for t in waiting if not t.id or (t.missed > 1 and t.unseen_s > self._waits_s(t))]
        doubted = [t for t in self._targets if t.doubts >= DOUBTS and t.pts - t.sure_at > DOUBT_S]
        gone += [t for t in doubted if t not in gone]
        self._targets = [t for t in self._targets if t not in gone]
        return [t.id for t in gone if t.id]


class Trackers:
    """The trackers of all cameras: written by tracking, read by the schedule of the next round."""

    def __init__(self, track: PerSource[TrackSettings], person: PerSource[PersonSettings]) -> None:
        self._track = track
        self._person = person
        self._by_source: dict[str, Tracker] = {}

    def of(self, source: str) -> Tracker:
        """A camera's tracker, made when first asked for."""
        if source not in self._by_source:
            self._by_source[source] = Tracker(self._track.of(source), self._person.of(source))
        return self._by_source[source]

    def settings(self, source: str) -> TrackSettings:
        """How a camera's people are followed."""
        return self._track.of(source)

    def where(self, source: str, pts: float) -> list[Whereabouts]:
        """A camera's people at a time in stream seconds."""
        return self.of(source).where(pts)

    def forget(self, source: str) -> None:
        self._by_source.pop(source, None)
