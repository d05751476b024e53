"""Which cameras are received in processes of their own, and in which."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from itertools import count

from pipeline.flow.apart.memory import Memory
from pipeline.flow.apart.parent import CaptureProcess
from pipeline.flow.apart.seat import RemoteMain, Seat
from pipeline.flow.capture import Capture
from pipeline.flow.pace import CAMERAS_FROM, STREAMS_EACH, Pace, PaceSettings
from pipeline.flow.stats import MainStats
from pipeline.flow.worker import Worker
from pipeline.models.opening import cores
from pipeline.settings.schema import Camera
from pipeline.sources.table import scheme_of

log = logging.getLogger("threadline.capture")

#: What such a process receives: streams that are live for sure, and that the processor decodes.
SCHEMES = frozenset({"rtsp", "rtsps", "tcp"})


class Crew:
    """The capture processes of one run.

    Args:
        ended: told of every thread that listens to one, when it ends.
    """

    def __init__(self, settings: PaceSettings, pace: Pace, ended: Callable[[Worker], None]) -> None:
        self._wanted = settings.processes
        self._pace = pace
        self._ended = ended
        self._keys = count(1)
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._crew: dict[Worker, CaptureProcess] = {}
        self._where: dict[int, CaptureProcess] = {}
        self._stopped = False
        self._possible: bool | None = None

    def takes(self, camera: Camera, live: int) -> bool:
        """Whether a camera is to be received in one of them; ``live`` cameras are in the run."""
        schemes = {scheme_of(url) for url in (camera.url, camera.sub) if url}
        if camera.reader != "ffmpeg" or not schemes <= SCHEMES:
            return False
        enough = live >= CAMERAS_FROM if self._wanted == "auto" else self._wanted > 0
        return enough and self._able()

    def add(self, capture: Capture) -> tuple[Callable[[], None], RemoteMain | None]:
        """Have a camera received by the process that has least to do, or by a new one; what ends
        that, and its main stream, if it has a sub-stream."""
        key = next(self._keys)
        if capture.camera.sub:
            capture.stats.main = MainStats()
        seat = Seat(capture)
        with self._lock:
            process = self._free(2 if capture.camera.sub else 1)
            if not process.add(key, seat):
                process = self._new()
                process.add(key, seat)
            self._where[key] = process
        return lambda: self._remove(key), seat.main

    def _remove(self, key: int) -> None:
        with self._lock:
            process = self._where.pop(key, None)
            if process is not None:  # held, so that nobody moves it meanwhile
                process.remove(key)

    def _divide(self, process: CaptureProcess) -> None:
        """A process ends again and again: one of its cameras may be why. Half of them go to another
        process, so that in the end that one is alone."""
        with self._lock:
            half = {} if self._stopped else process.give_half()
            if half:
                other = self._new()
                log.warning(
                    "%s: every other one of its cameras goes to %s", process.name, other.name
                )
                for key, seat in half.items():
                    other.add(key, seat)
                    self._where[key] = other

    def stop(self) -> None:
        """End all."""
        with self._lock:
            processes, self._stopped = list(self._crew.values()), True
        for process in processes:
            process.stop()

    def workers(self) -> list[Worker]:
        """The threads that listen to them."""
        with self._lock:
            return [worker for worker in self._crew if worker.is_alive()]

    def _able(self) -> bool:
        """Whether this system shares memory and starts processes; told once where it does not."""
        if self._possible is None:
            try:
                Memory().close()
                self._possible = bool(sys.executable)
            except (OSError, OverflowError, ValueError) as error:
                self._possible = False
                log.warning("all cameras are received in one process: %s", error)
        return self._possible

    def _free(self, streams: int) -> CaptureProcess:
        there = sorted(self._crew.values(), key=lambda process: process.streams)
        if self._wanted == "auto":
            most = cores()
            enough = bool(there) and there[0].streams + streams <= STREAMS_EACH
        else:
            most, enough = self._wanted, False
        return there[0] if enough or len(there) >= most else self._new()

    def _new(self) -> CaptureProcess:
        name = f"capture process {next(self._numbers)}"
        process = CaptureProcess(name, cores() + 1, self._pace, self._divide)
        worker = Worker(name, process.run, self._left)
        self._crew[worker] = process
        worker.start()
        return process

    def _left(self, worker: Worker) -> None:
        with self._lock:
            self._crew.pop(worker, None)
        self._ended(worker)
