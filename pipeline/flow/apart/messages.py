"""What a run and its capture processes tell each other, and how it travels: pickled, over a pair of
sockets that nobody else has."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.flow.apart.memory import Placed
from pipeline.flow.stats import CameraStats, MainStats
from pipeline.picture.area import Polygon
from pipeline.picture.registration import Registration
from pipeline.sources.camera import CameraSettings

#: Bytes that tell how long a message is.
_HEAD = 4
_CHUNK = 1 << 18
#: Counters of a camera that its capture thread keeps; ``dropped`` is told as what was added.
COUNTED = ("state", "note", "decoded", "withheld", "reconnects", "corrupt", "lost", "jumps")
#: Those of its main stream that its thread keeps.
MAIN_COUNTED = (
    *("state", "note", "packets", "discarded", "decoded", "keys", "forward", "doubtful"),
    *("clock", "offset_s"),
)


# To a capture process. ``key`` is unlike that of any other start of any camera.


@dataclass(frozen=True, slots=True)
class Add:
    """Receive a camera; ``counters`` are where it goes on to count, ``video``: its packets are
    asked for if its codec is told."""

    key: int
    camera: CameraSettings
    mask: tuple[Polygon, ...]
    counters: tuple[Any, ...]
    main: tuple[Any, ...] | None
    video: bool


class Remove(NamedTuple):
    key: int


class Ask(NamedTuple):
    """A picture of the main stream; see ``pipeline.tagging.beside.Main.ask``."""

    key: int
    after: float
    urgent: bool


class Tap(NamedTuple):
    """Send packets of the connection opened last."""

    key: int


class Paced(NamedTuple):
    """What the run's controllers say: see ``pipeline.flow.pace``."""

    slowdown: float
    short: float
    still: Mapping[str, bool]


class Stop(NamedTuple):
    pass


# From one.


class Announced(NamedTuple):
    key: int
    size: tuple[int, int]


class Opened(NamedTuple):
    """A connection was opened; what its video needs to be shown, where it has any."""

    key: int
    codec: str
    extradata: bytes
    size: tuple[int, int]


class Came(NamedTuple):
    """A frame, its fields but for the picture."""

    key: int
    fields: dict[str, Any]
    placed: Placed


class CloseupCame(NamedTuple):
    """A picture of the main stream."""

    key: int
    fields: dict[str, Any]
    placed: Placed
    registration: Registration


class Cleared(NamedTuple):
    """Pictures of the main stream that were not taken yet are of no use any more."""

    key: int


class Packet(NamedTuple):
    """A packet as sent by the camera, a whole picture, and its seconds in the stream."""

    key: int
    data: bytes
    pts: int
    dts: int | None
    time_base: float
    is_keyframe: bool
    seconds: float

    @property
    def size(self) -> int:
        return len(self.data)

    def __bytes__(self) -> bytes:
        return self.data


class Counted(NamedTuple):
    """Counters as they are now, and what is known of the main stream."""

    key: int
    counters: tuple[Any, ...]
    dropped: int
    main: tuple[Any, ...] | None
    size: tuple[int, int] | None
    registration: Registration | None


class Ended(NamedTuple):
    """A camera is read no more; ``error`` is a defect of this program."""

    key: int
    error: str


class Logged(NamedTuple):
    record: dict[str, Any]


class Alive(NamedTuple):
    pass


def counters_of(stats: CameraStats) -> tuple[Any, ...]:
    """The capture thread's counters."""
    return tuple(getattr(stats, name) for name in COUNTED)


def main_counters_of(stats: MainStats | None) -> tuple[Any, ...] | None:
    """The main stream's thread's counters."""
    return None if stats is None else tuple(getattr(stats, name) for name in MAIN_COUNTED)


def set_counters(stats: CameraStats, told: tuple[Any, ...], main: tuple[Any, ...] | None) -> None:
    """Take counters over."""
    for name, value in zip(COUNTED, told, strict=True):
        setattr(stats, name, value)
    if stats.main is not None and main is not None:
        for name, value in zip(MAIN_COUNTED, main, strict=True):
            setattr(stats.main, name, value)


class Post:
    """One end of the pair: ``send`` from any thread, ``receive`` from one.

    Raises OSError (TimeoutError among them, if the socket has a timeout) when the other end does
    not take what is sent, after which nothing can be sent any more.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = threading.Lock()
        self._rest = bytearray()

    def send(self, message: object) -> None:
        body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._socket.sendall(len(body).to_bytes(_HEAD, "little") + body)

    def receive(self) -> list[Any]:
        """What has come since, at least one message.

        Raises:
            TimeoutError: nothing came within the socket's timeout.
            EOFError: the other end is closed.
        """
        while True:
            found, at = [], 0
            while len(self._rest) - at >= _HEAD:
                length = int.from_bytes(self._rest[at : at + _HEAD], "little")
                if len(self._rest) - at - _HEAD < length:
                    break
                at += _HEAD
                found.append(pickle.loads(memoryview(self._rest)[at : at + length]))
                at += length
            del self._rest[:at]
            if found:
                return found
            part = self._socket.recv(_CHUNK)
            if not part:
                raise EOFError
            self._rest += part

    def close(self) -> None:
        self._socket.close()
