"""Builds everything, starts it, waits, stops it. The only module that sees all others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from engines.packs import Packs, shipped
from pipeline.errors import SinkError
from pipeline.events import EventStage
from pipeline.flow.cameras import Cameras, Shared
from pipeline.flow.inbox import Inbox
from pipeline.flow.inference import Inference
from pipeline.flow.journaling import GIVE_UP_S
from pipeline.flow.outlets import Outlets
from pipeline.flow.pace import Pace
from pipeline.flow.packs import Room, RunningPacks
from pipeline.flow.preparation import FIRST, Preparation
from pipeline.flow.stages import open_stages, pictured
from pipeline.flow.stats import Stats
from pipeline.flow.worker import Worker
from pipeline.ids import new_id
from pipeline.models.opening import Models
from pipeline.protocols import Connection
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import Config
from pipeline.sinks import AnySink, open_sinks
from pipeline.types import Frame

if TYPE_CHECKING:
    from pipeline.store.outlet import StoreSink

log = logging.getLogger("threadline.runner")

#: Seconds without a change of cameras after which engines get the threads that suit their number:
#: that compiles every model anew.
SETTLE_S = 3.0
#: Seconds threads have to end once stopping has begun; those of outlets, once no results come.
JOIN_S = 1.2
OUTLETS_S = 1.0
#: Seconds for which a model that is being compiled is waited for then: there is nothing to write.
COMPILED_S = 0.3


class Runner:
    """One run: cameras in, results out. Enter to open everything, then ``start`` and ``wait``.

    Cameras are connected while models are opened: some send a picture to begin with only every few
    seconds. ``cameras`` adds, removes and replaces them at any time, from any thread.

    Raises on entering: EngineError, SinkError. ``wait`` raises what ended a thread early. After
    leaving, ``left_behind`` names the threads that would not end in time: what they use is still
    open, and a process that ends with ``sys.exit`` then may crash; ``os._exit`` does not.

    Args:
        config: all settings; with ``stay`` it may name no camera.
        out: folder of the results.
        sinks: written to besides those of the settings: ``Sink`` or ``EventSink``.
        packs: the models; those shipped by default.
        stay: run until stopped, also without cameras.
        opened: told of every camera's source when it was opened, on its capture thread.

    Attributes:
        store: what writes the store, once entered; ``None`` without one.
        packs: what switches packs on and off, once entered.
        preparation: does what takes long, one after the other.
    """

    def __init__(
        self,
        config: Config,
        out: Path,
        sinks: Sequence[AnySink] = (),
        packs: Packs | None = None,
        stay: bool = False,
        opened: Callable[[Connection], None] | None = None,
    ) -> None:
        self.config = config
        self.id = new_id(time.time())
        self.settings = LiveSettings(config)
        self.pace = Pace(config.pace)
        self.stats = Stats(self.pace)
        self.finished = threading.Event()
        self.interrupted = False
        self.store: StoreSink | None = None
        self._out = out
        self._more_sinks = sinks
        self._packs = packs or shipped()
        self._stop = threading.Event()
        self._opened = threading.Event()
        self._inbox: Inbox[Frame] = Inbox(stay)
        self._sizes: list[tuple[int, int]] = []
        self.preparation = Preparation()
        self._shared = Shared(self.settings, self._inbox, self.stats, self.pace, self._room, opened)
        self.cameras = Cameras(
            config, self._packs, self._shared, self._announced, self._ended, self._changed
        )
        self.left_behind: list[str] = []
        self._workers: list[Worker] = []
        self._preparing: list[Worker] = []
        self._outlet_workers: list[Worker] = []
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Runner:
        with ExitStack() as stack:
            stack.callback(self.stop)
            for camera in self.config.cameras:
                self.cameras.add(camera)
            live = self.cameras.live
            staying = live > 0 or self._inbox.stay
            self.outlets = stack.enter_context(self._outlets(staying))
            models = stack.enter_context(ExitStack())
            self._models = models.enter_context(Models(self.config.engine, self._packs, live))
            self.stages = open_stages(
                self.settings,
                self._models,
                self.stats,
                self._sizes,
                EventStage(self.id, pictured(self.settings, staying)),
                self.cameras.main,
            )
            inference = Inference(
                self.stages,
                self._shared,
                self.cameras,
                self.outlets,
                self._announced,
            )
            self.packs = RunningPacks(
                Room(self.settings, self._models, self.stages.looks, self.preparation)
            )
            self.running_on = self.stages.detect.running_on
            self._opened.set()
            self._changed()
            self._workers += [Worker("inference", lambda: inference.run(self._stop), self._ended)]
            self._preparing += [Worker("preparation", self.preparation.run, self._ended)]
            self._engines = models.pop_all()
            stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and close what no thread uses any more. What a busy one uses stays open: closing it
        would crash the process."""
        self.stop()
        self.left_behind = self._joined()
        self.outlets.__exit__()
        if not {"inference", "preparation"} & set(self.left_behind):
            self._engines.close()

    def _outlets(self, live: bool) -> Outlets:
        outputs = self.settings.section("outputs")
        sinks = open_sinks(self._out, outputs, live, self.cameras.names())
        store = self.config.store
        if store.counts_only:  # nothing else is written
            sinks = []
        if store.enabled:
            from pipeline.store.outlet import StoreSink

            self.store = StoreSink(store, self._out, self.cameras.file)
            sinks.append(self.store)
        kept_s = store.keep.rows_d * 86_400 if store.keep.rows_d else None
        return Outlets(
            self._out,
            [*sinks, *self._more_sinks],
            self.stats,
            anew=not live,
            kept_s=0.0 if store.counts_only else kept_s,
        )

    def _room(self, stop: threading.Event) -> None:
        """Have a recording wait for outlets that have too much to do. A run of recordings alone
        ends if nothing it finds can be kept: it can be done again."""
        if not self._opened.is_set():
            return
        self.outlets.wait_for_room(stop)
        journaling = self.outlets.journaling
        if journaling.failing_s > GIVE_UP_S and not self.cameras.live and not self._inbox.stay:
            with self._lock:
                self._error = self._error or SinkError(journaling.counters.note)
            self.stop()

    def start(self) -> None:
        """Start tagging and writing."""
        self._outlet_workers = self.outlets.start(self._ended)
        for worker in (*self._workers, *self._preparing):
            worker.start()

    def follow(self, config: Config) -> None:
        """Have other settings hold from now on: those that are asked for while cameras run, and
        how long the past is kept. Live cameras begin anew where their own video may be seen, or
        not any more."""
        again = config.privacy.video != self.config.privacy.video
        self.config = config
        if self.store is not None:
            self.store.settings = config.store
        self.cameras.follow(config, again)

    def stop(self) -> None:
        """Ask everything to end: waiting frames are discarded, tagged ones still written."""
        self._stop.set()
        self.cameras.stop()
        self._inbox.stop()
        self.preparation.stop()
        if self._opened.is_set():
            self.outlets.stop()

    def wait(self) -> None:
        """Join all threads, with a deadline once stopping; re-raise the first error."""
        self.left_behind = self._joined()
        if self._error is not None:
            raise self._error

    def _joined(self) -> list[str]:
        """Join all threads that were started, with a deadline once stopping; names of those still
        busy then."""
        busy = self._join(self._threads, JOIN_S)
        if self._outlet_workers:
            self.outlets.close()
            busy += self._join(lambda: self._outlet_workers, OUTLETS_S)
        busy += self._join(lambda: self._preparing, COMPILED_S)
        if busy and busy != self.left_behind:
            log.warning("still busy, left behind: %s", ", ".join(busy))
        return busy

    def _join(self, workers: Callable[[], Sequence[Worker]], most_s: float) -> list[str]:
        deadline: float | None = None
        while alive := [worker for worker in workers() if worker.is_alive()]:
            alive[0].join(0.1)
            if self._stop.is_set() and deadline is None:
                deadline = time.monotonic() + most_s
            if deadline is not None and time.monotonic() > deadline:
                return [worker.name for worker in alive]
        return []

    def _threads(self) -> list[Worker]:
        return [*self._workers, *self.cameras.workers()]

    def _ended(self, worker: Worker) -> None:
        with self._lock:
            if worker.error is not None:
                if self._error is None:
                    self._error = worker.error
                else:
                    log.error("%s: %s", worker.name, worker.error)
        if worker.error is not None:
            self.stop()
        if worker.name == "inference":
            self.outlets.close()
        if worker.name == "journal":  # the last outlet, but for those that are stuck
            self.preparation.stop()
            if any(one.is_alive() for one in self._outlet_workers if one is not worker):
                self.stop()
            self.finished.set()

    def _changed(self) -> None:
        """Cameras came or went: whatever depends on their number follows."""
        live = self.cameras.live
        if self._opened.is_set():
            self.outlets.follow(live)
            follow = partial(self._models.live_cameras, live)
            self.preparation.ask("threads", follow, SETTLE_S)
            if live:
                self._ask_for_canvases()

    def _ask_for_canvases(self) -> None:
        """One by one, so that a stop is heard between them."""
        detect = self.stages.detect
        for size in reversed(detect.canvases):
            self.preparation.ask(("canvas", *size), partial(detect.prepare_canvas, size))

    def _announced(self, size: tuple[int, int], live: bool) -> None:
        """Frames of this size will come: have models compiled for it on another thread than the
        inference thread. A recording waits for that."""
        if live:
            if not self._opened.is_set():
                self._sizes.append(size)
            # Without it there is no result of the camera; canvases only make results cheaper.
            self.preparation.ask(size, lambda: self.stages.detect.prepare(*size), FIRST)
            return
        while not self._opened.wait(0.1):
            if self._stop.is_set():
                return
        self.stages.detect.prepare(*size)
