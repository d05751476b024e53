"""How much looking a machine can afford: from measured latency to the work allowed.

Four controllers, each with one job. ``Slowdown`` measures: by how much every interval of a live
camera is longer than configured. ``WorkBudget`` shares out the time for detections and crops.
``DecodingControl`` decides how thoroughly a camera is decoded. ``Gathering`` spaces rounds and
frames. All follow from the slowdown, for all cameras alike, so that quality falls evenly.
Recordings are never paced: they wait instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, inf
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from pipeline.settings.section import Seconds, Section, per_run
from pipeline.types import Decoding, Work

#: Seconds between two adjustments of the slowdown.
WINDOW_S = 1.0
#: Largest rise of the slowdown in one window.
RISE = 1.2
#: Its fall in one window when there is time to spare.
FALL = 0.9
#: Share of the latency aimed at under which there is time to spare.
SPARE = 0.6
#: Share of results, the latest left out, that must be within the latency aimed at.
WITHIN = 0.9
#: Share of the latency aimed at that one round may spend on each kind of work: a frame waits for
#: at most one round before its own begins.
SLICE = 0.2
#: Share of the time that each kind of work may take, divided by the slowdown if that is above 1.
SHARES = MappingProxyType[Work, float]({"detection": 0.65, "crop": 0.35})
#: Share of due detections put off from which cameras are decoded quickly.
QUICK = 0.1
#: Share of them under which they are decoded thoroughly again.
THOROUGH = 0.01
#: Rounds after which such a share is mostly (63 %) of what came since.
ROUNDS = 100
#: Seconds behind its camera from which a decoder skips to key frames.
BEHIND_S = 0.6
#: Seconds behind under which it decodes all frames again.
CAUGHT_UP_S = 0.2
#: Shortest time between two rounds under pressure: cameras looked at together share canvases.
GATHER_S = 0.08
#: Longest time between two frames offered of a camera: five in a second are always seen.
MOST_GAP_S = 0.14
#: Live cameras from which they are received in processes of their own, and how many streams each of
#: those takes: Python runs one thread of a process at a time.
CAMERAS_FROM = 10
STREAMS_EACH = 16


class PaceSettings(Section):
    """Holding real time with live cameras: what is given up when a machine has too little."""

    latency_s: Seconds = Field(0.35, description="capture-to-tag time aimed at")
    most_slowdown: float = Field(10.0, ge=1, le=1000, description="limit of how intervals grow")
    processes: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = per_run(
        "auto",
        description="processes that receive and decode RTSP cameras beside the run; auto: one for "
        f"every {STREAMS_EACH} streams, from {CAMERAS_FROM} cameras on",
    )


def adjusted(slowdown: float, ages: Sequence[float], settings: PaceSettings) -> float:
    """The slowdown after a window with results of these ages (seconds)."""
    if not ages:
        return slowdown
    age = sorted(ages)[min(int(WITHIN * len(ages)), len(ages) - 1)]
    late = age / settings.latency_s
    if late > 1:
        return min(slowdown * min(late, RISE), settings.most_slowdown)
    return max(slowdown * FALL, 1.0) if late < SPARE else slowdown


class Slowdown:
    """The factor by which every interval of a live camera is longer than configured. It rises at
    once while results are late and falls slowly when they are well in time.

    Attributes:
        factor: 1 where nothing is given up.
        seconds: how long it was above 1.
    """

    def __init__(self, settings: PaceSettings, factor: float = 1.0) -> None:
        self.factor = factor
        self.seconds = 0.0
        self._settings = settings
        self._ages: list[float] = []
        self._since: float | None = None
        self._excused = -inf

    def excuse(self, now: float) -> None:
        """Frames taken until now were kept waiting by something that will not come again."""
        self._excused = now

    def finished(self, now: float, age_s: float) -> None:
        """Report a result of a live camera: the time, monotonic, and the age of its frame."""
        if now - age_s < self._excused:
            return
        self._ages.append(age_s)
        if self._since is None:
            self._since = now
        elapsed = now - self._since
        if elapsed >= WINDOW_S:
            if self.factor > 1:
                self.seconds += elapsed
            self.factor = adjusted(self.factor, self._ages, self._settings)
            self._ages.clear()
            self._since = now


class WorkBudget:
    """Detections and crops of live cameras: as many as the time has room for."""

    def __init__(self, settings: PaceSettings, slowdown: Slowdown) -> None:
        self._slowdown = slowdown
        self._slice = SLICE * settings.latency_s
        self._costs: dict[Work, float] = {}
        self._credits: dict[Work, float] = {}
        self._round: float | None = None

    @property
    def slowdown(self) -> float:
        return self._slowdown.factor

    def excuse(self, now: float) -> None:
        self._slowdown.excuse(now)

    def begin(self, now: float) -> None:
        """A round of work begins: time since the last one is shared out."""
        passed = 0.0 if self._round is None else min(now - self._round, 1.0)
        self._round = now
        for work, share in SHARES.items():
            credit = self._credits.get(work, 0.0) + passed * share / self.slowdown
            self._credits[work] = min(credit, self._slice)

    def spent(self, work: Work, seconds: float, count: int) -> None:
        if count:
            cost = seconds / count
            self._costs[work] = 0.9 * self._costs.get(work, cost) + 0.1 * cost
            self._credits[work] = max(self._credits.get(work, 0.0) - seconds, -self._slice)

    def rate(self, work: Work) -> float:
        cost = self._costs.get(work)
        return SHARES[work] / self.slowdown / cost if cost else inf

    def allowed(self, work: Work) -> int:
        """As many as fit a round's slice of the time, at least one; under pressure, as many as
        their share of the time has room for, maybe none."""
        cost = self._costs.get(work)
        if not cost:
            return 1
        if self.slowdown > 1:
            return max(ceil(self._credits.get(work, 0.0) / cost), 0)
        return max(int(self._slice / cost), 1)


class DecodingControl:
    """How thoroughly cameras are decoded. The schedule reports what it needs of them; their capture
    threads ask."""

    def __init__(self, slowdown: Slowdown) -> None:
        self._slowdown = slowdown
        self._short = 0.0
        self._still: dict[str, bool] = {}

    def asked(self, count: int, put_off: int) -> None:
        if count:
            self._short += (put_off / count - self._short) / ROUNDS

    def still(self, source: str, still: bool) -> None:
        self._still[source] = still

    def forget(self, source: str) -> None:
        self._still.pop(source, None)

    def told(self) -> tuple[float, Mapping[str, bool]]:
        """What ``follow`` takes: all that is known but for the slowdown."""
        return self._short, dict(self._still)

    def follow(self, short: float, still: Mapping[str, bool]) -> None:
        """Choose as another process's control that knows this."""
        self._short, self._still = short, dict(still)

    def choose(self, source: str, behind_s: float, now: Decoding) -> Decoding:
        """How a camera is worth decoding, given how it is decoded now and how far its newest frame
        lies behind. Key frames only is how one that fell behind catches up."""
        if behind_s > (CAUGHT_UP_S if now == "key" else BEHIND_S):
            return "key"
        short = self._short >= (THOROUGH if now == "quick" else QUICK)
        still = self._still.get(source, False)
        return "quick" if short or still or self._slowdown.factor > 1 else "all"


