"""Counters of a run. Each counter of a camera has one writer: its capture thread or the inference
thread."""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.flow.pace import Pace
from pipeline.types import Heads, TaggedFrame

State = Literal["waiting", "connecting", "up", "down", "done", "stopped", "failed"]
#: Up to which lengths of time (s) they are counted apart.
AGES = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0)
#: Latencies kept per camera; percentiles are over the newest this many frames.
KEPT = 5_000


@dataclass(slots=True)
class Spread:
    """Lengths of time, counted by how long: up to each of ``AGES``, and longer; and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(AGES) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(AGES, seconds)] += 1
        self.sum_s += max(seconds, 0.0)


@dataclass(slots=True)
class MainStats:
    """What became of the main stream of a camera that has a sub-stream; counted by its own thread,
    ``looks`` and ``sub_looks`` by the inference thread.

    Attributes:
        packets: pictures received, mostly not decoded.
        discarded: of those, the ones that found no room before the next key frame.
        decoded: pictures decoded.
        keys: times a key frame was decoded for somebody.
        forward: times pictures after it were, since somebody could not wait.
        doubtful: decoded pictures that fitted no moment of the sub-stream.
        looks: looks at its pictures; ``sub_looks``, at the sub-stream's.
        clock: what tells the moments of its pictures.
        offset_s: how much later they come than the sub-stream's of the same moment.
    """

    state: State = "connecting"
    note: str = ""
    packets: int = 0
    discarded: int = 0
    decoded: int = 0
    keys: int = 0
    forward: int = 0
    doubtful: int = 0
    looks: int = 0
    sub_looks: int = 0
    clock: str = ""
    offset_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__ if name != "note"}
        offset_s = self.offset_s
        return values | {"offset_s": None if offset_s is None else round(offset_s, 3)}


@dataclass(slots=True)
class CameraStats:
    """One camera's counters.

    Attributes:
        skipped: detector runs saved, by policy; counted on the inference thread.
        withheld: frames not even offered because the machine had too little time; counted on the
            capture thread, and reported as ``skipped["pace"]``.
        lost: pictures that did not come whole, or build on one that did not.
        jumps: how often the time of its stream jumped.
        looks: crops shown to each tagger.
        unwritten: results that a slow or failing sink missed.
        failed: frames lost because a stage raised on them.
        zones: how many people are in each zone now.
        tags: tags that were reported first, by kind.
        ages: how old frames were when they were done.
        heads, masked: what is done to heads in its pictures, and how many areas are painted out.
        main: of the main stream, where the camera's frames are its sub-stream's.
    """

    id: str
    state: State = "waiting"
    note: str = ""
    decoded: int = 0
    analysed: int = 0
    dropped: int = 0
    withheld: int = 0
    detector_runs: int = 0
    partial_runs: int = 0
    unwritten: int = 0
    failed: int = 0
    reconnects: int = 0
    corrupt: int = 0
    lost: int = 0
    jumps: int = 0
    people: int = 0
    heads: Heads = "pixelate"
    masked: int = 0
    zones: dict[str, int] = field(default_factory=dict)
    length_s: float | None = None
    pts: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)
    ages: Spread = field(default_factory=Spread)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    main: MainStats | None = None

    def stood_in_for(self) -> None:
        """Pictures of its main stream come instead of the sub-stream's."""
        if self.state != "up":
            self.state = "up"
            self.note = "; ".join(filter(None, (self.note, "its main stream stands in")))

    def count(self, tagged: TaggedFrame, age_s: float) -> None:
        """Take in what became of a frame, and how old it was then."""
        self.analysed += 1
        self.pts = tagged.frame.pts
        self.latencies.append(age_s)
        self.ages.add(age_s)
        for event in tagged.events:
            self.people += event.name == "entered"
            if event.name == "appeared" and event.tag is not None:
                self.tags[event.tag.kind] += 1
        self.looks.update(dict(tagged.looks))
        self.zones = {place.name: place.count for place in tagged.places if place.is_zone}
        if self.main is not None:
            self.main.looks += tagged.views[0]
            self.main.sub_looks += tagged.views[1]
        if tagged.skipped:
            self.skipped[tagged.skipped] += 1
        if tagged.decision == "detect":
            self.detector_runs += 1
            self.partial_runs += tagged.windows is not None

    def as_json(self) -> dict[str, Any]:
        quantiles = np.percentile(self.latencies, [50, 95, 99]) if self.latencies else [None] * 3
        names = ("p50", "p95", "p99")
        latency = {
            name: None if q is None else round(float(q), 4)
            for name, q in zip(names, quantiles, strict=True)
        }
        skipped = self.skipped + Counter(pace=self.withheld)
        return {
            "id": self.id,
            "state": self.state,
            "decoded": self.decoded,
            "analysed": self.analysed,
            "skipped": dict(skipped),
            "dropped": self.dropped,
            "corrupt": self.corrupt,
            "lost": self.lost,
            "jumps": self.jumps,
            "detector_runs": self.detector_runs,
            "partial_runs": self.partial_runs,
            "looks": dict(self.looks),
            "unwritten": self.unwritten,
            "failed": self.failed,
            "reconnects": self.reconnects,
            "people": self.people,
            "zones": dict(self.zones),
            "privacy": {"heads": self.heads, "masked": self.masked},
            "latency": latency,
            **({} if self.main is None else {"main": self.main.as_json()}),
        }


