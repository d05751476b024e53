"""What a capture process does: the capture threads of some cameras. Frames go into memory that the
run sees, all else is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

from pipeline.flow.apart.memory import Memory, Placed, Shelves
from pipeline.flow.apart.messages import (
    Add,
    Alive,
    Announced,
    Ask,
    Came,
    Cleared,
    CloseupCame,
    Counted,
    Ended,
    Opened,
    Paced,
    Packet,
    Post,
    Remove,
    Stop,
    Tap,
    counters_of,
    main_counters_of,
    set_counters,
)
from pipeline.flow.capture import Capture, Outage, Turns
from pipeline.flow.main_stream import MainStream, Ready
from pipeline.flow.pace import Pace
from pipeline.flow.stats import CameraStats, MainStats
from pipeline.picture.yuv import Planes
from pipeline.protocols import Connection
from pipeline.sources.stream import StreamSource
from pipeline.tagging.beside import Closeup
from pipeline.types import Frame

#: Pictures of one stream that the run may hold, plugins included, before further ones are dropped.
MOST_HELD = 64
#: Seconds between two looks at what has changed of the counters.
TICK_S = 0.2
#: Seconds that cameras have to close once all is over.
CLOSE_S = 0.6
_FIELDS = tuple(one.name for one in fields(Frame) if one.name != "planes")

Send = Callable[[object], None]


class _Slot:
    """The run's slot of a camera, from here."""

    def __init__(self, key: int, shelves: Shelves, send: Send, first: Callable[[], None]) -> None:
        """``first`` is called before a frame is sent."""
        self._key, self._shelves, self._send, self._first = key, shelves, send, first

    def put(self, item: Frame) -> int:
        self._first()
        placed = _placed(self._shelves, self._key, item)
        if placed is None:
            return 1
        self._send(Came(self._key, _fields(item), placed))
        return 0

    def open(self, *, replace: bool, depth: int = 1) -> None:
        """The run's is open."""

    def close(self) -> int:
        return 0


def _placed(shelves: Shelves, owner: int, frame: Frame) -> Placed | None:
    assert isinstance(frame.planes, Planes)
    return shelves.put(owner, frame.planes, MOST_HELD)


def _fields(frame: Frame) -> dict[str, Any]:
    return {name: getattr(frame, name) for name in _FIELDS}


class _Ready(Ready):
    """Sends a main stream's pictures instead of having them wait here."""

    def __init__(self, key: int, shelves: Shelves, send: Send) -> None:
        super().__init__()
        self._key, self._shelves, self._send = key, shelves, send

    def keep(self, closeups: Iterable[Closeup]) -> None:
        for one in closeups:
            # Those of the sub-stream are counted apart.
            placed = _placed(self._shelves, -self._key, one.frame)
            if placed is not None:
                self._send(CloseupCame(self._key, _fields(one.frame), placed, one.registration))

    def clear(self) -> None:
        self._send(Cleared(self._key))


@dataclass(slots=True)
class _Seat:
    """One camera that is received here."""

    stats: CameraStats
    stop: threading.Event
    main: MainStream | None = None
    source: Connection | None = None
    threads: list[threading.Thread] = field(default_factory=list)
    told: Counted | None = None
    dropped: int = 0


