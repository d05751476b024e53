"""A stream kept undecoded: the packets since its last key frame, and what decodes some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import av

#: Bytes and seconds of packets kept at most: eight seconds of 16 Mbit/s.
MOST_BYTES = 16_000_000
MOST_S = 16.0


#: Takes PyAV's packet, a whole picture, and its seconds in the stream.
Tap = Callable[[Any, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One packet, a whole picture, and its times.

    Attributes:
        packet: PyAV's.
        stamp: seconds the stream tells; monotonic ones where it tells none.
        taken: monotonic seconds at which it was taken, as far as its arrival tells.
        utc: the same by the camera's clock, where that is known.
    """

    packet: Any
    key: bool
    size: int
    stamp: float
    taken: float
    utc: float | None = None


class PacketStore:
    """The packets from the last key frame on, bounded in bytes and time.

    What is beyond the bounds is dropped, and so is what follows, up to the next key frame: it could
    not be decoded.

    Attributes:
        dropped: packets that found no room so far.
        size: bytes kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, most_s: float = MOST_S) -> None:
        self.dropped = 0
        self.size = 0
        self._most_bytes = most_bytes
        self._most_s = most_s
        self._group: list[Encoded] = []
        self._full = False

    @property
    def group(self) -> Sequence[Encoded]:
        """What is kept: a key frame and what came after it, without a gap; empty before the first
        one."""
        return self._group

    def add(self, encoded: Encoded) -> None:
        """Take in the next packet."""
        if encoded.key:
            self._group, self.size, self._full = [], 0, False
        elif not self._group and not self._full:
            return  # nothing to begin with yet
        long = bool(self._group) and abs(encoded.stamp - self._group[0].stamp) > self._most_s
        if self._full or long or self.size + encoded.size > self._most_bytes:
            self._full = True
            self.dropped += 1
            return
        self._group.append(encoded)
        self.size += encoded.size

    def clear(self) -> None:
        """Let go of everything: a connection ended."""
        self._group, self.size, self._full = [], 0, False


class GroupDecoder:
    """Decodes a group of pictures from its key frame on, as far as is asked, and goes on from there
    when more is asked."""

    def __init__(self, context: Any) -> None:
        self._name = context.name
        self._extradata = context.extradata
        self._context: Any = None
        self._key: Encoded | None = None
        self._next = 0

    def decode(
        self, group: Sequence[Encoded], count: int, turn: AbstractContextManager[object]
    ) -> tuple[Any, Encoded] | None:
        """The last whole picture that the first ``count`` packets of a group give, and its packet;
        ``None`` if they give none, or none that was not given before.

        Args:
            turn: held while decoding.
        """
        if self._key is not group[0]:
            self._begin(group[0])
        found, first = None, self._next == 0
        by_stamp = {one.packet.pts: one for one in group[:count]}
        try:
            while self._next < count and self._key is not None:
                packet = group[self._next].packet
                self._next += 1
                with turn:
                    found = self._last(self._context.decode(packet), by_stamp) or found
            if found is None and first and self._next == count == 1:
                # It holds pictures back to put them in order; a key frame can be had at once.
                with turn:
                    found = self._last(self._context.decode(None), by_stamp)
                self._key = None
        except (av.FFmpegError, ValueError):
            self._key = None
        return found

    def _begin(self, key: Encoded) -> None:
        self._key, self._next = key, 0
        if self._context is None:
            self._context = av.CodecContext.create(self._name, "r")
            self._context.extradata = self._extradata
            self._context.thread_count = 1
        else:
            self._context.flush_buffers()

    def _last(self, pictures: list[Any], by_stamp: dict[Any, Encoded]) -> Any:
        whole = [one for one in pictures if not one.is_corrupt and one.pts in by_stamp]
        return (whole[-1], by_stamp[whole[-1].pts]) if whole else None
