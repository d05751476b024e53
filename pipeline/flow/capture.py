"""One camera's loop: open, read, offer to the inbox; try again where that makes sense.

The only place that retries. Sources just fail.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pipeline.errors import SourceError, SourceRefusedError, redact
from pipeline.flow.inbox import Inbox
from pipeline.flow.pace import Pace
from pipeline.flow.stats import CameraStats
from pipeline.protocols import Source
from pipeline.settings.schema import CameraConfig
from pipeline.sources import is_live, open_source
from pipeline.types import Frame

log = logging.getLogger("threadline.capture")

#: Niceness of capture threads.
NICE = 5
#: Frames a recording may have waiting.
FILE_DEPTH = 4
#: Seconds of good pictures after which earlier failures are forgotten.
_FORGIVEN_S = 10.0


def backoff_s(failures: int, jitter: float) -> float:
    """Pause before the next try after ``failures`` in a row; ``jitter`` is 0 to 1.

    Half a second, then one for the first sixty tries (a camera that reboots is back at once), then
    doubling to 30, each scaled by 0.5 to 1 so that many cameras do not knock together.
    """
    base = 0.5 if failures == 1 else 1.0
    if failures > 60:
        base = min(2.0 ** min(failures - 60, 10), 30.0)
    return base * (0.5 + 0.5 * jitter)


def _give_way() -> None:
    """Let this thread run after the inference thread: many decoders would else leave it the share
    of one among many. Only where threads have priorities of their own (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@dataclass(frozen=True, slots=True)
class Capture:
    """The capture loop of one camera.

    Attributes:
        admit: held while a recording is read, to bound how many are open at a time.
        turn: held while a camera's picture is decoded.
    """

    camera: CameraConfig
    inbox: Inbox[Frame]
    stats: CameraStats
    pace: Pace
    stop: threading.Event
    admit: AbstractContextManager[object]
    turn: AbstractContextManager[object]

    def run(self) -> None:
        """Until the recording ends, the source is refused for good, or ``stop`` is set."""
        _give_way()
        try:
            self._run()
        finally:
            self.stats.dropped += self.inbox.close(self.camera.name)

    def _run(self) -> None:
        try:
            source = open_source(self.camera)
        except SourceRefusedError as error:
            self._fail(error)
            return
        if not is_live(self.camera.url):
            with self.admit:
                if self.stop.is_set() or not self._read_once(source):
                    return
        failures, told = 0, ""
        while not self.stop.is_set():
            began = time.monotonic()
            if not self._read_once(source):
                return
            failures = 1 if time.monotonic() - began > _FORGIVEN_S else failures + 1
            pause = backoff_s(failures, random.random())
            if self.stats.note != told or failures == 1:  # an outage is told once, not per try
                told = self.stats.note
                log.warning("%s; trying again until it is back", told)
            if self.stop.wait(pause):
                return
            source = open_source(self.camera)

    def _read_once(self, source: Source) -> bool:
        """Read until it ends or fails; whether trying again makes sense."""
        self.stats.state = "connecting"
        try:
            with source:
                self.stats.state = "done" if self._pump(source) else "stopped"
            return False
        except SourceRefusedError as error:
            self._fail(error)
            return False
        except SourceError as error:
            self.stats.state, self.stats.note = "down", str(error)
        except Exception as error:  # one camera's defect must not end the others
            log.exception("camera %s: unexpected error", self.camera.name)
            self.stats.state = "down" if source.live else "failed"
            self.stats.note = f"{self.camera.name}: {redact(str(error))}"
        return source.live

    def _pump(self, source: Source) -> bool:
        """Offer every frame; whether the source came to its end."""
        stats, name = self.stats, self.camera.name
        if source.live:
            source.turn = self.turn
        self.inbox.open(name, replace=source.live, depth=1 if source.live else FILE_DEPTH)
        stats.length_s = source.length_s
        corrupt, offered = stats.corrupt, float("-inf")
        for frame in source:
            if stats.state != "up":
                if stats.decoded > 0:
                    stats.reconnects += 1
                    log.warning("%s: back again", name)
                stats.state, stats.note = "up", ""
            stats.decoded += 1
            stats.corrupt = corrupt + source.corrupt
            behind = time.monotonic() - frame.captured_at
            source.decoding = self.pace.decoding(behind, source.decoding, stats.still)
            if frame.live and frame.pts < offered + self.pace.gap_s:
                stats.skipped["pace"] += 1
            else:
                stats.dropped += self.inbox.put(name, frame)
                offered = frame.pts
            if self.stop.is_set():
                return False
        stats.corrupt = corrupt + source.corrupt
        return True

    def _fail(self, error: SourceError) -> None:
        self.stats.state, self.stats.note = "failed", str(error)
        log.error("%s", error)
