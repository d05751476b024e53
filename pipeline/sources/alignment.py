"""One time for both streams of a camera: by its own clock or by when pictures arrive, and corrected
by what they show."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.picture.registration import Seen, Thumbnail, differences

#: What tells when two pictures were taken, before they are compared.
Clock = Literal["reports", "arrival"]
#: Seconds of the sub-stream that are remembered, and by which streams may be apart.
KEPT_S = 8.0
SEARCH_S = 2.5
#: Share of what changes by which the right moment differs at most, and luma steps of noise.
#: On a clip at two sizes it was 0.02 to 0.04, of the best wrong one 0.10 to 0.20.
FITS = 0.06
NOISE = 2.0
#: Differences up to which a moment is as good as the best: a factor and steps of luma.
AS_GOOD = 1.25
MARGIN = 0.75
#: Share of the usual difference below which a moment stands out.
DISTINCT = 0.6
#: Pictures' times by which clocks may be wrong where they are not doubted, and the share of that
#: which is corrected for good with every picture.
NEAR = 3.0
GENTLY = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One picture of the sub-stream: its times as of ``Frame``, and its thumbnail."""

    pts: float
    taken: float
    utc: float | None
    thumb: Thumbnail


@dataclass(frozen=True, slots=True)
class Placed:
    """When a picture of the main stream was taken, in the sub-stream's seconds, as clocks alone
    tell."""

    pts: float
    clock: Clock


class Alignment:
    """Places pictures of the main stream in the sub-stream's time.

    Clocks tell first: the camera's own where both streams report it, else when pictures arrive.
    Neither is relied on: encoders delay pictures, and reports can be wrong. So each picture is
    compared with those of the sub-stream at its moment. Where another moment fits clearly better,
    twice in a row by the same difference, that is the streams' shift from then on; until then, no
    moment is given. Where nothing moves, any moment is right. Until a clock was found right once by
    something that moved, a picture is compared with all that it may belong to.

    Attributes:
        doubtful: pictures that fitted no moment.
    """

    def __init__(self) -> None:
        self.doubtful = 0
        self._sights: deque[Sight] = deque()
        self._shifts: dict[Clock, float] = {}
        self._proposed: dict[Clock, float] = {}
        self._proven: set[Clock] = set()

    def saw(self, sight: Sight) -> None:
        """Take in a picture of the sub-stream."""
        if self._sights and sight.pts <= self._sights[-1].pts:
            self.restart()
        self._sights.append(sight)
        while self._sights[0].pts < sight.pts - KEPT_S:
            self._sights.popleft()

    def restart(self) -> None:
        """The sub-stream's time will begin anew; what its clocks are off by stays."""
        self._sights.clear()

    def shift(self, clock: Clock) -> float:
        """Seconds to add to what a clock tells."""
        return self._shifts.get(clock, 0.0)

    def placed(self, taken: float, utc: float | None, clock: Clock | None = None) -> Placed | None:
        """What clocks tell of a picture taken then; ``None`` where there is nothing to compare.

        Args:
            taken: monotonic seconds, as far as its arrival tells.
            utc: by the camera's clock, if known.
            clock: which one to go by; the camera's, if it can be, by default.
        """
        if not self._sights:
            return None
        last = self._sights[-1]
        if clock != "arrival" and utc is not None and last.utc is not None:
            return Placed(last.pts + utc - last.utc, "reports")
        return Placed(last.pts + taken - last.taken, "arrival")

    def moment(self, placed: Placed, main: Seen) -> float | Literal["later"] | None:
        """When a picture of the main stream was taken, in the sub-stream's seconds; ``later`` while
        pictures of that time are yet to come, ``None`` where it fits none."""
        if len(self._sights) < 3:
            return "later"
        if self._sights[-1].pts < placed.pts + self.shift(placed.clock):
            return "later"  # asked with every packet: before anything is computed
        times = np.array([sight.pts for sight in self._sights])
        period = float(np.median(np.diff(times)))
        here = placed.pts + self.shift(placed.clock)
        if times[-1] < here + period / 2:
            return "later"
        proven = placed.clock in self._proven
        if not proven and times[-1] < placed.pts + SEARCH_S:
            return "later"
        sure = proven or times[0] <= placed.pts - SEARCH_S
        found = differences([sight.thumb for sight in self._sights], main)
        if found is None:
            return here if sure and times[0] <= here else None
        apart, change = found
        near = np.abs(times - here) <= 0.75 * period
        best = int(apart.argmin())
        fits = bool(apart[best] <= max(FITS * change, NOISE))
        distinct = fits and bool(apart[best] < DISTINCT * np.median(apart))
        if fits and near.any() and apart[near].min() <= AS_GOOD * apart[best] + MARGIN:
            self._proposed.pop(placed.clock, None)
            error = _finer(times, apart, best) - here
            if distinct and abs(error) < NEAR * period:
                step = GENTLY if proven else 1.0
                self._proven.add(placed.clock)
                self._shifts[placed.clock] = self.shift(placed.clock) + step * error
                return here + error
            return here if sure else None
        if distinct and best < len(times) - 2:
            self._propose(placed.clock, _finer(times, apart, best) - placed.pts, period)
        elif times[-1] < placed.pts + SEARCH_S:  # it may belong to one that is yet to come
            return "later"
        self.doubtful += 1
        return None

    def _propose(self, clock: Clock, shift: float, period: float) -> None:
        """Another shift fits better; believed when the next picture says the same."""
        before = self._proposed.pop(clock, None)
        if before is not None and abs(before - shift) <= 1.5 * period:
            self._shifts[clock] = (before + shift) / 2
            self._proven.add(clock)
        else:
            self._proposed[clock] = shift


def _finer(times: npt.NDArray[np.float64], apart: npt.NDArray[np.float64], best: int) -> float:
    """The time of the least difference, between pictures: the lowest point of a parabola."""
    if not 0 < best < len(times) - 1:
        return float(times[best])
    before, least, after = apart[best - 1 : best + 2]
    bend = before - 2 * least + after
    offset = 0.5 * (before - after) / bend if bend > 0 else 0.0
    step = times[best + 1] - times[best] if offset > 0 else times[best] - times[best - 1]
    return float(times[best] + offset * step)
