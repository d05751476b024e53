"""What takes long and must not stop the cameras: compiling models for a new picture size, or for
another number of threads. One thread, one job after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from math import inf

from engines import EngineError

log = logging.getLogger("threadline.preparation")

#: Seconds from now, for what somebody waits for.
FIRST = -inf


class Preparation:
    """Jobs to be done, each known by a key: asking again for one that waits only moves it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._failed: set[Hashable] = set()
        self._stopped = False

    def ask(self, key: Hashable, job: Callable[[], None], in_s: float = 0.0) -> None:
        """Have something done, ``in_s`` seconds from now unless it is asked for again; any thread
        may ask. What is asked for ``FIRST`` goes before all that waits."""
        with self._condition:
            if in_s or key not in self._waiting:
                self._waiting[key] = (time.monotonic() + in_s, job)
                self._condition.notify_all()

    def stop(self) -> None:
        """What still waits is not done any more."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        with self._condition:
            return not self._waiting

    def run(self) -> None:
        """Do what is asked for until stopped."""
        while (taken := self._take()) is not None:
            key, job = taken
            began = time.monotonic()
            try:
                job()
                log.info("prepared %s in %.1f s", key, time.monotonic() - began)
            except EngineError as error:
                if key not in self._failed:  # what is asked for again fails again
                    log.error("%s", error)
                self._failed.add(key)

    def _take(self) -> tuple[Hashable, Callable[[], None]] | None:
        """The next job that is due; ``None`` once stopped."""
        with self._condition:
            while not self._stopped:
                now = time.monotonic()
                key = min(self._waiting, key=lambda k: self._waiting[k][0], default=None)
                if key is not None and self._waiting[key][0] <= now:
                    return key, self._waiting.pop(key)[1]
                self._condition.wait(None if key is None else self._waiting[key][0] - now)
        return None
