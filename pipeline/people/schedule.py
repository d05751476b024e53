"""Which frames of which cameras the detector looks at, and at what in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt

from pipeline.flow.pace import Pace
from pipeline.flow.stats import Stats
from pipeline.people.regions import Whereabouts, renew, windows_to_look_at
from pipeline.people.skip import SkipPolicy, due
from pipeline.people.zones import Zones
from pipeline.picture.motion import Grid, changed_cells, luma_grid
from pipeline.picture.yuv import Window
from pipeline.types import Frame, TaggedFrame

#: Seconds without motion after which a camera counts as still, and how much longer it may go on
#: without a look then.
STILL_S, PATIENCE = 5.0, 4.0
#: A camera's people at a time in stream seconds.
Where = Callable[[str, float], Sequence[Whereabouts]]


@dataclass(slots=True)
class _Watch:
    """What is remembered of a camera: its picture when last looked at, when that was, when it was
    last looked at as a whole, when something last moved, and the cells in which motion does not
    count."""

    grid: Grid | None = None
    at: float = -inf
    whole_at: float = -inf
    moved_at: float = -inf
    left_out: npt.NDArray[np.bool_] | None = None


class ScheduleStage:
    """Decides per frame whether it is looked at: ``detect``, ``predict`` (looked at recently, or
    others are more overdue) or ``still``.

    Live cameras share what the pace allows in a round, the most overdue first: a busy camera cannot
    starve a quiet one, and cameras that started together drift apart instead of asking all at once.
    Recordings get all they ask for. Between looks at the whole picture only what changed is looked
    at, if ``where`` tells where people are.
    """

    name = "schedule"

    def __init__(
        self,
        policy: SkipPolicy,
        stats: Stats,
        pace: Pace,
        zones: Mapping[str, Zones] | None = None,
        where: Where | None = None,
    ) -> None:
        self._policy = policy
        self._stats = stats
        self._pace = pace
        self._zones = zones or {}
        self._where = where
        self._watches: dict[str, _Watch] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        overdue = [self._overdue(tagged.frame) for tagged in batch]
        left = self._pace.allowed("detection")
        out, asked, put_off = list(batch), 0, 0
        for i in sorted(range(len(batch)), key=lambda i: -overdue[i]):
            frame = batch[i].frame
            if frame.live and overdue[i] >= 1 and left <= 0:
                self._stats.camera(frame.source).skipped["deferred"] += 1
                out[i] = replace(batch[i], decision="predict")
                put_off += 1
                continue
            out[i] = self._decide(batch[i], overdue[i])
            looks = frame.live and out[i].decision == "detect"
            left, asked = left - looks, asked + looks
        self._pace.due(asked + put_off, put_off)
        return out

    def _stretch(self, frame: Frame) -> float:
        return self._pace.stretch if frame.live else 1.0

    def _overdue(self, frame: Frame) -> float:
        watch = self._watches.setdefault(frame.source, _Watch())
        if frame.pts < watch.at:  # the stream began anew
            watch.at, watch.whole_at, watch.moved_at = -inf, -inf, frame.pts
        return due(self._policy, frame.pts - watch.at, self._stretch(frame))

    def _decide(self, tagged: TaggedFrame, overdue: float) -> TaggedFrame:
        frame = tagged.frame
        stats, watch = self._stats.camera(frame.source), self._watches[frame.source]
        if overdue < 1:
            stats.skipped["interval"] += 1
            return replace(tagged, decision="predict")
        grid = luma_grid(frame.planes)
        if watch.grid is None or watch.grid.shape != grid.shape:
            watch.left_out = self._zones.get(frame.source, Zones()).left_out(grid.shape)
            watch.grid, watch.whole_at, watch.moved_at = grid, -inf, frame.pts
        windows: tuple[Window, ...] | None = None
        changed = changed_cells(watch.grid, grid, watch.left_out)
        moved = np.count_nonzero(changed) >= self._policy.motion * changed.size
        if moved:
            watch.moved_at = frame.pts
        stats.still = frame.pts - watch.moved_at >= STILL_S
        refresh_s = self._policy.refresh_s * (PATIENCE if stats.still else 1.0)
        if frame.pts - watch.whole_at < refresh_s * self._stretch(frame):
            if not moved:
                windows = ()
            elif self._where is not None:
                people = self._where(frame.source, frame.pts)
                windows = windows_to_look_at(changed, people, (frame.width, frame.height))
            if windows == ():
                stats.skipped["motion"] += 1
                return replace(tagged, decision="still")
        # Compared with what was last looked at, slow changes add up instead of hiding.
        if windows is None:
            watch.grid, watch.whole_at = grid, frame.pts
        else:
            stats.partial_runs += 1
            renew(watch.grid, grid, windows, (frame.width, frame.height))
        watch.at = frame.pts
        stats.detector_runs += 1
        return replace(tagged, decision="detect", windows=windows)
