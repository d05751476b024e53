"""Counters of a run. Each counter of a camera has one writer: its capture thread or the inference
thread; ``dropped`` and the like are never added to from two."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.flow.pace import Pace

State = Literal["waiting", "connecting", "up", "down", "done", "stopped", "failed"]
#: Latencies kept per camera; percentiles are over the newest this many frames.
KEPT = 5_000


@dataclass(slots=True)
class CameraStats:
    """One camera's counters, and whether nothing has moved for some time (``still``). ``skipped``
    counts detector runs saved, by policy."""

    id: str
    state: State = "waiting"
    note: str = ""
    decoded: int = 0
    analysed: int = 0
    dropped: int = 0
    detector_runs: int = 0
    partial_runs: int = 0
    unwritten: int = 0
    reconnects: int = 0
    corrupt: int = 0
    people: int = 0
    still: bool = False
    length_s: float | None = None
    pts: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    def as_json(self) -> dict[str, Any]:
        quantiles = np.percentile(self.latencies, [50, 95, 99]) if self.latencies else [None] * 3
        names = ("p50", "p95", "p99")
        latency = {
            name: None if q is None else round(float(q), 4)
            for name, q in zip(names, quantiles, strict=True)
        }
        return {
            "id": self.id,
            "state": self.state,
            "decoded": self.decoded,
            "analysed": self.analysed,
            "skipped": dict(self.skipped),
            "dropped": self.dropped,
            "corrupt": self.corrupt,
            "detector_runs": self.detector_runs,
            "partial_runs": self.partial_runs,
            "unwritten": self.unwritten,
            "reconnects": self.reconnects,
            "people": self.people,
            "latency": latency,
        }


def peak_memory_mb() -> float:
    """Peak resident memory of this process in megabytes (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


class Stats:
    """All counters of a run, safe to add to from any thread."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self.lock = threading.Lock()
        self.cameras: dict[str, CameraStats] = {}
        self.stages: dict[str, list[float]] = {}
        self.started = time.monotonic()

    def camera(self, source: str) -> CameraStats:
        with self.lock:
            return self.cameras.setdefault(source, CameraStats(source))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count one call of ``stage`` and the seconds it took."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self.lock:
                entry = self.stages.setdefault(stage, [0, 0.0])
                entry[0] += 1
                entry[1] += time.perf_counter() - start

    def as_json(self) -> dict[str, Any]:
        """The stable shape written by ``--stats``; seconds and counts."""
        with self.lock:
            return {
                "duration_s": round(time.monotonic() - self.started, 3),
                "peak_memory_mb": round(peak_memory_mb(), 1),
                "degraded": {
                    "stretch": round(self.pace.stretch, 2),
                    "seconds": round(self.pace.stretched_s, 1),
                },
                "cameras": [camera.as_json() for camera in self.cameras.values()],
                "stages": {
                    name: {"calls": int(calls), "seconds": round(seconds, 4)}
                    for name, (calls, seconds) in self.stages.items()
                },
            }