@dataclass(slots=True)
class OutletStats:
    """What became of the results for one outlet; counted by its thread, ``left_out`` also by
    the inference thread.

    Attributes:
        written: frames or events it has taken.
        left_out: of those meant for it, what it never gets.
        failures: tries that failed.
        waiting: what it has not taken yet.
        took: how long it was at each delivery of events.
        note: why it fails.
    """

    name: str
    state: Literal["up", "failing"] = "up"
    written: int = 0
    left_out: int = 0
    failures: int = 0
    waiting: int = 0
    took: Spread = field(default_factory=Spread)
    note: str = ""

    @property
    def lacking(self) -> str:
        """What it lacks because of failures, in words; empty if nothing."""
        if self.state == "up" and not (self.failures and self.left_out):
            return ""
        missing = self.left_out + self.waiting
        return f"{self.name}: {missing} results were not written" + (
            f": {self.note.removeprefix(self.name + ': ')}" if self.note else ""
        )

    def as_json(self) -> dict[str, Any]:
        names = ("name", "state", "written", "left_out", "failures", "waiting")
        return {name: getattr(self, name) for name in names}


def peak_memory_mb() -> float:
    """Peak resident memory of this process in megabytes (10^6 bytes); 0 where it is not told."""
    try:
        import resource
    except ImportError:  # Unix only
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


class Stats:
    """All counters of a run, safe to add to from any thread."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self.lock = threading.Lock()
        self.cameras: dict[str, CameraStats] = {}
        self.removed = 0
        self.outlets: list[OutletStats] = []
        self.stages: dict[str, list[float]] = {}
        self.started = time.monotonic()

    def camera(self, source: str) -> CameraStats:
        """A camera's counters, made when first asked for."""
        with self.lock:
            return self.cameras.setdefault(source, CameraStats(source))

    def outlet(self, name: str) -> OutletStats:
        """An outlet's counters, new."""
        with self.lock:
            self.outlets.append(OutletStats(name))
            return self.outlets[-1]

    def remove(self, source: str) -> None:
        """Forget a camera that was removed while running."""
        with self.lock:
            self.removed += self.cameras.pop(source, None) is not None

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
                    "slowdown": round(self.pace.slowdown.factor, 2),
                    "seconds": round(self.pace.slowdown.seconds, 1),
                },
                "cameras": [camera.as_json() for camera in self.cameras.values()],
                "removed": self.removed,
                "outlets": [outlet.as_json() for outlet in self.outlets],
                "stages": {
                    name: {"calls": int(calls), "seconds": round(seconds, 4)}
                    for name, (calls, seconds) in self.stages.items()
                },
            }
