"""Counters for Prometheus: counts and states, never rates, and nothing about a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pipeline import __version__
from pipeline.flow.stats import AGES, CameraStats
from pipeline.web.service import Service
from pipeline.web.who import Who

#: Name -> field of a camera's counters, and what it counts.
_COUNTERS = (
    ("frames_decoded", "decoded", "Pictures decoded."),
    ("frames_analysed", "analysed", "Pictures looked at, or predicted."),
    ("frames_dropped", "dropped", "Pictures replaced by newer ones."),
    ("frames_corrupt", "corrupt", "Pieces that could not be decoded."),
    ("frames_lost", "lost", "Pictures that did not come whole."),
    ("frames_failed", "failed", "Pictures lost because a stage failed."),
    ("detector_runs", "detector_runs", "Runs of the detector."),
    ("reconnects", "reconnects", "Times a camera came back."),
    ("people_entered", "people", "People who came."),
    ("results_unwritten", "unwritten", "Results that an outlet missed."),
)


class _Counters(Collector):
    """What one who asks may know."""

    def __init__(self, service: Service, who: Who) -> None:
        self._service = service
        self._who = who

    def collect(self) -> Iterable[Metric]:
        stats = self._service.runner.stats
        with stats.lock:
            cameras = [one for one in stats.cameras.values() if self._who.sees(one.id)]
            stages = {name: tuple(entry) for name, entry in stats.stages.items()}
            outlets = list(stats.outlets)
        yield from _of_cameras(cameras)
        yield _ages(cameras)
        yield self._there(cameras)
        seconds = _counter("stage_seconds", "Seconds spent in a stage.", "stage")
        calls = _counter("stage_calls", "Calls of a stage.", "stage")
        for name, (count, spent) in sorted(stages.items()):
            seconds.add_metric([name], spent)
            calls.add_metric([name], count)
        yield from (seconds, calls)
        written = _counter("outlet_written", "Results an outlet took.", "outlet")
        failures = _counter("outlet_failures", "Times an outlet could not take any.", "outlet")
        missed = _counter("outlet_missed", "Results an outlet never gets.", "outlet")
        waiting = GaugeMetricFamily(
            "threadline_outlet_waiting", "Results it has not taken.", labels=["outlet"]
        )
        for outlet in outlets:
            written.add_metric([outlet.name], outlet.written)
            failures.add_metric([outlet.name], outlet.failures)
            missed.add_metric([outlet.name], outlet.left_out)
            waiting.add_metric([outlet.name], outlet.waiting)
        yield from (written, failures, missed, waiting)
        yield from self._whole()

    def _there(self, cameras: list[CameraStats]) -> Metric:
        people = GaugeMetricFamily("threadline_people", "People in view now.", labels=["camera"])
        for camera in cameras:
            newest = self._service.live.newest(camera.id)
            people.add_metric([camera.id], len(newest.tracks) if newest else 0)
        return people

    def _whole(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("threadline_build_info", "The version.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        slowdown = self._service.runner.pace.slowdown.factor
        for name, text, value in (
            ("slowdown_ratio", "By how much intervals are longer than set.", slowdown),
            ("viewers", "Viewers of live cameras.", self._service.live.viewers),
            ("store_bytes", "Size of the store.", self._service.watch.disk.store),
            ("disk_free_bytes", "Room left on the disk.", self._service.watch.disk.free),
        ):
            yield GaugeMetricFamily(f"threadline_{name}", text, value=value)


def _of_cameras(cameras: list[CameraStats]) -> Iterator[Metric]:
    up = GaugeMetricFamily("threadline_camera_up", "Whether pictures come.", labels=["camera"])
    for camera in cameras:
        up.add_metric([camera.id], camera.state == "up")
    yield up
    for name, field, text in _COUNTERS:
        counter = _counter(name, text, "camera")
        for camera in cameras:
            counter.add_metric([camera.id], getattr(camera, field))
        yield counter
    skipped = _counter("frames_skipped", "Runs of the detector saved.", "camera", "policy")
    looks = _counter("looks", "Crops shown to a tagger.", "camera", "tagger")
    for camera in cameras:
        for policy, count in {**camera.skipped, "pace": camera.withheld}.items():
            skipped.add_metric([camera.id, policy], count)
        for tagger, count in dict(camera.looks).items():
            looks.add_metric([camera.id, tagger], count)
    yield from (skipped, looks)


def _ages(cameras: list[CameraStats]) -> Metric:
    ages = HistogramMetricFamily(
        "threadline_latency_seconds", "Age of frames when they were done.", labels=["camera"]
    )
    for camera in cameras:
        counts = accumulate(camera.aged)
        names = [*map(str, AGES), "+Inf"]
        ages.add_metric([camera.id], list(zip(names, counts, strict=True)), camera.aged_s)
    return ages


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"threadline_{name}", text, labels=labels)


def text_for(service: Service, who: Who) -> bytes:
    """All counters in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counters(service, who))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