class Gathering:
    """Fewer, fuller rounds under pressure: frames that are looked at together share canvases."""

    def __init__(self, slowdown: Slowdown) -> None:
        self._slowdown = slowdown
        self._round: float | None = None

    def begin(self, now: float) -> None:
        """A round begins, at a monotonic time."""
        self._round = now

    def pause(self, now: float) -> float:
        """Seconds to gather frames before the next round begins."""
        if self._slowdown.factor <= 1 or self._round is None:
            return 0.0
        return max(self._round + GATHER_S - now, 0.0)

    @property
    def gap_s(self) -> float:
        """Shortest stream time between two frames a camera offers."""
        return min(MOST_GAP_S * (self._slowdown.factor - 1.0), MOST_GAP_S)


class Pace:
    """The four controllers of a run. The inference thread reports to them; capture threads only
    read."""

    def __init__(self, settings: PaceSettings | None = None, slowdown: float = 1.0) -> None:
        settings = settings or PaceSettings()
        self.slowdown = Slowdown(settings, slowdown)
        self.budget = WorkBudget(settings, self.slowdown)
        self.decoding = DecodingControl(self.slowdown)
        self.gathering = Gathering(self.slowdown)

    def begin(self, now: float) -> None:
        """A round begins, at a monotonic time."""
        self.budget.begin(now)
        self.gathering.begin(now)
