"""One camera's loop: open, read, offer to the inbox; try again where that makes sense.

The only place that retries. Sources just fail.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from pipeline.errors import SourceDeniedError, SourceError, SourceRefusedError, redact
from pipeline.flow.backoff import backoff_s, denied_backoff_s, give_way
from pipeline.flow.main_stream import MainStream
from pipeline.flow.pace import Pace
from pipeline.flow.stats import CameraStats
from pipeline.flow.troubles import Troubles
from pipeline.models.opening import cores
from pipeline.picture.area import Polygon
from pipeline.picture.privacy import masked
from pipeline.protocols import Connection, Source
from pipeline.sources import is_live, open_source
from pipeline.sources.camera import CameraSettings
from pipeline.types import Frame

log = logging.getLogger("threadline.capture")

#: Frames a recording may have waiting.
FILE_DEPTH = 4
#: Recordings read at the same time; further ones wait their turn.
FILES_AT_ONCE = 4
#: Seconds of good pictures after which earlier failures are forgotten.
_FORGIVEN_S = 10.0


class Turns:
    """What cameras share while they are read.

    Attributes:
        admit: held while a recording is read, to bound how many are open at a time.
        decode: held while a camera's picture is decoded.
    """

    def __init__(self, decoders: int | None = None) -> None:
        self.admit = threading.BoundedSemaphore(FILES_AT_ONCE)
        # More decoders than cores, but for one, would only take turns with the models.
        self.decode = threading.BoundedSemaphore(decoders or cores() + 1)


class Offered(Protocol):
    """Where frames are put: see ``pipeline.flow.inbox.Slot``."""

    def put(self, item: Frame) -> int: ...

    def open(self, *, replace: bool, depth: int = 1) -> None: ...

    def close(self) -> int: ...


class Outage:
    """Tells ``lost`` once that nothing has come for ``lost_s`` seconds."""

    def __init__(self, lost_s: float, lost: Callable[[], None]) -> None:
        self._lost_s = lost_s
        self._lost = lost
        self._last: float | None = None

    def came(self, now: float) -> None:
        """A frame came, at a monotonic time."""
        self._last = now

    def lasts(self, now: float) -> None:
        """No frame comes; asked at every try."""
        if self._last is not None and now - self._last >= self._lost_s:
            self._last = None
            self._lost()


@dataclass(frozen=True, slots=True)
class Capture:
    """The capture loop of one camera.

    Attributes:
        slot: its place in the inbox; a removed camera puts into the void.
        announce: told the size of a camera's pictures before its frames, and whether it is live.
        stop: set when the camera is removed, or the run ends.
        outage: told of frames, and of tries that brought none.
        room: has a recording wait for slow outlets.
        mask: areas that are painted out of its pictures before anybody has them.
        main: the main stream beside, where the camera's frames are its sub-stream's.
        opened: told of every source that was opened.
    """

    camera: CameraSettings
    slot: Offered
    stats: CameraStats
    pace: Pace
    turns: Turns
    announce: Callable[[tuple[int, int], bool], None]
    stop: threading.Event
    outage: Outage
    room: Callable[[threading.Event], None]
    mask: tuple[Polygon, ...] = ()
    troubles: Troubles = field(default_factory=Troubles)
    main: MainStream | None = None
    opened: Callable[[Connection], None] | None = None

    def run(self) -> None:
        """Until the recording ends, the source is refused for good, or ``stop`` is set."""
        give_way()
        try:
            self._run()
        finally:
            self.stats.dropped += self.slot.close()

    def _run(self) -> None:
        try:
            source = self._source()
        except SourceRefusedError as error:
            self._fail(error)
            return
        if not is_live(self.camera.url):
            with self.turns.admit:
                if self.stop.is_set() or not self._read_once(source):
                    return
        failures, refusals = 0, 0
        told: bool | None = None
        while not self.stop.is_set():
            began, denied = time.monotonic(), False
            try:
                if not self._read_once(source):
                    return
            except SourceDeniedError as error:
                self.stats.state, self.stats.note, denied = "down", str(error), True
            if self.stop.is_set():  # removed: another one may have its name
                return
            self._without()
            self.outage.lasts(time.monotonic())
            again = time.monotonic() - began > _FORGIVEN_S
            failures = 1 if again else failures + 1
            refusals = (1 if again else refusals + 1) if denied else 0
            # An outage is told once, not per try, though its reasons differ: a camera that is
            # switched off ends its stream first and refuses connections then.
            if denied != told or again:
                told = denied
                when = "every half minute, later more rarely" if denied else "until it is back"
                log.warning("%s; trying again %s", self.stats.note, when)
            pause = denied_backoff_s if denied else backoff_s
            if self.stop.wait(pause(refusals if denied else failures, random.random())):
                return
            source = self._source()

    def _source(self) -> Source:
        """What gives the camera's frames."""
        return open_source(self.camera if self.main is None else self.camera.sub_stream)

    def _stood_in_for(self) -> bool:
        return self.main is not None and self.main.standing_in and self.main.up

    def _without(self) -> None:
        """No frames come: the main stream stands in for the sub-stream, if it is up."""
        if self.main is not None and self.main.lost():
            self.stats.stood_in_for()

    def _read_once(self, source: Source) -> bool:
        """Read until it ends or fails; whether trying again makes sense."""
        if not self._stood_in_for():
            self.stats.state = "connecting"
        try:
            with source:
                self.stats.state = "done" if self._pump(source) else "stopped"
            return False
        except SourceRefusedError as error:
            if self.main is not None:  # the camera goes on with its main stream
                raise SourceDeniedError(str(error)) from None
            self._fail(error)
            return False
        except SourceDeniedError:
            raise
        except SourceError as error:
            self.stats.state, self.stats.note = "down", str(error)
        except Exception as error:  # one camera's defect must not end the others
            log.exception("camera %s: unexpected error", self.camera.name)
            self.stats.state = "down" if source.live else "failed"
            self.stats.note = f"{self.camera.name}: {redact(str(error))}"
        return source.live

    def _pump(self, source: Source) -> bool:
        """Offer every frame; whether the source came to its end."""
        stats = self.stats
        if source.live:
            source.turn = self.turns.decode
        self.slot.open(replace=source.live, depth=1 if source.live else FILE_DEPTH)
        stats.length_s = source.length_s
        if source.size is not None:
            self.announce(source.size, source.live)
        self.troubles.begin(stats, time.monotonic())
        if self.opened is not None:
            self.opened(source)
        try:
            return self._offer(source)
        finally:
            self.troubles.count(source, stats)

    def _offer(self, source: Source) -> bool:
        stats, offered = self.stats, float("-inf")
        for frame in source:
            self._up()
            stats.decoded += 1
            if self.main is not None:
                frame = replace(frame, sub=True, planes=masked(frame.planes, self.mask))
                self.main.saw(frame)
            now = time.monotonic()
            self.troubles.count(source, stats)
            self.troubles.tell(self.camera, stats, now)
            self.outage.came(now)
            behind = now - frame.waiting_since
            source.decoding = self.pace.decoding.choose(source.id, behind, source.decoding)
            if frame.live and frame.pts < offered + self.pace.gathering.gap_s:
                stats.withheld += 1
            else:
                if not frame.live:
                    self.room(self.stop)
                if self.main is None:
                    larger = frame.larger and frame.larger.hiding(self.mask)
                    planes = masked(frame.planes, self.mask)
                    frame = replace(frame, planes=planes, larger=larger)
                stats.dropped += self.slot.put(frame)
                offered = frame.pts
            if self.stop.is_set():
                return False
        return True

    def _up(self) -> None:
        """A frame came: the camera is there, maybe again."""
        if self.stats.state != "up" or self._stood_in_for():
            log.info("%s: pictures come", self.camera.name)
            if self.stats.decoded > 0:
                self.stats.reconnects += 1
                log.warning("%s: back again", self.camera.name)
            self.stats.state, self.stats.note = "up", ""

    def _fail(self, error: SourceError) -> None:
        self.stats.state, self.stats.note = "failed", str(error)
        log.error("%s", error)
