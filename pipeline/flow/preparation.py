"""What takes long and must not stop the cameras: compiling models for a new picture size, or for
another number of threads. One thread, one job after the other."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Hashable

from engines import EngineError

log = logging.getLogger("threadline.preparation")

#: Seconds between two looks at whether the run ended.
_PATIENCE_S = 0.2


class Preparation:
    """A list of jobs, each known by a key: what waits already is not asked for twice."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._known: set[Hashable] = set()
        self._failed: set[Hashable] = set()
        self._jobs: queue.SimpleQueue[tuple[Hashable, Callable[[], None]]] = queue.SimpleQueue()

    def ask(self, key: Hashable, job: Callable[[], None]) -> None:
        """Have something done; any thread may ask."""
        with self._lock:
            if key in self._known:
                return
            self._known.add(key)
        self._jobs.put((key, job))

    def run(self) -> None:
        """Do what is asked for until the run ends."""
        while not self._stop.is_set():
            try:
                key, job = self._jobs.get(timeout=_PATIENCE_S)
            except queue.Empty:
                continue
            with self._lock:  # asked for again from now on, it is done again
                self._known.discard(key)
            try:
                job()
            except EngineError as error:
                if key not in self._failed:  # what is asked for again fails again
                    log.error("%s", error)
                self._failed.add(key)
