"""Which frames of which cameras the detector looks at, and at what in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.people.detect import PersonSettings
from pipeline.people.regions import renew, windows_to_look_at
from pipeline.people.track import Trackers
from pipeline.people.zones import Zones
from pipeline.picture.motion import Grid, changed_cells, luma_grid
from pipeline.protocols import Budget, Demand
from pipeline.settings.section import PerSource, Section, Share
from pipeline.types import Frame, TaggedFrame, Window

#: Seconds without motion after which a camera counts as still.
STILL_S = 5.0
#: Seconds for which a stream that has begun is looked at as if something moved: whoever stands
#: there from the first picture on gives no other cause to look.
START_S = 2.0
#: How overdue a detection is at least that comes first because a picture of the main stream waits.
PENDING = 0.5
#: How much longer a still camera may go on without a look at the whole picture.
PATIENCE = 4.0


class MotionSettings(Section):
    """When a scene counts as still."""

    threshold: Share = Field(0.002, description="share of the picture that must change")


@dataclass(slots=True)
class _Watch:
    """What is remembered of a camera.

    Attributes:
        size: width and height of its picture.
        began_at: when its stream began, in stream seconds, or its picture became another size.
        grid: its picture when last looked at.
        at: when that was.
        whole_at: when it was last looked at as a whole.
        moved_at: when something last moved.
        left_out: cells in which motion does not count.
    """

    size: tuple[int, int] = (0, 0)
    began_at: float = -inf
    grid: Grid | None = None
    at: float = -inf
    whole_at: float = -inf
    moved_at: float = -inf
    left_out: npt.NDArray[np.bool_] | None = None


def overdue(interval_s: float, since_s: float) -> float:
    """How overdue a detection is, as a share of its interval: from 1 on it is due if anything
    moves."""
    # A frame that comes a moment early would otherwise push the next detection a frame further.
    return since_s / (0.95 * interval_s) if interval_s > 0 else inf


class ScheduleStage:
    """Decides per frame whether it is looked at: ``detect``, ``predict`` (looked at recently, or
    others are more overdue) or ``still``.

    Live cameras share what the budget allows in a round, the most overdue first: a busy camera
    cannot starve a quiet one, and cameras that started together drift apart instead of asking all
    at once. Recordings get all they ask for. Between looks at the whole picture, only what changed
    and the people known from the last round are looked at. Where nothing moves, the whole picture
    is looked at while its stream has only begun, and while somebody in it is not settled (see
    ``Tracker.settled``).

    Attributes:
        pending: tells of a sub-stream's frame whether a picture of the main stream waits for a
            detection: it comes before the others.
    """

    name = "schedule"

    def __init__(
        self,
        person: PerSource[PersonSettings],
        motion: PerSource[MotionSettings],
        zones: PerSource[Zones],
        trackers: Trackers | None,
        pace: tuple[Budget, Demand],
        parts: bool = True,
    ) -> None:
        """Without ``parts``, or without ``trackers``, whole pictures are looked at always. Without
        ``trackers``, nobody is known who could need a look where nothing moves."""
        self.pending: Callable[[Frame], bool] = lambda frame: False
        self._person = person
        self._motion = motion
        self._zones = zones
        self._trackers = trackers
        self._parts = parts
        self._budget, self._demand = pace
        self._watches: dict[str, _Watch] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        late = [self._overdue(tagged.frame) for tagged in batch]
        left = self._budget.allowed("detection")
        out, asked, put_off = list(batch), 0, 0
        for i in sorted(range(len(batch)), key=lambda i: -late[i]):
            live = batch[i].frame.live
            if live and late[i] >= 1 and left <= 0:
                out[i] = replace(batch[i], decision="predict", skipped="deferred")
                put_off += 1
                continue
            out[i] = self._decide(batch[i], late[i])
            looks = live and out[i].decision == "detect"
            left, asked = left - looks, asked + looks
        self._demand.asked(asked + put_off, put_off)
        return out

    def forget(self, source: str) -> None:
        self._watches.pop(source, None)

    def _slowdown(self, frame: Frame) -> float:
        return self._budget.slowdown if frame.live else 1.0

    def _overdue(self, frame: Frame) -> float:
        watch = self._watches.setdefault(frame.source, _Watch())
        if frame.pts < watch.at:  # the stream began anew
            watch.at, watch.whole_at = -inf, -inf
            watch.began_at = watch.moved_at = frame.pts
        interval_s = self._person.of(frame.source).interval_s * self._slowdown(frame)
        late = overdue(interval_s, frame.pts - watch.at)
        return inf if late >= PENDING and frame.live and self.pending(frame) else late

    def _decide(self, tagged: TaggedFrame, late: float) -> TaggedFrame:
        frame = tagged.frame
        if late < 1:
            return replace(tagged, decision="predict", skipped="interval")
        watch, grid = self._watches[frame.source], luma_grid(frame.planes)
        windows = self._windows(frame, watch, grid)
        if windows == ():
            return replace(tagged, decision="still", skipped="motion")
        # Compared with what was last looked at, slow changes add up instead of hiding.
        if windows is None or watch.grid is None:
            watch.grid, watch.whole_at = grid, frame.pts
        else:
            renew(watch.grid, grid, windows, (frame.width, frame.height))
        watch.at = frame.pts
        return replace(tagged, decision="detect", windows=windows)

    def _windows(self, frame: Frame, watch: _Watch, grid: Grid) -> tuple[Window, ...] | None:
        """What to look at: ``None`` for the whole picture, nothing where nothing moved."""
        source, size = frame.source, (frame.width, frame.height)
        if watch.grid is None or watch.size != size:
            watch.left_out = self._zones.of(source).left_out(grid.shape)
            watch.size, watch.grid, watch.whole_at = size, grid, -inf
            watch.began_at = watch.moved_at = frame.pts
        changed = changed_cells(watch.grid, grid, watch.left_out)
        moved = np.count_nonzero(changed) >= self._motion.of(source).threshold * changed.size
        if moved:
            watch.moved_at = frame.pts
        still = frame.pts - watch.moved_at >= STILL_S
        self._demand.still(source, still)
        refresh_s = self._person.of(source).refresh_s * (PATIENCE if still else 1.0)
        if frame.pts - watch.whole_at >= refresh_s * self._slowdown(frame):
            return None
        if not moved:
            return None if self._awaited(frame, watch) else ()
        if self._trackers is None or not (self._parts and self._person.of(source).parts):
            return None
        people = self._trackers.where(source, frame.pts)
        return windows_to_look_at(changed, people, size)

    def _awaited(self, frame: Frame, watch: _Watch) -> bool:
        """Whether somebody may be there who has to be looked at though nothing moves."""
        if frame.pts - watch.began_at < START_S:
            return True
        return self._trackers is not None and not self._trackers.of(frame.source).settled()
