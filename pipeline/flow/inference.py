"""The inference thread: rounds of frames, one of each camera, through all stages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pipeline.flow.cameras import Cameras, Shared
from pipeline.flow.guard import Guard
from pipeline.flow.outlets import Outlets
from pipeline.flow.stages import Stages
from pipeline.types import Frame, TaggedFrame

log = logging.getLogger("threadline.inference")

#: Slowdown from which quality is so much less that it is reported.
DEGRADED = 2.0


class Inference:
    """Takes frames from the inbox, has them tagged, and hands the results over.

    ``announce`` is told the size of pictures that the detector is not ready for.
    """

    def __init__(
        self,
        stages: Stages,
        shared: Shared,
        cameras: Cameras,
        outlets: Outlets,
        announce: Callable[[tuple[int, int], bool], None],
    ) -> None:
        self._stages = stages
        self._guards = [Guard(stage, self._there) for stage in stages.every]
        self._shared = shared
        self._cameras = cameras
        self._outlets = outlets
        self._announce = announce
        self._told = False

    def _there(self) -> list[str]:
        """Cameras whose frames come or are about to."""
        every = list(self._shared.stats.cameras.values())
        return [camera.id for camera in every if camera.state in ("connecting", "up")]

    def run(self, stop: threading.Event) -> None:
        """Until the inbox is drained; then everybody in view has left."""
        try:
            self._rounds(stop)
        finally:
            self._stages.close()

    def _rounds(self, stop: threading.Event) -> None:
        inbox, gathering = self._shared.inbox, self._shared.pace.gathering
        while True:
            stop.wait(gathering.pause(time.monotonic()))
            taken = inbox.take()
            self._forget(self._cameras.gone())
            self._lose(self._cameras.lost())
            frames = [frame for frame in taken if self._ready(frame)]
            if frames:
                self._round(frames)
            elif not taken and inbox.drained:
                self._lose(self._cameras.names())
                return

    def _lose(self, sources: list[str]) -> None:
        """End everybody seen by cameras that send nothing any more."""
        for source in sources:
            self._outlets.late(self._stages.events.lost(source))
            camera = self._shared.stats.cameras.get(source)
            if camera is not None:
                camera.zones = dict.fromkeys(camera.zones, 0)

    def _forget(self, sources: list[str]) -> None:
        self._lose(sources)
        for source in sources:
            for guard in self._guards:
                guard.forget(source)
            self._shared.pace.decoding.forget(source)
            self._outlets.removed(source)

    def _ready(self, frame: Frame) -> bool:
        """Whether a frame can be looked at without making all cameras wait for a compiler."""
        size = (frame.width, frame.height)
        if not frame.live or self._stages.detect.ready(*size):
            return True
        self._announce(size, True)
        camera = self._shared.stats.cameras.get(frame.source)
        if camera is not None:
            camera.skipped["preparing"] += 1
        return False

    def _round(self, frames: list[Frame]) -> None:
        stats, pace = self._shared.stats, self._shared.pace
        pace.begin(time.monotonic())
        privacy = self._shared.settings.section("privacy")
        batch = [TaggedFrame(frame, heads=privacy.of(frame.source).heads) for frame in frames]
        for guard in self._guards:
            with stats.timed(guard.stage.name):
                batch = guard(batch)
            self._count_failed(guard)
        now = time.monotonic()
        for tagged in batch:
            age_s = now - tagged.frame.captured_at
            camera = stats.cameras.get(tagged.frame.source)
            if camera is not None:  # else it was removed a moment ago
                camera.count(tagged, age_s)
            if tagged.frame.live:
                # The network's delay is no work of this machine.
                pace.slowdown.finished(now, now - tagged.frame.waiting_since)
            if not self._outlets.put(tagged) and camera is not None:
                camera.unwritten += 1
        self._tell_degraded()

    def _count_failed(self, guard: Guard) -> None:
        for source in guard.failed:
            camera = self._shared.stats.cameras.get(source)
            if camera is not None:
                camera.failed += 1
        guard.failed.clear()

    def _tell_degraded(self) -> None:
        slowdown = self._shared.pace.slowdown.factor
        if slowdown >= DEGRADED and not self._told:
            self._told = True
            interval_s = self._shared.settings.section("person").of("").interval_s
            log.warning(
                "too much for this machine: people are searched every %.1f s instead of every "
                "%.1f s, evenly on all cameras; fewer cameras or a lower frame rate would help",
                slowdown * interval_s,
                interval_s,
            )
