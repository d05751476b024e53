"""The three shapes everything plugs into; engines have theirs in ``engines.base``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from pipeline.flow.pace import Decoding
from pipeline.types import Frame, TaggedFrame


class Source(Protocol):
    """Frames of one camera or recording.

    Entering opens it, iterating yields frames, leaving closes it. It ends by finishing, fails by
    raising SourceError, never waits longer than its read timeout and never tries again.

    Attributes:
        id: name in events, statistics and file names; free of credentials.
        live: frames come when they come; final once entered.
        length_s: length of a recording in seconds, where known.
        corrupt: pieces of the stream that could not be decoded so far.
        decoding: how thoroughly a camera is decoded; may be set at any time.
        turn: held while decoding, to bound how many do at a time.
    """

    id: str
    live: bool
    length_s: float | None
    corrupt: int
    decoding: Decoding
    turn: AbstractContextManager[object]

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Source: ...

    def __exit__(self, *error: object) -> None: ...


class Stage(Protocol):
    """One step on the inference thread: a batch in, the same frames enriched out."""

    name: str

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]: ...


class Sink(Protocol):
    """Somewhere results go. ``write`` raises SinkError when they cannot; leaving finishes files."""

    name: str

    def write(self, tagged: TaggedFrame) -> None: ...

    def __enter__(self) -> Sink: ...

    def __exit__(self, *error: object) -> None: ...
