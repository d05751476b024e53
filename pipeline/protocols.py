"""The shapes everything plugs into. Engines have theirs in ``engines.base``, taggers theirs in
``pipeline.tagging.tagger``: it speaks of crops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipeline.types import Box, Decoding, Frame, Picture, TaggedFrame, Work


class Connection(Protocol):
    """A source that was opened, as those hear of it who want to know; ``id`` and ``live`` as of
    ``Source``. Where its packets can be had, it has PyAV's ``context`` and a ``tap`` for them."""

    id: str
    live: bool


class Larger(Protocol):
    """The picture of a recording at the moment of its proxy's frame, decoded when it is asked for.

    Attributes:
        size: width and height of the recording's pictures.
    """

    @property
    def size(self) -> tuple[int, int]: ...

    def hiding(self, mask: Sequence[tuple[tuple[float, float], ...]]) -> Larger:
        """The same with areas of the frame painted out; corners are shares of its sides."""
        ...

    def picture(self) -> tuple[Picture, Box] | None:
        """The picture, and where the frame lies in it, xyxy as shares of its width and height (may
        reach beyond it); ``None`` if there is none. Moments asked for must rise."""
        ...


class Source(Protocol):
    """Frames of one camera or recording.

    Entering opens it, iterating yields frames, leaving closes it. It ends by finishing, fails by
    raising SourceError, never waits longer than its read timeout and never tries again.

    Attributes:
        id: name in events, statistics and file names; free of credentials.
        live: frames come when they come; final once entered.
        size: width and height of its pictures in pixels, where known once entered.
        length_s: length of a recording in seconds, where known.
        corrupt: pieces of the stream that could not be decoded so far.
        lost: pictures so far that did not come whole, or build on one that did not.
        jumps: how often the time of a live stream jumped so far.
        decoding: how thoroughly a camera is decoded; may be set at any time.
        turn: held while decoding, to bound how many do at a time.
    """

    id: str
    live: bool
    size: tuple[int, int] | None
    length_s: float | None
    corrupt: int
    lost: int
    jumps: int
    decoding: Decoding
    turn: AbstractContextManager[object]

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Source: ...

    def __exit__(self, *error: object) -> None: ...


class Stage(Protocol):
    """One step on the inference thread: a batch in, the same frames enriched out."""

    name: str

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]: ...

    def forget(self, source: str) -> None:
        """Let go of everything kept for a source: it was removed, or is another one now."""
        ...


class Sink(Protocol):
    """Somewhere results go: frame by frame, with pictures. Entered by the main thread, then used
    and left by a thread of its own.

    ``write`` may raise anything, SinkError where the reason is known: that result is left out, and
    later ones are tried again. One that is too slow misses results; recordings wait for it.
    """

    name: str

    def write(self, tagged: TaggedFrame) -> None: ...

    def forget(self, source: str) -> None:
        """Finish what belongs to a source and let go of it: no more of its frames will come."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(self, *error: object) -> None: ...


class EventSink(Protocol):
    """Somewhere events go, without pictures. Threads as of ``Sink``.

    It gets them from the journal: all of them, in their order, whenever it can take them, also
    after a restart.

    It may have, besides: ``gather_s``, seconds between two deliveries, ``most``, events in one,
    ``idle()``, called between deliveries, and ``journal``, set to what deletes events of it.

    Attributes:
        last: id of the last event it holds already, where it can tell; known once entered.
    """

    name: str
    last: str | None

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take records of events, as in docs/events.md. If it raises, the same records come again:
        whoever has one of them already knows it by its ``event_id``."""
        ...

    def __enter__(self) -> EventSink: ...

    def __exit__(self, *error: object) -> None: ...


class Budget(Protocol):
    """What live cameras may cost. Recordings take what they need: they wait instead."""

    @property
    def slowdown(self) -> float:
        """Factor by which every interval of a live camera is longer than configured."""
        ...

    def allowed(self, work: Work) -> int:
        """How many detections or crops this round may do for live cameras."""
        ...

    def rate(self, work: Work) -> float:
        """How many of them a second there is time for, as far as their cost is known."""
        ...

    def spent(self, work: Work, seconds: float, count: int) -> None:
        """Report what ``count`` detections or crops took together."""
        ...

    def excuse(self, now: float) -> None:
        """What was taken until now (monotonic seconds) was kept waiting by something that will not
        come again, such as a model compiled for a new size."""
        ...


class Demand(Protocol):
    """What the schedule learns about cameras, for those who decode them."""

    def asked(self, count: int, put_off: int) -> None:
        """Of ``count`` detections due in a round, ``put_off`` have to wait for another."""
        ...

    def still(self, source: str, still: bool) -> None:
        """Whether nothing has moved in a camera's picture for some time."""
        ...
