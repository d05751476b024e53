"""What changes by itself: states of cameras and since when, load, what lies on the disk."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.flow.stats import CameraStats, peak_memory_mb
from pipeline.flow.worker import Worker
from pipeline.pictures import FOLDER

if TYPE_CHECKING:
    from pipeline.web.service import Service

log = logging.getLogger("threadline.web")

#: Seconds between two looks, between two tellings of counters, and two countings of pictures.
EVERY_S = 0.5
STATS_S = 5.0
_PICTURES_S = 600.0
_HOUR_MS = 3_600_000
#: States of a camera that does not come: each try to reach it goes through both.
_AWAY = frozenset({"connecting", "down"})
#: Called with a name and what is told.
Listener = Callable[[str, Mapping[str, Any]], None]


@dataclass(slots=True)
class Disk:
    """What lies on the disk, in bytes."""

    free: int = 0
    total: int = 0
    pictures: int = 0
    store: int = 0


@dataclass(slots=True)
class _Seen:
    state: str
    note: str
    since: float = field(default_factory=time.time)


class Watch:
    """Looks twice a second, on a thread of its own, and tells listeners what changed: ``camera``,
    ``cameras`` and ``stats``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seen: dict[str, _Seen] = {}
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._cpu = (time.monotonic(), _cpu_s())
        self._told_at = self._pictures_at = float("-inf")
        self.load = 0.0
        self.disk = Disk()

    def start(self) -> None:
        """Begin; it ends when the service does."""
        Worker("watch", self._run, lambda worker: None).start()

    def since(self, camera: str) -> float:
        """Seconds since the epoch at which a camera's state was first seen as it is."""
        with self._lock:
            seen = self._seen.get(camera)
        return seen.since if seen else self._service.started

    def listen(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.remove(listener)

    def tell(self, name: str, what: Mapping[str, Any]) -> None:
        """Tell all listeners."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(name, what)

    def next_deletion(self) -> tuple[int, str] | None:
        """When something is deleted next, in milliseconds, and what: ``pictures`` or ``rows``."""
        keep = self._service.runner.config.store.keep
        found: list[tuple[int, str]] = []
        try:
            store = self._service.store
            if keep.pictures_h is not None and (oldest := store.oldest(pictures=True)) is not None:
                found.append((oldest + round(keep.pictures_h * _HOUR_MS), "pictures"))
            if keep.rows_d is not None and (oldest := store.oldest()) is not None:
                found.append((oldest + round(keep.rows_d * 24 * _HOUR_MS), "rows"))
        except PipelineError:
            return None
        return min(found, default=None)

    def _run(self) -> None:
        while not self._service.stopping.wait(EVERY_S):
            try:
                self._look()
            except Exception:  # nothing of it is worth more than the cameras
                log.exception("the window's watch: unexpected error")

    def _look(self) -> None:
        with self._service.runner.stats.lock:
            cameras = list(self._service.runner.stats.cameras.values())
        for camera in cameras:
            self._compare(camera)
        with self._lock:
            for gone in self._seen.keys() - {camera.id for camera in cameras}:
                del self._seen[gone]
        now = time.monotonic()
        if now - self._told_at >= STATS_S:
            self._told_at = now
            self._measure(now)
            self.tell("stats", self._counters(cameras))

    def _compare(self, camera: CameraStats) -> None:
        seen = self._seen.get(camera.id)
        if seen is not None and (seen.state, seen.note) == (camera.state, camera.note):
            return
        # Another reason for the same state began when the state did.
        fresh = _Seen(camera.state, camera.note)
        if seen and (seen.state == camera.state or {seen.state, camera.state} <= _AWAY):
            fresh.since = seen.since
        with self._lock:
            self._seen[camera.id] = fresh
        what = {"id": camera.id, "state": fresh.state, "note": fresh.note, "since": fresh.since}
        self.tell("camera", what)

    def _counters(self, cameras: list[CameraStats]) -> dict[str, Any]:
        return {
            "slowdown": round(self._service.runner.pace.slowdown.factor, 2),
            "cpu": round(self.load, 3),
            "viewers": self._service.live.viewers,
            "cameras": [
                {"id": one.id, "people": one.people, "latency": one.as_json()["latency"]}
                for one in cameras
            ],
        }

    def _measure(self, now: float) -> None:
        before, used = self._cpu
        self._cpu = (now, _cpu_s())
        self.load = max(self._cpu[1] - used, 0.0) / max(now - before, 1e-3) / (os.cpu_count() or 1)
        usage = shutil.disk_usage(self._service.out)
        self.disk.free, self.disk.total = usage.free, usage.total
        self.disk.store = sum(_size(path) for path in self._service.out.glob("threadline.db*"))
        if now - self._pictures_at > _PICTURES_S:
            self._pictures_at = now
            pictures = (self._service.out / FOLDER).rglob("*.jpg")
            self.disk.pictures = sum(_size(path) for path in pictures)


def memory_mb() -> float:
    """Resident memory of this process now, in megabytes; the most so far where it is not told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return peak_memory_mb()


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
