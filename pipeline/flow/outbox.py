"""Results on their way to the sinks, and the thread that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.flow.inbox import Inbox
from pipeline.flow.stats import Stats
from pipeline.protocols import Sink
from pipeline.types import Event, TaggedFrame

#: Tagged frames of recordings that may wait for the sinks.
DEPTH = 4
#: Tagged frames of live cameras that may, if they bring news.
NEWS = 64
#: Those without news that may, for each live camera.
PER_CAMERA = 2


@dataclass(frozen=True, slots=True)
class _Removed:
    """Behind the last frame of a camera that was removed."""

    source: str


@dataclass(frozen=True, slots=True)
class _Late:
    """Events without a frame of their own: no more frames come."""

    events: Sequence[Event]


class Outbox:
    """One slot between the inference thread and the sinks.

    Sinks that are slower than live cameras miss frames on which nothing happened; what was found
    is never lost, and recordings wait.
    """

    def __init__(self) -> None:
        self._box: Inbox[TaggedFrame | _Removed | _Late] = Inbox()
        self._slot = self._box.add("out", replace=False, depth=DEPTH)
        self._plain = DEPTH

    def follow(self, live: int) -> None:
        """Suit a number of live cameras."""
        self._slot.open(replace=False, depth=NEWS if live else DEPTH)
        self._plain = DEPTH + PER_CAMERA * live

    def put(self, tagged: TaggedFrame) -> bool:
        """Hand over a result; whether it will be written."""
        news = tagged.events or any(track.best for track in tagged.tracks)
        if news or not tagged.frame.live:
            return self._slot.put(tagged) == 0
        return self._slot.offer(tagged, self._plain)

    def late(self, events: Sequence[Event]) -> None:
        """Hand over events that no frame brings: a camera was lost or removed, the run ends."""
        if events:
            self._slot.put(_Late(events))

    def removed(self, source: str) -> None:
        """No more results of a camera will come."""
        self._slot.put(_Removed(source))

    def close(self) -> None:
        """No more results; what waits is still written."""
        self._slot.close()

    def stop(self) -> None:
        """No more results, and none of those that wait."""
        self._box.stop()

    def write(self, sinks: Sequence[Sink], stats: Stats) -> None:
        """Write all results, until closed."""
        while True:
            items = self._box.take()
            if not items and self._box.drained:
                return
            for item in items:
                for sink in sinks:
                    with stats.timed(f"write {sink.name}"):
                        _give(sink, item)


def _give(sink: Sink, item: TaggedFrame | _Removed | _Late) -> None:
    if isinstance(item, _Removed):
        sink.forget(item.source)
    elif isinstance(item, _Late):
        late = getattr(sink, "late", None)
        if late is not None:
            late(item.events)
    else:
        sink.write(item)
