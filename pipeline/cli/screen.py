"""What a person at the terminal sees: a live table, plain lines, or nothing."""

from __future__ import annotations

import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.cli.errors import plain
from pipeline.flow.stats import CameraStats, OutletStats, Stats

_MARKS = MappingProxyType(
    {
        "waiting": ("grey50", "waiting"),
        "connecting": ("yellow", "connecting"),
        "up": ("green", "up"),
        "down": ("red", "down"),
        "done": ("cyan", "done"),
        "stopped": ("yellow", "stopped"),
        "failed": ("bold red", "failed"),
    }
)
#: Seconds between plain lines where the output is no terminal.
_PLAIN_EVERY_S = 5.0
#: Cameras listed one by one; of further ones only the number.
_MOST_ROWS = 24


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def left(elapsed: float, share: float) -> str:
    """Time left, judged by the time taken; nothing is known at the start."""
    return f"{clock(elapsed * (1 - share) / share)} left" if share > 0 else ""


def progress(cameras: list[CameraStats]) -> float | None:
    """Share of all recordings that is done; ``None`` if any length is unknown."""
    if not cameras or any(c.state != "done" and not c.length_s for c in cameras):
        return None
    total = sum(c.length_s or c.pts for c in cameras)
    done = sum((c.length_s or c.pts) if c.state == "done" else c.pts for c in cameras)
    return min(done / total, 1.0) if total else 1.0


def _latency(camera: CameraStats) -> str:
    recent = list(camera.latencies)[-200:]
    return f"{1000 * sorted(recent)[len(recent) // 2]:.0f} ms" if recent else "-"


def _table(cameras: list[CameraStats], elapsed: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("camera", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("frames", "fps", "detector", "dropped", "people", "latency"):
        table.add_column(name, justify="right", no_wrap=True)
    zoned = any(camera.zones for camera in cameras)
    if zoned:
        table.add_column("in zones now")
    for camera in cameras[:_MOST_ROWS]:
        style, word = _MARKS[camera.state]
        table.add_row(
            camera.id,
            Text(word, style),
            str(camera.analysed),
            f"{camera.analysed / elapsed:.1f}",
            str(camera.detector_runs),
            str(camera.dropped),
            str(camera.people),
            _latency(camera),
            *[plain(", ".join(f"{n} {k}" for n, k in camera.zones.items()))] * zoned,
        )
    if len(cameras) > _MOST_ROWS:
        table.add_row(f"… and {len(cameras) - _MOST_ROWS} more")
    return table


def table(stats: Stats) -> Table:
    """The cameras of a run as they are now."""
    return _table(list(stats.cameras.values()), max(time.monotonic() - stats.started, 0.001))


def _notes(*counted: CameraStats | OutletStats) -> list[Text]:
    """What is wrong, a line per camera or outlet; below the table, so that its numbers keep their
    room."""
    return [Text(plain(one.note), "yellow") for one in counted if one.note][:_MOST_ROWS]


class Screen:
    """Shows the statistics of a run while it lasts."""

    def __init__(self, stats: Stats, console: Console, quiet: bool) -> None:
        self._stats = stats
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._plain_at = time.monotonic()
        self._told = False

    def __enter__(self) -> Screen:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def update(self) -> None:
        """Draw once; called a few times a second."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
        elif time.monotonic() - self._plain_at > _PLAIN_EVERY_S or self._begins():
            self._plain_at, self._told = time.monotonic(), True
            self._console.print(self._line(), highlight=False)

    def _begins(self) -> bool:
        """Whether live cameras show their first pictures, which is told at once: they work."""
        cameras, _, share = self._known()
        return not self._told and share is None and any(camera.analysed for camera in cameras)

    def _known(self) -> tuple[list[CameraStats], float, float | None]:
        cameras = list(self._stats.cameras.values())
        elapsed = max(time.monotonic() - self._stats.started, 0.001)
        return cameras, elapsed, progress(cameras)

    def _picture(self) -> Any:
        cameras, elapsed, share = self._known()
        parts: list[Any] = [_table(cameras, elapsed), *_notes(*cameras, *self._stats.outlets)]
        if share is not None:
            row = Table.grid(padding=(0, 1))
            row.add_row(
                ProgressBar(100, 100 * share, width=40),
                f"{100 * share:.0f} %",
                left(elapsed, share),
            )
            parts.append(row)
        return Group(*parts)

    def _line(self) -> str:
        cameras, elapsed, share = self._known()
        frames = sum(c.analysed for c in cameras)
        up = sum(c.state == "up" for c in cameras)
        dropped = sum(c.dropped for c in cameras)
        line = (
            f"{clock(elapsed)}  {frames} frames, {frames / elapsed:.1f} fps, "
            f"{up} of {len(cameras)} cameras up, {dropped} dropped"
        )
        if share:
            line += f", {100 * share:.0f} %, {left(elapsed, share)}"
        return line

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()


def summary(stats: Stats, out: Path, running_on: str, console: Console) -> None:
    """What was found, camera by camera, on which engine, and where it lies."""
    cameras = list(stats.cameras.values())
    elapsed = max(time.monotonic() - stats.started, 0.001)
    console.print(_table(cameras, elapsed))
    frames = sum(c.analysed for c in cameras)
    speed = f"{frames} frames in {elapsed:.1f} s ({frames / elapsed:.0f} fps)"
    line = f"{speed} on {running_on}; results in {plain(str(out))}/"
    console.print(line, highlight=False, markup=False, soft_wrap=True)
