"""One camera that a capture process receives, as the run sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.flow.apart.messages import (
    Add,
    Announced,
    Came,
    Cleared,
    CloseupCame,
    Counted,
    Ended,
    Opened,
    Packet,
    counters_of,
    main_counters_of,
    set_counters,
)
from pipeline.flow.capture import Capture
from pipeline.flow.main_stream import Ready
from pipeline.flow.stats import MainStats
from pipeline.picture.registration import Registration
from pipeline.sources.camera import CameraSettings
from pipeline.sources.packets import Tap
from pipeline.tagging.beside import Closeup
from pipeline.types import Frame, Picture


@dataclass(frozen=True, slots=True)
class Codec:
    """What PyAV's context tells of a stream."""

    name: str
    extradata: bytes
    width: int
    height: int


@dataclass(slots=True)
class Elsewhere:
    """A connection that another process holds; ``pipeline.protocols.Connection``."""

    id: str
    context: Codec | None
    live: bool = True
    tap: Tap | None = None


class RemoteMain:
    """A main stream that another process receives; ``pipeline.tagging.beside.Main``.

    Attributes:
        ask: passes on what is asked for, to whoever receives it.
    """

    def __init__(self, stats: MainStats) -> None:
        self.ask: Callable[[float, bool], None] = lambda after, urgent: None
        self.size: tuple[int, int] | None = None
        self.registration: Registration | None = None
        self.ready = Ready()
        self._stats = stats

    @property
    def up(self) -> bool:
        """Whether its packets come."""
        return self._stats.state == "up"

    def take(self) -> list[Closeup]:
        return self.ready.take()


class Seat:
    """Takes what the process tells of a camera to where a capture thread would.

    Attributes:
        camera: its settings alone: what a run adds to them cannot be sent.
        main: its main stream, if it has a sub-stream.
        tap: what takes its packets, if anybody does.
    """

    def __init__(self, capture: Capture) -> None:
        names = CameraSettings.model_fields
        own = {name: getattr(capture.camera, name) for name in names}
        self.camera = CameraSettings.model_construct(**own)
        stats = capture.stats.main
        self.main = None if stats is None else RemoteMain(stats)
        self.tap: Tap | None = None
        self._capture = capture

    def added(self, key: int) -> Add:
        """What has it received, counting on from here."""
        capture, stats = self._capture, self._capture.stats
        counters, main = counters_of(stats), main_counters_of(stats.main)
        return Add(key, self.camera, capture.mask, counters, main, capture.opened is not None)

    def down(self, reason: str) -> None:
        """Nobody receives it now."""
        stats = self._capture.stats
        stats.state, stats.note = "down", f"{self.camera.name}: {reason}"
        if stats.main is not None:
            stats.main.state = "down"

    def notice(self, now: float) -> None:
        """Notice, at a monotonic time, that it sends nothing."""
        if self._capture.stats.state != "up":
            self._capture.outage.lasts(now)

    def take(self, message: Any, picture: Picture | None) -> None:
        """What the process tells, and the picture that came with it."""
        capture, main = self._capture, self.main
        if isinstance(message, Came) and picture is not None:
            capture.outage.came(time.monotonic())
            capture.stats.dropped += capture.slot.put(Frame(planes=picture, **message.fields))
        elif isinstance(message, CloseupCame) and picture is not None and main is not None:
            frame = Frame(planes=picture, **message.fields)
            main.ready.keep([Closeup(frame, message.registration)])
        elif isinstance(message, Packet) and self.tap is not None:
            self.tap(message, message.seconds)
        elif isinstance(message, Counted):
            set_counters(capture.stats, message.counters, message.main)
            capture.stats.dropped += message.dropped
            if main is not None:
                main.size, main.registration = message.size, message.registration
        elif isinstance(message, Announced):
            capture.announce(message.size, True)
        elif isinstance(message, Cleared) and main is not None:
            main.ready.clear()
        elif isinstance(message, Opened) and capture.opened is not None:
            codec = Codec(message.codec, message.extradata, *message.size)
            connection = Elsewhere(self.camera.name, codec if codec.name else None)
            capture.opened(connection)
            self.tap = connection.tap
        elif isinstance(message, Ended):
            capture.stats.dropped += capture.slot.close()
