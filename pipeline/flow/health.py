"""Whether an outlet works: tried again more and more rarely while it fails, reported once."""

from __future__ import annotations

import logging
import time

from pipeline.errors import SinkError
from pipeline.flow.stats import OutletStats

log = logging.getLogger("threadline.outlets")

#: Seconds before an outlet that failed is tried again: the first time, and at most.
FIRST_S = 0.5
LONGEST_S = 30.0
#: Seconds for which it has to work before its next failure is news.
STEADY_S = 60.0


class Health:
    """What became of the tries of one outlet; used by its thread alone."""

    def __init__(self, counters: OutletStats) -> None:
        self.counters = counters
        self._pause_s = FIRST_S
        self._again = 0.0
        self._since = 0.0
        self._works_since = float("-inf")
        self._unsteady = False

    @property
    def pause_s(self) -> float:
        """Seconds until the next try; 0 while it works."""
        if self.counters.state == "up":
            return 0.0
        return max(self._again - time.monotonic(), 0.0)

    @property
    def failing_s(self) -> float:
        """For how long it has failed."""
        return 0.0 if self.counters.state == "up" else time.monotonic() - self._since

    def failed(self, error: Exception) -> None:
        """A try failed."""
        counters, now = self.counters, time.monotonic()
        counters.failures += 1
        counters.note = f"{counters.name}: {error}"
        if counters.state == "up":
            counters.state, self._since, self._pause_s = "failing", now, FIRST_S
            self._tell(error, now)
        self._again = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_S)

    def worked(self, count: int) -> None:
        """``count`` results were taken."""
        counters = self.counters
        counters.written += count
        now = time.monotonic()
        if counters.state != "up":
            counters.state, counters.note, self._works_since = "up", "", now
            if not self._unsteady:
                log.warning("%s: works again after %.0f s", counters.name, now - self._since)
        elif self._unsteady and now - self._works_since >= STEADY_S:
            self._unsteady = False
            log.warning("%s: works again, for %.0f s now", counters.name, now - self._works_since)

    def _tell(self, error: Exception, now: float) -> None:
        """Each spell is told, unless one follows the other: then that, once."""
        if now - self._works_since >= STEADY_S:
            known = isinstance(error, SinkError)
            log.error(
                "%s; it is tried again until it works",
                self.counters.note,
                exc_info=not known and error,
            )
        elif not self._unsteady:
            self._unsteady = True
            log.error(
                "%s; it fails again and again, which is counted until it has worked for %.0f s",
                self.counters.note,
                STEADY_S,
            )
