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
from pipeline.flow.stats import AGES, CameraStats, OutletStats, Spread
from pipeline.store.outlet import StoreSink
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
        ages = _histogram("latency", "Age of frames when they were done.", "camera")
        for camera in cameras:
            ages.add_metric([camera.id], _buckets(camera.ages), camera.ages.sum_s)
        yield ages
        yield self._there(cameras)
        seconds = _counter("stage_seconds", "Seconds spent in a stage.", "stage")
        calls = _counter("stage_calls", "Calls of a stage.", "stage")
        for name, (count, spent) in sorted(stages.items()):
            seconds.add_metric([name], spent)
            calls.add_metric([name], count)
        yield from (seconds, calls)
        yield from _of_outlets(outlets)
        yield from self._whole()

    def _there(self, cameras: list[CameraStats]) -> Metric:
        people = GaugeMetricFamily("threadline_people", "People in view now.", labels=["camera"])
        for camera in cameras:
            newest = self._service.live.newest(camera.id)
            people.add_metric([camera.id], len(newest.tracks) if newest else 0)
        return people

    def _whole(self) -> Iterator[Metric]:
        backend, _, precision = self._service.runner.running_on.rpartition(", ")
        names = ["version", "backend", "precision"]
        info = GaugeMetricFamily("threadline_build_info", "What runs here.", labels=names)
        info.add_metric([__version__, backend, precision], 1)
        yield info
        slowdown = self._service.runner.pace.slowdown.factor
        for name, text, value in (
            ("stretch_ratio", "By how much intervals are longer than set.", slowdown),
            ("viewers", "Viewers of live cameras.", self._service.live.viewers),
            ("db_bytes", "Size of the store.", self._service.watch.disk.store),
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
    tags = _counter("tags", "Tags that were reported first.", "camera", "kind")
    runs = _counter("detector_runs", "Runs of the detector.", "camera", "kind")
    for camera in cameras:
        parts = camera.partial_runs
        runs.add_metric([camera.id, "whole"], camera.detector_runs - parts)
        runs.add_metric([camera.id, "parts"], parts)
        for kind, count in dict(camera.tags).items():
            tags.add_metric([camera.id, kind], count)
        for policy, count in {**camera.skipped, "pace": camera.withheld}.items():
            skipped.add_metric([camera.id, policy], count)
        for tagger, count in dict(camera.looks).items():
            looks.add_metric([camera.id, tagger], count)
    yield from (skipped, looks, tags, runs)


def _of_outlets(outlets: list[OutletStats]) -> Iterator[Metric]:
    up = GaugeMetricFamily("threadline_outlet_up", "Whether it works.", labels=["outlet"])
    waiting = GaugeMetricFamily(
        "threadline_outbox_waiting", "Results it has not taken.", labels=["outlet"]
    )
    written = _counter("outlet_written", "Results an outlet took.", "outlet")
    failures = _counter("outlet_failures", "Times an outlet could not take any.", "outlet")
    missed = _counter("outlet_missed", "Results an outlet never gets.", "outlet")
    commits = _histogram("db_commit", "Time in which events were written into the store.")
    for outlet in outlets:
        up.add_metric([outlet.name], outlet.state == "up")
        waiting.add_metric([outlet.name], outlet.waiting)
        written.add_metric([outlet.name], outlet.written)
        failures.add_metric([outlet.name], outlet.failures)
        missed.add_metric([outlet.name], outlet.left_out)
        if outlet.name == StoreSink.name:
            commits.add_metric([], _buckets(outlet.took), outlet.took.sum_s)
    yield from (up, waiting, written, failures, missed, commits)


def _histogram(name: str, text: str, *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(f"threadline_{name}_seconds", text, labels=labels)


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    return list(zip([*map(str, AGES), "+Inf"], accumulate(spread.counts), strict=True))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"threadline_{name}", text, labels=labels)


def text_for(service: Service, who: Who) -> bytes:
    """All counters in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counters(service, who))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
