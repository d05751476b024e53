"""One camera whose main stream is received beside its sub-stream: what pictures it gives, and where
people were at their moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from pipeline.picture.crop import visible_share
from pipeline.picture.registration import Registration
from pipeline.protocols import Larger
from pipeline.types import Box, Frame, TaggedFrame, Track

#: Seconds for which boxes are remembered, and that may lie between two of which one is made.
KEPT_S = 8.0
BETWEEN_S = 1.2
#: Seconds from one of two such boxes within which it does not matter how far off the other is: of
#: two detections 2 s apart the box 0.3 s from one is as right as the middle of two 1.2 s apart.
NEAR_S = 0.3
#: Seconds after which somebody is looked at on the sub-stream if the main stream gives nothing.
PATIENCE_S = 3.0
#: Seconds ahead, and the share of somebody still visible then below which they are about to leave.
AHEAD_S = 0.6
LEAVING = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Closeup:
    """A picture of the main stream, dated in the sub-stream's seconds."""

    frame: Frame
    registration: Registration


class Main(Protocol):
    """One camera's main stream, received and not decoded."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of its pictures, once known."""
        ...

    @property
    def registration(self) -> Registration | None:
        """Where the sub-stream's picture lies in its own, once known."""
        ...

    def ask(self, after: float, urgent: bool) -> None:
        """Want a picture of after a moment, in the sub-stream's seconds: the next key frame, or, if
        it is urgent, the newest there is."""
        ...

    def take(self) -> list[Closeup]:
        """The pictures decoded since this was last asked, their moments known."""
        ...


@dataclass(slots=True)
class AtHand:
    """A picture of the main stream that looks may be taken at, since when (stream seconds), and how
    well it shows whom."""

    closeup: Closeup
    since: float
    quality: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Beside:
    """What is known of one camera.

    Attributes:
        boxes: of each detection round, when it was and where people were.
        first: when each person was first seen.
        since: since when each waits for a look.
        last: the moment of the newest picture of the main stream.
        began: when its sub-stream began.
        asked: since when (monotonic seconds) a picture is asked for, of how many people; 0 of them
            once it came.
        now: when its sub-stream's newest picture was taken, monotonic.
        hanging: looks that its pictures at hand were left for.
    """

    boxes: deque[tuple[float, dict[int, Box]]] = field(default_factory=deque)
    first: dict[int, float] = field(default_factory=dict)
    since: dict[int, float] = field(default_factory=dict)
    pictures: list[AtHand] = field(default_factory=list)
    last: float = -inf
    began: float = inf
    asked: tuple[float, int] = (-inf, 0)
    now: float = -inf
    hanging: int = 0
    scale: tuple[Registration, tuple[int, int]] | None = None

    def note(self, tagged: TaggedFrame) -> None:
        """Remember where people were found."""
        pts = tagged.frame.pts
        self.began = min(self.began, pts)
        if tagged.decision == "predict":
            return
        found = {track.id: track.box for track in tagged.tracks if not track.predicted}
        self.boxes.append((pts, found))
        while self.boxes[0][0] < pts - KEPT_S:
            self.boxes.popleft()
        there = {track.id for track in tagged.tracks}
        self.first = {i: self.first.get(i, pts) for i in there}
        self.since = {i: at for i, at in self.since.items() if i in there}

    @property
    def latest(self) -> float:
        return self.boxes[-1][0] if self.boxes else -inf

    def pending(self, now: float) -> bool:
        """Whether a picture is at hand of a moment that has come by ``now``, and after which nobody
        was searched for: a detection soon tells where people were."""
        return any(self.latest < one.closeup.frame.pts <= now for one in self.pictures)

    def awaited(self, now: float) -> int:
        """How many people a picture that is asked for is to show, if it may still come."""
        at, people = self.asked
        return people * (now - at < PATIENCE_S)

    def outstanding(self, now: float) -> int:
        """Looks yet to be taken at pictures at hand or asked for, at a monotonic time; none of a
        camera that sends nothing any more."""
        return (self.hanging + self.awaited(now)) * (now - self.now < PATIENCE_S)

    def box(self, track_id: int, at: float) -> Box | None:
        """Where somebody was: between where they were found before and after that moment."""
        known = [(pts, boxes[track_id]) for pts, boxes in self.boxes if track_id in boxes]
        before = next(((pts, box) for pts, box in reversed(known) if pts <= at), None)
        after = next(((pts, box) for pts, box in known if pts >= at), None)
        if before is None or after is None:
            return None
        near = min(at - before[0], after[0] - at) <= NEAR_S
        if after[0] - before[0] > BETWEEN_S and not near:
            return None
        span = after[0] - before[0]
        share = (at - before[0]) / span if span else 0.0
        x0, y0, x1, y1 = (a + share * (b - a) for a, b in zip(before[1], after[1], strict=True))
        return x0, y0, x1, y1

    def leaves(self, track_id: int, frame: Frame) -> bool:
        """Whether somebody is about to leave the picture."""
        known = [(pts, boxes[track_id]) for pts, boxes in self.boxes if track_id in boxes][-2:]
        if len(known) < 2:
            return False
        (then, old), (now, new) = known
        ahead = AHEAD_S / max(now - then, 1e-3)
        x0, y0, x1, y1 = (b + ahead * (b - a) for a, b in zip(old, new, strict=True))
        return visible_share((x0, y0, x1, y1), frame.width, frame.height) < LEAVING

    def there(self, closeup: Closeup, tracks: Sequence[Track], frame: Frame) -> tuple[Track, ...]:
        """People of a frame where they were at the moment of a picture, in its pixels."""
        sizes = (frame.width, frame.height), (closeup.frame.width, closeup.frame.height)
        return tuple(
            replace(track, box=closeup.registration.to_main(box, *sizes), predicted=False)
            for track in tracks
            if (box := self.box(track.id, closeup.frame.pts)) is not None
        )

    def large(self, track: Track, frame: Frame) -> Track:
        """A person in the main stream's pixels, as well as the main stream would show them."""
        if self.scale is None:
            return track
        registration, size = self.scale
        box = registration.to_main(track.box, (frame.width, frame.height), size)
        taller = (box[3] - box[1]) / max(track.box[3] - track.box[1], 1e-6)
        return replace(track, box=box, quality=track.quality * taller)

    def moment(self, frame: Frame, larger: Larger) -> AtHand | None:
        """What a recording shows at the moment of its proxy's frame."""
        if self.pictures and self.pictures[0].since == frame.pts:
            return self.pictures[0]
        found = larger.picture()
        if found is None:
            return None
        picture, (x0, y0, x1, y1) = found
        registration = Registration(x1 - x0, y1 - y0, x0, y0)
        shown = replace(frame, planes=picture, sub=False, larger=None)
        self.scale = registration, larger.size
        self.pictures = [AtHand(Closeup(shown, registration), frame.pts)]
        return self.pictures[0]
