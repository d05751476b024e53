"""The thread that writes events into the journal, before any outlet has them."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from pipeline.errors import SinkError
from pipeline.flow.health import Health
from pipeline.flow.stats import OutletStats
from pipeline.sinks.records import event_record
from pipeline.store.journal import Journal, Reader, Row
from pipeline.types import Event

log = logging.getLogger("threadline.journal")

#: Seconds in which events gather for one commit: what a power cut can cost, and what every outlet
#: is later.
GATHER_S = 0.05
#: Events that wait in memory while the journal cannot be written; further ones are lost.
MOST_WAITING = 10_000
#: Of recordings: so many make them wait.
ENOUGH = 2_000
#: Seconds for which recordings wait for a journal that cannot be written.
GIVE_UP_S = 5.0
#: Seconds between two writings of how far the outlets are, and between two tidyings.
KEEP_S = 1.0
TIDY_S = 60.0
#: Seconds in which events to be forgotten have to be deleted.
FORGET_S = 30.0
_POLL_S = 0.02


class Journaling:
    """Takes events without ever waiting, and writes them in batches.

    Attributes:
        last: the number of the last event in the journal.
        cursors: asked how far each outlet is: the journal keeps that, and deletes what all have.
    """

    def __init__(self, journal: Journal, counters: OutletStats) -> None:
        self.counters = counters
        self.cursors: dict[str, Callable[[], int]] = {}
        self._journal = journal
        self._health = Health(counters)
        self._waiting: deque[Event] = deque()
        self._rows: list[Row] = []
        self._unwanted: deque[tuple[Callable[[Mapping[str, Any]], bool], Future[int]]] = deque()
        self._changed = threading.Condition()
        self.last = journal.last()
        self._closed = False
        self._drained = False
        self._kept: dict[str, int] = {}
        self._kept_at = self._tidied_at = time.monotonic()

    @property
    def failing_s(self) -> float:
        """For how long it could not be written."""
        return self._health.failing_s

    @property
    def full(self) -> bool:
        """Whether so much waits that recordings should wait too: not for ever."""
        return len(self._waiting) >= ENOUGH and self.failing_s < GIVE_UP_S

    def reader(self) -> Reader:
        """Reads the journal on one other thread."""
        return self._journal.reader()

    def put(self, events: Sequence[Event]) -> bool:
        """Take events in; whether there was room."""
        with self._changed:
            room = 0 if self._closed else max(MOST_WAITING - len(self._waiting), 0)
            self._waiting.extend(events[:room])
            self._lost(len(events) - room)
            self._changed.notify_all()
        return len(events) <= room

    def wait_for(self, after: int, timeout_s: float) -> bool:
        """Wait until there are events after a number, or no more will come; whether there are."""
        with self._changed:
            self._changed.wait_for(lambda: self.last > after or self._drained, timeout_s)
            return self.last > after

    @property
    def drained(self) -> bool:
        """No more events will be in the journal than there are."""
        return self._drained

    def forget(self, unwanted: Callable[[Mapping[str, Any]], bool]) -> int:
        """Have the events deleted that ``unwanted`` names, and wait for it; how many.

        Raises:
            SinkError: that cannot be, now.
        """
        done: Future[int] = Future()
        with self._changed:
            self._unwanted.append((unwanted, done))
            self._changed.notify_all()
        try:
            return done.result(FORGET_S)
        except FutureTimeoutError:  # Python 3.10 has two
            done.cancel()
            raise SinkError("journal: too busy to forget anything; it is tried again") from None

    def close(self) -> None:
        """No more events come; what waits is still written."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def run(self, busy: Callable[[], bool]) -> None:
        """Write until closed, then until no outlet is ``busy`` any more: how far they are is
        written last."""
        try:
            while not self._drained:
                self._wait()
                self._write()
                self._look_after()
            while busy():
                time.sleep(_POLL_S)
                self._look_after()
            self._tried(self._keep)
            self._tried(self._tidy)
        finally:
            self._journal.__exit__()

    def _wait(self) -> None:
        pause_s = self._health.pause_s
        with self._changed:
            if pause_s:
                self._changed.wait_for(lambda: self._closed, pause_s)
                return
            self._changed.wait_for(lambda: self._waiting or self._closed or self._unwanted, KEEP_S)
        if self._waiting and not self._closed:
            time.sleep(GATHER_S)

    def _write(self) -> None:
        """Write all that waits; what could not be written comes first the next time."""
        with self._changed:
            closed = self._closed
            if not self._rows:
                events = list(self._waiting)
                self._waiting.clear()
                self._rows = [(event.id, json.dumps(event_record(event))) for event in events]
        written = not self._rows or self._tried(self._append)
        with self._changed:
            if closed and not written:  # the last try
                self._lost(len(self._rows) + len(self._waiting))
                self._waiting.clear()
                self._rows = []
            self.counters.waiting = len(self._rows) + len(self._waiting)
            self._drained = closed and not self.counters.waiting
            self._changed.notify_all()

    def _append(self) -> int:
        last, count = self._journal.append(self._rows), len(self._rows)
        self._rows = []
        with self._changed:
            self.last = last
        return count

    def _tried(self, work: Callable[[], int | None]) -> bool:
        try:
            written = work()
            if written is not None:  # else nothing was tried
                self._health.worked(written)
        except SinkError as error:
            self._health.failed(error)
            return False
        return True

    def _lost(self, count: int) -> None:
        if count > 0:
            if not self.counters.left_out:
                log.error("%s: events are lost; the counters say how many", self.counters.name)
            self.counters.left_out += count

    def _look_after(self) -> None:
        while self._unwanted:
            self._forget(*self._unwanted.popleft())
        now = time.monotonic()
        if now - self._kept_at > KEEP_S:
            self._kept_at = now
            self._tried(self._keep)
        if now - self._tidied_at > TIDY_S:
            self._tidied_at = now
            self._tried(self._tidy)

    def _forget(self, unwanted: Callable[[Mapping[str, Any]], bool], done: Future[int]) -> None:
        if done.set_running_or_notify_cancel():
            try:
                done.set_result(self._journal.forget(unwanted))
            except Exception as error:  # told by whoever waits for it
                done.set_exception(error)

    def _keep(self) -> int | None:
        cursors = {name: cursor() for name, cursor in self.cursors.items()}
        if cursors == self._kept:
            return None
        self._journal.keep(cursors)
        self._kept = cursors
        return 0

    def _tidy(self) -> int:
        self._lost(self._journal.tidy(min(self._kept.values(), default=self.last)))
        return 0
