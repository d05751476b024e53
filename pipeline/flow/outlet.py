"""One sink, its queue and its thread: whatever it does, nobody else waits for it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Protocol

from pipeline.flow.health import Health
from pipeline.flow.inbox import Inbox
from pipeline.flow.journaling import Journaling
from pipeline.flow.stats import Stats
from pipeline.protocols import EventSink, Sink
from pipeline.types import TaggedFrame

#: Tagged frames of recordings that may wait before the recordings do.
DEPTH = 4
#: Tagged frames of live cameras that may wait, if they bring news; of recordings, at the very most.
NEWS = 32
#: Those without news that may, for each live camera, besides ``DEPTH``.
PER_CAMERA = 2
#: Seconds a sink has for what waits, once the run is to end at once.
DRAIN_S = 0.8
#: Seconds for which recordings wait for a sink that takes nothing at all.
PATIENCE_S = 10.0
#: Events delivered at a time, at first and at most: more while the sink is quick, fewer while it
#: is slow.
FIRST_BATCH = 8
BATCH = 256
_BRISK_S = 0.1


class Outlet(Protocol):
    """What all outlets have: ``run`` is the body of a thread, which also leaves the sink."""

    name: str

    @property
    def stuck(self) -> bool:
        """Whether the sink has been at one thing for longer than anybody waits."""
        ...

    def run(self) -> None: ...

    def hurry(self) -> None:
        """What still waits has ``DRAIN_S``."""
        ...

    def leave(self) -> None:
        """Leave the sink; by the thread of ``run``, or instead of it."""
        ...


@dataclass(frozen=True, slots=True)
class _Removed:
    """Behind the last frame of a camera that was removed."""

    source: str


class FrameOutlet:
    """Frames for one sink. One that is slower than live cameras misses frames, first those on which
    nothing happened; recordings wait for it."""

    def __init__(self, sink: Sink, stats: Stats) -> None:
        self.sink = sink
        self.name = sink.name
        self.counters = stats.outlet(sink.name)
        self._stats = stats
        self._health = Health(self.counters)
        self._box: Inbox[TaggedFrame | _Removed] = Inbox()
        self._slot = self._box.add("out", replace=False, depth=1 << 30)
        self._plain = DEPTH
        self._busy = False
        self._took = time.monotonic()
        self._deadline = float("inf")

    def follow(self, live: int) -> None:
        """Suit a number of live cameras."""
        self._plain = DEPTH + PER_CAMERA * live

    @property
    def full(self) -> bool:
        """Whether recordings should wait: not for one that has taken nothing for long."""
        return len(self._slot.waiting) >= DEPTH and not self.stuck

    @property
    def stuck(self) -> bool:
        return self._busy and time.monotonic() - self._took > PATIENCE_S

    def put(self, tagged: TaggedFrame) -> bool:
        """Hand over a result, without waiting; whether there was room."""
        news = tagged.events or any(track.best for track in tagged.tracks)
        most = NEWS if news or not tagged.frame.live else self._plain
        room = self._slot.offer(tagged, most)
        self.counters.left_out += not room
        return room

    def removed(self, source: str) -> None:
        """No more results of a camera will come."""
        self._slot.put(_Removed(source))

    def close(self) -> None:
        """No more results; what waits is still written."""
        self._slot.close()

    def hurry(self) -> None:
        self._deadline = time.monotonic() + DRAIN_S

    def run(self) -> None:
        try:
            while True:
                items = self._box.take()
                if not items and self._box.drained:
                    return
                for item in items:
                    self._give(item)
                self.counters.waiting = len(self._slot.waiting)
        finally:
            self.leave()

    def leave(self) -> None:
        try:
            self.sink.__exit__(None, None, None)
        except Exception as error:  # a sink's fault is that sink's
            self._health.failed(error)

    def _give(self, item: TaggedFrame | _Removed) -> None:
        frame = isinstance(item, TaggedFrame)
        if frame and (self._health.pause_s or time.monotonic() > self._deadline):
            self.counters.left_out += 1
            return
        self._busy, self._took = True, time.monotonic()
        try:
            with self._stats.timed(f"write {self.sink.name}"):
                if isinstance(item, TaggedFrame):
                    self.sink.write(item)
                else:
                    self.sink.forget(item.source)
        except Exception as error:  # a sink's fault is that sink's
            self.counters.left_out += frame
            self._health.failed(error)
        else:
            self._health.worked(frame)
        self._busy = False


class EventOutlet:
    """Events for one sink, read from the journal from where it stopped: it misses nothing that the
    journal holds, however slow it is, however often it fails."""

    def __init__(self, sink: EventSink, stats: Stats, journaling: Journaling, begin: int) -> None:
        self.sink = sink
        self.name = sink.name
        self.counters = stats.outlet(sink.name)
        self.cursor = begin
        self._stats = stats
        self._health = Health(self.counters)
        self._journaling = journaling
        self._reader = journaling.reader()
        self._most = int(getattr(sink, "most", BATCH))
        self._gather_s = float(getattr(sink, "gather_s", 0.0))
        # What gathers commits: few events take as long as many, above all where that is slow.
        self._least = self._most // 8 if self._gather_s else 1
        self._batch = max(FIRST_BATCH, self._least)
        self._idle = getattr(sink, "idle", None)
        self._busy = False
        self._took = time.monotonic()
        self._deadline = float("inf")

    @property
    def stuck(self) -> bool:
        return self._busy and time.monotonic() - self._took > PATIENCE_S

    def hurry(self) -> None:
        self._deadline = time.monotonic() + DRAIN_S

    def run(self) -> None:
        try:
            while self._once():
                self._between()
        finally:
            self.leave()

    def leave(self) -> None:
        self._reader.close()
        try:
            self.sink.__exit__(None, None, None)
        except Exception as error:  # a sink's fault is that sink's
            self._health.failed(error)

    def _once(self) -> bool:
        """Deliver a batch, or wait; whether to go on."""
        last = self._journaling.drained  # asked before looking: nothing can come in between
        some = self._journaling.wait_for(self.cursor, 0.5)
        self.counters.waiting = self._journaling.last - self.cursor
        if time.monotonic() > self._deadline:
            return False
        if not some:
            return not last
        pause_s = max(self._health.pause_s, self._gathering_s())
        if pause_s and not last:
            time.sleep(min(pause_s, 0.1))
            return True
        return self._deliver() or not last  # at the end, one more try

    def _gathering_s(self) -> float:
        """Seconds in which more events are to come, for a sink that takes many at a time."""
        if not self._gather_s or self.counters.waiting >= self._batch:
            return 0.0
        return max(self._took + self._gather_s - time.monotonic(), 0.0)

    def _between(self) -> None:
        """What the sink does besides, while it works."""
        if self._idle is None or self._health.pause_s or time.monotonic() > self._deadline:
            return
        try:
            self._idle()
        except Exception as error:  # a sink's fault is that sink's
            self._health.failed(error)

    def _deliver(self) -> bool:
        self._busy, self._took = True, time.monotonic()
        try:
            rows = self._reader.after(self.cursor, self._batch)
            with self._stats.timed(f"write {self.sink.name}"):
                self.sink.deliver([json.loads(record) for _, record in rows])
        except Exception as error:  # a sink's fault is that sink's
            self._health.failed(error)
            return False
        finally:
            self._busy = False
        took_s = time.monotonic() - self._took
        if rows:
            self.cursor = rows[-1][0]
            self.counters.took.add(took_s)
        self._health.worked(len(rows))
        batch = 2 * self._batch if took_s < _BRISK_S else self._batch // 4
        self._batch = min(max(batch, self._least), self._most)
        self.counters.waiting = self._journaling.last - self.cursor
        return True
