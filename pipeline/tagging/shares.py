"""Taggers that pay for themselves: one that is heavy looks less often, and nobody else does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pipeline.tagging.tagger import Tagger

#: Seconds of work that may be owed or saved, of a tagger's share.
MOST_S = 1.0


class Shares:
    """Time that taggers with a ``share`` may take for live cameras. What they were promised adds up
    while they do nothing; what they took, they wait for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: float | None = None
        self._credit: dict[str, float] = {}
        self._cost: dict[str, float] = {}
        self._promised: dict[str, float] = {}

    def begin(self, taggers: Iterable[Tagger], slowdown: float) -> None:
        """A round begins: the time since the last one is shared out."""
        now = self._clock()
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._promised.clear()
        for tagger in taggers:
            share = tagger.share
            if share is not None:
                credit = self._credit.get(tagger.name, 0.0) + passed * share / slowdown
                self._credit[tagger.name] = min(credit, MOST_S * share)

    def poor(self) -> frozenset[str]:
        """Names of taggers that can afford nothing now."""
        return frozenset(name for name, credit in self._credit.items() if credit < 0)

    def admit(self, tagger: Tagger) -> bool:
        """Whether a tagger can afford one more look in this round; if so, it is promised."""
        if tagger.share is None:
            return True
        promised = self._promised.get(tagger.name, 0.0)
        if self._credit.get(tagger.name, 0.0) - promised < 0:
            return False
        # A cost of nothing would admit everybody to the first round.
        self._promised[tagger.name] = promised + (self._cost.get(tagger.name) or MOST_S)
        return True

    def spent(self, tagger: Tagger, seconds: float, count: int) -> None:
        """Report what ``count`` looks took together."""
        if count and tagger.share is not None:
            own = seconds / count
            self._cost[tagger.name] = 0.9 * self._cost.get(tagger.name, own) + 0.1 * own
            self._credit[tagger.name] = self._credit.get(tagger.name, 0.0) - seconds
