"""All outlets of a run, and the journal they read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from pipeline.flow.journaling import Journaling
from pipeline.flow.outlet import DRAIN_S, EventOutlet, FrameOutlet, Outlet
from pipeline.flow.stats import Stats
from pipeline.flow.worker import Worker
from pipeline.protocols import EventSink
from pipeline.sinks import AnySink
from pipeline.store.journal import Journal
from pipeline.types import Event, TaggedFrame

_POLL_S = 0.02
#: Seconds after ``DRAIN_S`` for sinks to finish their files.
_GRACE_S = 0.3


class Outlets:
    """Takes results from the inference thread, which never waits for them.

    Enters every sink; each is left by its own thread, or on leaving where no thread was started.

    Raises on entering: SinkError.

    Args:
        folder: of the results: the journal lies there.
        anew: sinks get no events from before this run.
        kept_s: seconds for which the journal keeps what every sink has.
    """

    def __init__(
        self,
        folder: Path,
        sinks: Sequence[AnySink],
        stats: Stats,
        anew: bool,
        kept_s: float | None = None,
    ) -> None:
        self.sinks = sinks
        self.frames: list[FrameOutlet] = []
        self.events: list[EventOutlet] = []
        self._stats = stats
        self._anew = anew
        self._journal = Journal(folder, kept_s)
        self._workers: list[Worker] = []
        self._lock = threading.RLock()  # a signal may come while it is held
        self._stopping = False
        self._closed = False
        self._end_at = float("inf")

    def __enter__(self) -> Outlets:
        with ExitStack() as stack:
            journal = stack.enter_context(self._journal)
            self.journaling = Journaling(journal, self._stats.outlet("journal"))
            for sink in self.sinks:
                stack.enter_context(sink)
                if hasattr(sink, "deliver"):
                    self._add(cast(EventSink, sink), journal)
                else:
                    self.frames.append(FrameOutlet(sink, self._stats))
            stack.pop_all()
        return self

    def _add(self, sink: EventSink, journal: Journal) -> None:
        """Find where a sink for events stopped: what it says itself counts for more than what was
        kept last. One that is new begins now."""
        known = None
        if not self._anew:
            known = journal.number(sink.last) if sink.last else None
            known = known or journal.cursor(sink.name)
        if hasattr(sink, "journal"):
            sink.journal = self.journaling
        outlet = EventOutlet(
            sink, self._stats, self.journaling, journal.last() if known is None else known
        )
        self.journaling.cursors[sink.name] = lambda: outlet.cursor
        self.events.append(outlet)

    def start(self, ended: Callable[[Worker], None]) -> list[Worker]:
        """Start a thread for each outlet and one for the journal; the latter ends last."""
        outlets = self._all()
        self._workers = [Worker(f"sink {one.name}", one.run, ended) for one in outlets]
        busy = dict(zip(self._workers, outlets, strict=True))

        def any_busy() -> bool:
            if time.monotonic() > self._end_at:
                return False
            return any(worker.is_alive() and not one.stuck for worker, one in busy.items())

        self._workers.append(Worker("journal", lambda: self.journaling.run(any_busy), ended))
        for worker in self._workers:
            worker.start()
        return self._workers

    def __exit__(self, *error: object) -> None:
        if not self._workers:
            for outlet in self._all():
                outlet.leave()
            self._journal.__exit__()

    def follow(self, live: int) -> None:
        """Suit a number of live cameras."""
        for outlet in self.frames:
            outlet.follow(live)

    def put(self, tagged: TaggedFrame) -> bool:
        """Hand over a result; whether every outlet had room for it."""
        room = [outlet.put(tagged) for outlet in self.frames]
        return self.late(tagged.events) and all(room)

    def late(self, events: Sequence[Event]) -> bool:
        """Hand over events that no frame brings: a camera was lost or removed, the run ends."""
        return not events or self.journaling.put(events)

    def removed(self, source: str) -> None:
        """No more results of a camera will come."""
        for outlet in self.frames:
            outlet.removed(source)

    def wait_for_room(self, stop: threading.Event) -> None:
        """Wait, as recordings do, until no outlet has too much to do."""
        while self._full() and not stop.wait(_POLL_S):
            pass

    def _full(self) -> bool:
        return self.journaling.full or any(outlet.full for outlet in self.frames)

    def close(self) -> None:
        """No more results; what waits is still written."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.journaling.close()
        for outlet in self.frames:
            outlet.close()
        self._hurry()

    def stop(self) -> None:
        """Once closed, end soon."""
        self._stopping = True
        self._hurry()

    def _hurry(self) -> None:
        with self._lock:
            if self._stopping and self._closed:
                self._end_at = time.monotonic() + DRAIN_S + _GRACE_S
                for outlet in self._all():
                    outlet.hurry()

    def _all(self) -> list[Outlet]:
        return [*self.frames, *self.events]
