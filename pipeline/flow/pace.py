"""How much looking a machine can afford: from measured latency to the work allowed.

One number, ``stretch``, says by how much every interval of a live camera is longer than configured.
It rises at once while results are later than the latency budget and falls slowly when they are well
within it. Everything that saves work under pressure follows from it, for all cameras alike, so
quality falls evenly. Recordings are never paced: they wait instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Literal

Work = Literal["detection", "crop"]
#: Everything; without what no other picture refers to and without smoothing block edges (a quarter
#: of the time for about 44 dB); key frames only.
Decoding = Literal["all", "quick", "key"]

#: Seconds between two adjustments.
WINDOW_S = 1.0
#: Largest rise of the stretch in one window, and its fall when there is time to spare.
RISE, FALL = 1.2, 0.9
#: Share of the budget under which there is time to spare.
SPARE = 0.6
#: Share of the budget that one round may spend on each kind of work: a frame waits for at most one
#: round before its own begins.
SLICE = 0.2
#: Share of results, the latest left out, that must be within the budget.
WITHIN = 0.9
#: Share of due detections put off from which cameras are decoded quickly, and until when.
QUICK, THOROUGH = 0.1, 0.01
#: Rounds after which such a share is mostly (63 %) of what came since.
ROUNDS = 100
#: Share of the time that each kind of work may take, divided by the stretch if that is above 1.
SHARES: dict[Work, float] = {"detection": 0.65, "crop": 0.35}
#: Seconds behind its camera from which a decoder skips to key frames, and until when.
BEHIND_S, CAUGHT_UP_S = 0.6, 0.2
#: Shortest time between two rounds under pressure: cameras looked at together share canvases.
GATHER_S = 0.08
#: Longest time between two frames offered of a camera: five in a second are always seen.
MOST_GAP_S = 0.14


@dataclass(frozen=True, slots=True)
class PacePolicy:
    """What is to be held.

    Attributes:
        latency_s: capture-to-tag time of live cameras that is aimed at.
        most_stretch: intervals never grow by more than this factor.
    """

    latency_s: float = 0.35
    most_stretch: float = 10.0


def adjusted(stretch: float, ages: Sequence[float], policy: PacePolicy) -> float:
    """The stretch after a window with results of these ages (seconds)."""
    if not ages:
        return stretch
    age = sorted(ages)[min(int(WITHIN * len(ages)), len(ages) - 1)]
    late = age / policy.latency_s
    if late > 1:
        return min(stretch * min(late, RISE), policy.most_stretch)
    return max(stretch * FALL, 1.0) if late < SPARE else stretch


@dataclass(slots=True)
class Pace:
    """The controller. The inference thread reports to it; capture threads only read."""

    policy: PacePolicy = field(default_factory=PacePolicy)
    stretch: float = 1.0
    stretched_s: float = 0.0
    short: float = 0.0
    _ages: list[float] = field(default_factory=list)
    _since: float | None = None
    _costs: dict[Work, float] = field(default_factory=dict)
    _credits: dict[Work, float] = field(default_factory=dict)
    _round: float | None = None
    _excused: float = -inf

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
            if self.stretch > 1:
                self.stretched_s += elapsed
            self.stretch = adjusted(self.stretch, self._ages, self.policy)
            self._ages.clear()
            self._since = now

    def begin(self, now: float) -> None:
        """A round of work begins: time since the last one is shared out."""
        passed = 0.0 if self._round is None else min(now - self._round, 1.0)
        self._round = now
        for work, share in SHARES.items():
            credit = self._credits.get(work, 0.0) + passed * share / self.stretch
            self._credits[work] = min(credit, self._slice)

    def due(self, count: int, put_off: int) -> None:
        """Report how many detections of live cameras a round was asked for, and how many of them
        have to wait for another."""
        if count:
            self.short += (put_off / count - self.short) / ROUNDS

    def spent(self, work: Work, seconds: float, count: int) -> None:
        """Report what ``count`` detections or crops of live cameras took together."""
        if count:
            cost = seconds / count
            self._costs[work] = 0.9 * self._costs.get(work, cost) + 0.1 * cost
            self._credits[work] = max(self._credits.get(work, 0.0) - seconds, -self._slice)

    def allowed(self, work: Work) -> int:
        """How many detections or crops the round may do for live cameras: as many as fit its slice
        of the budget, at least one; under pressure, as many as their share of the time has room
        for, maybe none."""
        cost = self._costs.get(work)
        if not cost:
            return 1
        if self.stretch > 1:
            return max(ceil(self._credits.get(work, 0.0) / cost), 0)
        return max(int(self._slice / cost), 1)

    @property
    def _slice(self) -> float:
        return SLICE * self.policy.latency_s

    def decoding(self, behind_s: float, now: Decoding, still: bool = False) -> Decoding:
        """Which frames of a camera are worth decoding, given what is decoded now, how far the
        newest lies behind the camera and whether it shows anything moving. Key frames only is how
        one that fell behind catches up."""
        if behind_s > (CAUGHT_UP_S if now == "key" else BEHIND_S):
            return "key"
        short = self.short >= (THOROUGH if now == "quick" else QUICK)
        return "quick" if short or still or self.stretch > 1 else "all"

    def pause(self, now: float) -> float:
        """Seconds to gather frames before the next round begins."""
        if self.stretch <= 1 or self._round is None:
            return 0.0
        return max(self._round + GATHER_S - now, 0.0)

    @property
    def gap_s(self) -> float:
        """Shortest stream time between two frames a camera offers."""
        return min(MOST_GAP_S * (self.stretch - 1.0), MOST_GAP_S)