class Child:
    """The cameras of one capture process. ``decoders``: how many decode at a time."""

    def __init__(self, post: Post, memory: Memory, decoders: int) -> None:
        self._post = post
        self._shelves = Shelves(memory)
        self._turns = Turns(decoders)
        self._pace = Pace()
        self._seats: dict[int, _Seat] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Until told to stop, or the run is gone."""
        threading.Thread(target=self._tick, name="counters", daemon=True).start()
        while True:
            for message in self._post.receive():
                if isinstance(message, Stop):
                    self._close()
                    return
                self._do(message)

    def _do(self, message: object) -> None:
        if isinstance(message, Add):
            self._add(message)
        elif isinstance(message, Paced):
            self._pace.slowdown.factor = message.slowdown
            self._pace.decoding.follow(message.short, message.still)
        elif isinstance(message, Remove | Ask | Tap):
            seat = self._seats.get(message.key)
            if seat is None:  # it has ended
                return
            if isinstance(message, Remove):
                seat.stop.set()
            elif isinstance(message, Ask) and seat.main is not None:
                seat.main.ask(message.after, message.urgent)
            elif isinstance(seat.source, StreamSource):
                seat.source.tap = self._sending(message.key)

    def _add(self, add: Add) -> None:
        camera, key = add.camera, add.key
        seat = _Seat(CameraStats(camera.name), threading.Event())
        seat.stats.main = MainStats() if camera.sub else None
        set_counters(seat.stats, add.counters, add.main)

        def first() -> None:
            """That the camera is there, maybe again, is known before its frames are."""
            if seat.told is None or counters_of(seat.stats)[:2] != seat.told.counters[:2]:
                self._count(key)

        slot = _Slot(key, self._shelves, self._post.send, first)
        seat.main = self._main(add, seat, slot) if camera.sub else None
        capture = Capture(
            camera,
            slot,
            seat.stats,
            self._pace,
            self._turns,
            lambda size, live: self._post.send(Announced(key, size)),
            seat.stop,
            Outage(inf, lambda: None),  # the run notices
            lambda stop: None,
            add.mask,
            main=seat.main,
            opened=(lambda source: self._opened(key, seat, source)) if add.video else None,
        )
        with self._lock:
            self._seats[key] = seat
        bodies = [capture.run] if seat.main is None else [capture.run, seat.main.run]
        for i, body in enumerate(bodies):
            thread = threading.Thread(
                target=self._run, args=(key, body, i == 0), name=camera.name, daemon=True
            )
            seat.threads.append(thread)
            thread.start()

    def _main(self, add: Add, seat: _Seat, slot: _Slot) -> MainStream:
        stats = seat.stats.main
        assert stats is not None

        def offer(frame: Frame) -> None:
            seat.stats.stood_in_for()
            seat.stats.dropped += slot.put(frame)

        main = MainStream(add.camera, stats, self._turns.decode, offer, seat.stop, add.mask)
        main.ready = _Ready(add.key, self._shelves, self._post.send)
        return main

    def _run(self, key: int, body: Callable[[], None], first: bool) -> None:
        error = ""
        try:
            body()
        except Exception as raised:  # a defect: the run raises it
            logging.getLogger("threadline.capture").exception("a capture thread failed")
            error = f"{type(raised).__name__}: {raised}"
        if first or error:
            self._count(key)
            with self._lock:
                seat = self._seats.pop(key, None)
            if seat is not None:
                seat.stop.set()
                self._post.send(Ended(key, error))

    def _opened(self, key: int, seat: _Seat, source: Connection) -> None:
        seat.source = source
        context = source.context if isinstance(source, StreamSource) else None
        if context is None:
            self._post.send(Opened(key, "", b"", (0, 0)))
            return
        size = context.width, context.height
        self._post.send(Opened(key, context.name, bytes(context.extradata or b""), size))

    def _sending(self, key: int) -> Callable[[Any, float], None]:
        def tap(packet: Any, seconds: float) -> None:
            base = float(packet.time_base or 0)
            key_frame = bool(packet.is_keyframe)
            self._post.send(
                Packet(key, bytes(packet), packet.pts, packet.dts, base, key_frame, seconds)
            )

        return tap

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_S)
            self._post.send(Alive())
            with self._lock:
                keys = list(self._seats)
            for key in keys:
                self._count(key)

    def _count(self, key: int) -> None:
        """Tell a camera's counters if they have changed."""
        with self._lock:
            seat = self._seats.get(key)
            if seat is None:
                return
            stats, main = seat.stats, seat.main
            told = Counted(
                key,
                counters_of(stats),
                stats.dropped - seat.dropped,
                main_counters_of(stats.main),
                None if main is None else main.size,
                None if main is None else main.registration,
            )
            if told == seat.told:
                return
            seat.told = told
            seat.dropped += told.dropped
            self._post.send(told)

    def _close(self) -> None:
        with self._lock:
            seats = list(self._seats.values())
        for seat in seats:
            seat.stop.set()
        until = time.monotonic() + CLOSE_S
        for seat in seats:
            for thread in seat.threads:
                thread.join(max(until - time.monotonic(), 0.0))
