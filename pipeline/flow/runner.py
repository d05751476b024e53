"""Builds everything, starts it, waits, stops it. The only module that sees all others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pipeline.flow.capture import Capture
from pipeline.flow.inbox import Inbox
from pipeline.flow.pace import Pace
from pipeline.flow.stats import Stats
from pipeline.flow.worker import Worker
from pipeline.models.opening import build_stages, cores, live_cameras
from pipeline.protocols import Sink
from pipeline.settings.schema import Config
from pipeline.sinks import open_sinks
from pipeline.sources import is_live
from pipeline.types import Frame, TaggedFrame

log = logging.getLogger("threadline.runner")

#: Recordings read at the same time; further ones wait their turn.
FILES_AT_ONCE = 4
#: Tagged frames that may wait for the sinks: of recordings, and of live cameras with news and
#: (for each camera) without any.
OUTBOX_DEPTH, OUTBOX_NEWS, OUTBOX_PER_CAMERA = 4, 64, 2
#: Stretch from which quality is so much less that it is said.
DEGRADED = 2.0
#: Seconds threads have to end once stopping has begun.
JOIN_S = 1.5
_OUT = "out"


class Runner:
    """One run: cameras in, results out. Enter to open everything, then ``start`` and ``wait``.

    Cameras are connected while models are opened: some send a picture to begin with only every few
    seconds.

    ``sinks`` are written to besides those of the configuration.

    Raises on entering: EngineError, SinkError. ``wait`` raises what ended a thread early.
    """

    def __init__(self, config: Config, out: Path, sinks: Sequence[Sink] = ()) -> None:
        self.config = config
        self._more_sinks = sinks
        self.pace = Pace(config.pace_policy)
        self.stats = Stats(self.pace)
        self.finished = threading.Event()
        self.interrupted = False
        self._out = out
        self._stop = threading.Event()
        self._inbox: Inbox[Frame] = Inbox()
        self._outbox: Inbox[TaggedFrame] = Inbox()
        self._stack = ExitStack()
        self._workers: list[Worker] = []
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._told = False

    def __enter__(self) -> Runner:
        with ExitStack() as stack:
            live = live_cameras(self.config)
            sinks = [*open_sinks(self._out, self.config.outputs, live > 0), *self._more_sinks]
            self._sinks: Sequence[Sink] = [stack.enter_context(sink) for sink in sinks]
            stack.callback(self.stop)
            self._connect()
            self._stages, detector = build_stages(self.config, self.stats, self.pace, stack)
            self.running_on = f"{detector.engine.backend}, {detector.engine.precision}"
            self._outbox.open(_OUT, replace=False, depth=OUTBOX_NEWS if live else OUTBOX_DEPTH)
            self._plain = OUTBOX_DEPTH + OUTBOX_PER_CAMERA * live
            self._workers.append(Worker("inference", self._infer, self._ended))
            self._workers.append(Worker("sink", self._write, self._ended))
            if live:  # cameras do not wait until everything is ready
                self._workers.append(Worker("preparation", detector.prepare, self._ended))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._stack.close()

    def _connect(self) -> None:
        """Start one thread per camera."""
        admit = threading.BoundedSemaphore(FILES_AT_ONCE)
        turn = threading.BoundedSemaphore(cores() + 1)
        for camera in self.config.cameras:
            self._inbox.open(camera.name, replace=is_live(camera.url))
            stats = self.stats.camera(camera.name)
            capture = Capture(camera, self._inbox, stats, self.pace, self._stop, admit, turn)
            self._workers.append(Worker(f"capture {camera.name}", capture.run, self._ended))
        for worker in self._workers:
            worker.start()

    def start(self) -> None:
        """Start tagging and writing."""
        for worker in self._workers:
            if worker.ident is None:
                worker.start()

    def stop(self) -> None:
        """Ask everything to end: waiting frames are discarded, tagged ones still written."""
        self._stop.set()
        self._inbox.stop()

    def wait(self) -> None:
        """Join all threads, with a deadline once stopping; re-raise the first error."""
        deadline: float | None = None
        for worker in reversed(self._workers):  # the sink ends last, so ask it first
            while worker.is_alive():
                worker.join(0.1)
                if self._stop.is_set() and deadline is None:
                    deadline = time.monotonic() + JOIN_S
                if deadline is not None and time.monotonic() > deadline:
                    break
        alive = [worker.name for worker in self._workers if worker.is_alive()]
        if alive:
            log.warning("still busy, left behind: %s", ", ".join(alive))
        if self._error is not None:
            raise self._error

    def _ended(self, worker: Worker) -> None:
        with self._lock:
            if worker.error is not None:
                if self._error is None:
                    self._error = worker.error
                else:
                    log.error("%s: %s", worker.name, worker.error)
        if worker.error is not None:
            self.stop()
            self._outbox.stop()
        if worker.name == "inference":
            self._outbox.close(_OUT)
        if worker.name == "sink":
            self.finished.set()

    def _infer(self) -> None:
        most = max(len(self.config.cameras), 1)
        while True:
            self._stop.wait(self.pace.pause(time.monotonic()))
            frames = self._inbox.take(most)
            if not frames:
                if self._inbox.drained:
                    return
                continue
            self.pace.begin(time.monotonic())
            batch = [TaggedFrame(frame) for frame in frames]
            for stage in self._stages:
                with self.stats.timed(stage.name):
                    batch = stage(batch)
            now = time.monotonic()
            for tagged in batch:
                camera = self.stats.camera(tagged.frame.source)
                camera.analysed += 1
                camera.pts = tagged.frame.pts
                camera.latencies.append(now - tagged.frame.captured_at)
                if tagged.frame.live:
                    self.pace.finished(now, now - tagged.frame.captured_at)
                self._hand_over(tagged)
            self._tell_degraded()

    def _hand_over(self, tagged: TaggedFrame) -> None:
        """Give a result to the sinks. Those that are slower than live cameras miss frames on which
        nothing happened; what was found is never lost, and recordings wait."""
        news = tagged.events or any(track.best for track in tagged.tracks)
        if news or not tagged.frame.live:
            self._outbox.put(_OUT, tagged)
        elif not self._outbox.offer(_OUT, tagged, self._plain):
            self.stats.camera(tagged.frame.source).unwritten += 1

    def _tell_degraded(self) -> None:
        if self.pace.stretch >= DEGRADED and not self._told:
            self._told = True
            log.warning(
                "too much for this machine: people are looked for every %.1f s instead of every "
                "%.1f s, evenly on all cameras; fewer cameras or a lower frame rate would help",
                self.pace.stretch * self.config.person.interval_s,
                self.config.person.interval_s,
            )

    def _write(self) -> None:
        while True:
            items = self._outbox.take(OUTBOX_DEPTH)
            if not items and self._outbox.drained:
                return
            for tagged in items:
                for sink in self._sinks:
                    with self.stats.timed(f"write {sink.name}"):
                        sink.write(tagged)
