"""Packets of one live camera for those who watch its own video: the newest group of pictures is
kept, so that a viewer begins at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.sources.packets import MOST_BYTES
from pipeline.web.fragments import (
    SCALE,
    Parameters,
    Sample,
    fragment,
    init_segment,
    parameters,
    slices,
    units,
)

#: Pictures that wait for one viewer at most; of more, all go, up to the next key picture.
MOST_WAITING = 90
#: Ticks a picture lasts unless the one before tells: a fifteenth of a second.
_USUAL = SCALE // 15
_LONGEST = SCALE * 2


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A packet, a whole picture: ``pts`` as results have it, ``delay_s`` by which it is shown later
    than decoded, ``stream`` as of ``Video``."""

    packet: Any
    key: bool
    pts: float
    delay_s: float
    stream: int


class Video:
    """What comes of one camera since its last key picture, and who is told of more. ``stream``
    rises whenever it is opened anew. Fed by the capture thread, read by any other."""

    def __init__(self) -> None:
        self.stream = 0
        self.size = (0, 0)
        self._extradata = b""
        self._group: list[Piece] = []
        self._bytes = 0
        self._takers: list[Callable[[Piece], None]] = []
        self._lock = threading.Lock()
        self.known: Parameters | None = None

    def begin(self, stream: int, context: Any) -> None:
        """A stream was opened anew."""
        with self._lock:
            self.stream, self._group, self._bytes = stream, [], 0
            self._extradata = bytes(context.extradata or b"")
            self.size = (context.width, context.height)
            self.known = parameters(units(self._extradata))

    def take(self, packet: Any, pts: float) -> None:
        """The next packet."""
        base = float(packet.time_base or 0)
        delay_s = (packet.pts - packet.dts) * base if packet.dts is not None else 0.0
        piece = Piece(packet, bool(packet.is_keyframe), pts, max(delay_s, 0.0), self.stream)
        with self._lock:
            if piece.key:
                self._group, self._bytes = [], 0
                self.known = parameters(units(bytes(packet))) or self.known
            elif not self._group:
                return
            self._bytes += packet.size
            if self._bytes > MOST_BYTES:
                self._group = []
                return
            self._group.append(piece)
            takers = list(self._takers)
        for taker in takers:
            taker(piece)

    def watch(self, taker: Callable[[Piece], None]) -> list[Piece]:
        """Be told of every packet from now on, by the capture thread; what came since the last key
        picture."""
        with self._lock:
            self._takers.append(taker)
            return list(self._group)

    def leave(self, taker: Callable[[Piece], None]) -> None:
        with self._lock:
            if taker in self._takers:
                self._takers.remove(taker)


class Remux:
    """One viewer's way through one camera's packets: what waits for them, bounded, as fMP4."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.left_out = 0
        self.most = MOST_WAITING
        self.taker: Callable[[Piece], None] | None = None
        self._waiting: deque[Piece] = deque()
        self._skipping = True
        self._number = 0
        self._told: tuple[int, Parameters | None] = (-1, None)
        self._last: int | None = None

    def offer(self, piece: Piece) -> None:
        """One more packet; where too many wait, all are left out up to the next key picture."""
        if piece.key and (self._skipping or len(self._waiting) >= self.most):
            self.left_out += len(self._waiting) if not self._skipping else 0
            self._waiting.clear()
            self._skipping = False
        if not self._skipping and len(self._waiting) >= self.most:
            self.left_out += len(self._waiting)
            self._waiting.clear()
            self._skipping = True
        if self._skipping:
            self.left_out += 1
            return
        self._waiting.append(piece)

    def close(self) -> None:
        """No more packets are wanted."""
        if self.taker is not None:
            self.video.leave(self.taker)

    def next(self) -> tuple[Piece, bytes | None, bytes] | None:
        """The next picture that waits: with it, an initialisation segment where a new one is
        needed, and its fragment; ``None`` if there is none."""
        while self._waiting:
            piece = self._waiting.popleft()
            found = units(bytes(piece.packet))
            known = self.video.known
            begins = round((piece.pts - piece.delay_s) * SCALE)
            begun = None
            if known is None:
                continue
            if (piece.stream, known) != self._told:
                if not piece.key:
                    continue
                self._told, self._last = (piece.stream, known), None
                begun = init_segment(known, self.video.size)
            if self._last is not None and begins <= self._last:
                begins = self._last + 1
            step = _USUAL if self._last is None else min(begins - self._last, _LONGEST)
            self._last = begins
            self._number += 1
            sample = Sample(slices(found), piece.key, begins, step, round(piece.delay_s * SCALE))
            if sample.units:
                return piece, begun, fragment(self._number, sample)
        return None
