"""Which frames of which cameras the detector looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt

from pipeline.motion import Grid, changed_share, luma_grid
from pipeline.pace import Pace
from pipeline.skip import SkipPolicy, due
from pipeline.stats import Stats
from pipeline.types import Decision, Frame, TaggedFrame
from pipeline.zones import Zones


@dataclass(slots=True)
class _Watch:
    """What is remembered of a camera: its picture at the last detection, when that was, and the
    cells of such a picture in which motion does not count."""

    grid: Grid | None = None
    at: float = -inf
    left_out: npt.NDArray[np.bool_] | None = None


class ScheduleStage:
    """Decides per frame whether it is looked at: ``detect``, ``predict`` (looked at recently, or
    others are more overdue) or ``still``.

    Live cameras share what the pace allows in a round, the most overdue first: a busy camera cannot
    starve a quiet one, and cameras that started together drift apart instead of asking all at once.
    Recordings get all they ask for.
    """

    name = "schedule"

    def __init__(
        self, policy: SkipPolicy, stats: Stats, pace: Pace, zones: Mapping[str, Zones] | None = None
    ) -> None:
        self._policy = policy
        self._stats = stats
        self._pace = pace
        self._zones = zones or {}
        self._watches: dict[str, _Watch] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        overdue = [self._overdue(tagged.frame) for tagged in batch]
        left = self._pace.allowed("detection")
        decisions: dict[int, Decision] = {}
        for i in sorted(range(len(batch)), key=lambda i: -overdue[i]):
            frame = batch[i].frame
            if frame.live and overdue[i] >= 1 and left == 0:
                self._stats.camera(frame.source).skipped["deferred"] += 1
                decisions[i] = "predict"
                continue
            decisions[i] = self._decide(frame, overdue[i])
            left -= frame.live and decisions[i] == "detect"
        return [replace(tagged, decision=decisions[i]) for i, tagged in enumerate(batch)]

    def _overdue(self, frame: Frame) -> float:
        watch = self._watches.setdefault(frame.source, _Watch())
        since = frame.pts - watch.at
        if since < 0:  # the stream began anew
            watch.at, since = -inf, inf
        return due(self._policy, since, self._pace.stretch if frame.live else 1.0)

    def _decide(self, frame: Frame, overdue: float) -> Decision:
        stats, watch = self._stats.camera(frame.source), self._watches[frame.source]
        if overdue < 1:
            stats.skipped["interval"] += 1
            return "predict"
        grid = luma_grid(frame.luma)
        if watch.grid is None or watch.grid.shape != grid.shape:
            changed = 1.0
            watch.left_out = self._zones.get(frame.source, Zones()).left_out(grid.shape)
        else:
            changed = changed_share(watch.grid, grid, watch.left_out)
        if changed < self._policy.motion and frame.pts - watch.at < self._policy.refresh_s:
            stats.skipped["motion"] += 1
            return "still"
        # Compared with the last picture looked at, slow changes add up instead of hiding.
        watch.grid, watch.at = grid, frame.pts
        stats.detector_runs += 1
        return "detect"
