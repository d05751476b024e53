"""What is wrong with a camera's stream though its pictures come: counted, and told once."""

from __future__ import annotations

import logging

from pipeline.flow.stats import CameraStats
from pipeline.protocols import Source
from pipeline.sources.camera import CameraSettings

log = logging.getLogger("threadline.capture")

#: Seconds over which lost pictures are counted together.
_WINDOW_S = 5.0
#: Lost pictures in that time, and share of all, that are worth a word.
_MANY = 3
_SHARE = 0.02
_TCP = "UDP does not send again what is lost: set transport: tcp"
_SLOWER = "the network or the camera is too slow for this stream: lower its bit rate"


class Troubles:
    """Those of one camera, over all of its connections."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._before = (0, 0, 0)
        self._since = 0.0
        self._lost = 0
        self._decoded = 0
        self._note = ""

    def begin(self, stats: CameraStats, now: float) -> None:
        """A connection begins, at a monotonic time."""
        self._before = stats.corrupt, stats.lost, stats.jumps
        self._restart(stats, now)

    def count(self, source: Source, stats: CameraStats) -> None:
        """Take over what the source counts since it was connected."""
        corrupt, lost, jumps = self._before
        stats.corrupt = corrupt + source.corrupt
        stats.lost = lost + source.lost
        stats.jumps = jumps + source.jumps

    def tell(self, camera: CameraSettings, stats: CameraStats, now: float) -> None:
        """Name what is wrong: in the log once, as a note while it lasts."""
        if stats.jumps:
            self._once(
                "jumps", f"{camera.name}: the time of its stream jumps; it goes on by the clock"
            )
        if now - self._since < _WINDOW_S:
            return
        lost, shown = stats.lost - self._lost, stats.decoded - self._decoded
        self._restart(stats, now)
        if lost >= _MANY and lost > _SHARE * (lost + shown):
            udp = camera.transport == "udp" and camera.url.startswith("rtsp")
            self._note = stats.note = (
                f"{camera.name}: {lost} of {lost + shown} pictures are lost on the way; "
                f"{_TCP if udp else _SLOWER}"
            )
            self._once("lost", stats.note)
        elif stats.note == self._note:
            stats.note = ""

    def _restart(self, stats: CameraStats, now: float) -> None:
        self._since, self._lost, self._decoded = now, stats.lost, stats.decoded

    def _once(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s", text)
