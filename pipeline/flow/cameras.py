"""The cameras of a run: added, removed and replaced while it lasts, from any thread.

Each has a capture thread, a slot in the inbox, counters and settings of its own. Whatever stages
and sinks keep for a camera they let go of on their own threads, once its slot is gone: no frame of
it can follow. The other cameras notice nothing.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engines.packs import Packs
from pipeline.errors import ConfigError, redact
from pipeline.flow.apart.crew import Crew
from pipeline.flow.apart.seat import RemoteMain
from pipeline.flow.capture import Capture, Outage, Turns
from pipeline.flow.inbox import Inbox, Slot
from pipeline.flow.main_stream import MainStream
from pipeline.flow.pace import Pace
from pipeline.flow.stats import MainStats, Stats
from pipeline.flow.worker import Worker
from pipeline.protocols import Connection
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import Camera, Config, camera_class, first_mistake
from pipeline.sources import is_live
from pipeline.tagging.beside import Main
from pipeline.types import Frame

log = logging.getLogger("threadline.cameras")


@dataclass(slots=True)
class _Running:
    camera: Camera
    stop: Callable[[], None]
    main: MainStream | RemoteMain | None = None
    workers: tuple[Worker, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """What all cameras of a run share. ``room`` has a recording wait for slow outlets; ``opened``
    is told of every source, on its capture thread, before its frames come."""

    settings: LiveSettings
    inbox: Inbox[Frame]
    stats: Stats
    pace: Pace
    room: Callable[[threading.Event], None]
    opened: Callable[[Connection], None] | None = None


class Cameras:
    """The cameras of one run.

    ``announce`` is told the size of a camera's pictures before its frames, ``ended`` of every
    capture thread that ends, and ``changed`` is called when cameras came or went.
    """

    def __init__(
        self,
        config: Config,
        packs: Packs,
        shared: Shared,
        announce: Callable[[tuple[int, int], bool], None],
        ended: Callable[[Worker], None],
        changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._packs = packs
        self._shared = shared
        self._announce = announce
        self._ended = ended
        self._changed = changed
        self._turns = Turns()
        self._crew = Crew(config.pace, shared.pace, self._left)
        self._lock = threading.RLock()
        self._running: dict[str, _Running] = {}
        self._leaving: set[Worker] = set()
        self._gone: list[str] = []
        self._lost: list[str] = []
        self._stopped = False

    @property
    def live(self) -> int:
        """How many live cameras there are."""
        with self._lock:
            return sum(is_live(running.camera.url) for running in self._running.values())

    def names(self) -> list[str]:
        """The names of all cameras, in the order in which they were added."""
        with self._lock:
            return list(self._running)

    def settings(self) -> list[Camera]:
        """The settings of all cameras, in the order in which they were added."""
        with self._lock:
            return [running.camera for running in self._running.values()]

    def file(self, name: str) -> Path | None:
        """The file that a camera is a recording of."""
        with self._lock:
            running = self._running.get(name)
        if running is None or is_live(running.camera.url):
            return None
        return Path(re.sub("(?i)^file://", "", running.camera.url))

    def add(self, camera: Camera | Mapping[str, Any]) -> str:
        """Start one more camera; its name.

        Raises:
            ConfigError: a setting is wrong, its name is taken, or the run is ending.
        """
        wanted = self._checked(camera)
        with self._lock:
            if wanted.name in self._running:
                raise ConfigError(f"a camera called '{wanted.name}' is there already; replace it")
            self._start(wanted)
        self._changed()
        return wanted.name

    def remove(self, name: str) -> None:
        """Stop a camera and let go of everything kept for it.

        Raises:
            ConfigError: there is no such camera.
        """
        with self._lock:
            self._stop(name)
        self._changed()

    def replace(self, camera: Camera | Mapping[str, Any]) -> str:
        """Stop the camera of this name and start this one in its place, with other settings or
        another address; its name.

        Raises:
            ConfigError: a setting is wrong, there is no such camera, or the run is ending.
        """
        wanted = self._checked(camera)
        with self._lock:
            self._stop(wanted.name)
            self._start(wanted)
        self._changed()
        return wanted.name

    def follow(self, config: Config, again: bool) -> None:
        """Have other settings hold for all cameras; ``again``: live ones begin anew."""
        with self._lock:
            self._config = config
            running = [one.camera for one in self._running.values()]
            self._shared.settings.follow(config, running)
            for camera in running:
                stats = self._shared.stats.camera(camera.name)
                stats.heads = self._shared.settings.section("privacy").of(camera.name).heads
                if again and is_live(camera.url):
                    self._stop(camera.name)
                    self._start(camera)
        if again:
            self._changed()

    def stop(self) -> None:
        """Have all of them end."""
        with self._lock:
            self._stopped = True
            for running in self._running.values():
                running.stop()
        self._crew.stop()

    def workers(self) -> list[Worker]:
        """Threads that still read, those of removed cameras included."""
        with self._lock:
            own = [worker for running in self._running.values() for worker in running.workers]
            every = (*own, *self._leaving, *self._crew.workers())
            return [worker for worker in every if worker.is_alive()]

    def gone(self) -> list[str]:
        """Names of cameras removed since this was last asked."""
        with self._lock:
            names, self._gone = self._gone, []
            return names

    def lost(self) -> list[str]:
        """Names of cameras that have sent nothing for ``track.lost_s``, once an outage, since this
        was last asked."""
        with self._lock:
            names, self._lost = self._lost, []
            return names

    def _quiet(self, name: str) -> None:
        with self._lock:
            if name in self._running:
                self._lost.append(name)
        self._shared.inbox.poke()

    def _checked(self, camera: Camera | Mapping[str, Any]) -> Camera:
        try:
            wanted = camera if isinstance(camera, Camera) else camera_class()(**camera)
            self._config.check(wanted, self._packs)
        except ValidationError as error:
            raise ConfigError(redact(first_mistake(error))) from None
        except ValueError as error:
            raise ConfigError(redact(str(error))) from None
        return wanted

    def _start(self, camera: Camera) -> None:
        if self._stopped:
            raise ConfigError("the run is ending; no camera can be added")
        shared, name = self._shared, camera.name
        shared.settings.add(camera)
        slot = shared.inbox.add(name, replace=is_live(camera.url))
        stop = threading.Event()
        lost_s = shared.settings.section("track").of(name).lost_s
        privacy = shared.settings.section("privacy").of(name)
        stats = shared.stats.camera(name)
        stats.heads, stats.masked = privacy.heads, len(privacy.mask)
        if privacy.heads == "keep":
            log.warning("camera %s: heads are kept in pictures, as privacy.heads says", name)
        outage = Outage(lost_s, partial(self._quiet, name))
        apart = self._crew.takes(camera, max(self._config.live, self.live + 1))
        beside = camera.sub and is_live(camera.url) and not apart
        main = self._main(camera, slot, outage, stop) if beside else None
        capture = Capture(
            camera,
            slot,
            stats,
            shared.pace,
            self._turns,
            self._announce,
            stop,
            outage,
            shared.room,
            privacy.mask,
            main=main,
            opened=shared.opened,
        )
        log.info("camera %s: added", name)
        if apart:
            self._running[name] = _Running(camera, *self._crew.add(capture))
        else:
            self._running[name] = self._inside(camera, capture)

    def _inside(self, camera: Camera, capture: Capture) -> _Running:
        """Read by threads of this process."""
        name, main = camera.name, capture.main
        workers = [Worker(f"capture {name}", capture.run, self._left)]
        workers += [Worker(f"main stream {name}", main.run, self._left)] if main else []
        for worker in workers:
            worker.start()
        return _Running(camera, capture.stop.set, main, tuple(workers))

    def _main(
        self, camera: Camera, slot: Slot[Frame], outage: Outage, stop: threading.Event
    ) -> MainStream:
        """The main stream beside a camera's sub-stream."""
        stats = self._shared.stats.camera(camera.name)
        stats.main = MainStats()

        def offer(frame: Frame) -> None:
            outage.came(time.monotonic())
            stats.stood_in_for()
            slot.put(frame)

        mask = self._shared.settings.section("privacy").of(camera.name).mask
        return MainStream(camera, stats.main, self._turns.decode, offer, stop, mask)

    def main(self, name: str) -> Main | None:
        """A camera's main stream, if it has a sub-stream and that main stream is up."""
        with self._lock:
            running = self._running.get(name)
        main = running.main if running is not None else None
        return main if main is not None and main.up else None

    def _stop(self, name: str) -> None:
        if name not in self._running:
            there = ", ".join(self._running) or "none"
            raise ConfigError(f"no camera is called '{name}'; there are: {there}")
        running = self._running.pop(name)
        log.info("camera %s: removed", name)
        running.stop()
        self._leaving |= {worker for worker in running.workers if worker.is_alive()}
        self._shared.inbox.remove(name)
        self._shared.settings.drop(name)
        self._shared.stats.remove(name)
        self._gone.append(name)
        self._shared.inbox.poke()

    def _left(self, worker: Worker) -> None:
        with self._lock:
            self._leaving.discard(worker)
        self._ended(worker)
