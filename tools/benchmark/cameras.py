"""Many cameras on one machine: frames looked at, age of results, memory and processor time."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from array import array
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import native
from benchmark.sinks import Listener
from benchmark.streams import PORT, STRIP, Server, material
from pipeline.flow.runner import Runner
from pipeline.settings.file import load
from pipeline.settings.schema import Config, make_config
from pipeline.types import TaggedFrame

#: Seconds in which cameras connect and the pace settles, left out of all figures, and after which
#: every buffer has had its size.
WARM_UP_S, GROWN_S = 10.0, 60.0


@dataclass(slots=True)
class Watcher(Listener):
    """A sink that notes when results come and how old they are by the cameras' own clock."""

    since: float = float("inf")
    #: Times and ages in turn, compact: what is measured must not grow by being measured.
    ages: dict[str, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    detections: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    looks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    large: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tagged: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def write(self, tagged: TaggedFrame) -> None:
        frame, now = tagged.frame, time.time()
        if now < self.since or frame.camera_utc is None:
            return
        self.ages[frame.source].extend((now, now - frame.camera_utc))
        self.detections[frame.source] += tagged.decision == "detect"
        self.looks[frame.source] += sum(count for _, count in tagged.looks)
        self.large[frame.source] += tagged.views[0]
        self.tagged[frame.source] |= {track.id for track in tagged.tracks if track.tags}


def own_processes() -> list[Path]:
    """Folders in /proc of this process and its capture processes."""
    found = [Path("/proc/self")]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"flow.apart" in stat.with_name("cmdline").read_bytes():
                found.append(stat.parent)
    return found


def resident_mb() -> float:
    """Resident memory now of this process and its capture processes, what they share counted once,
    in megabytes (10^6 bytes)."""
    rollups = [(folder / "smaps_rollup").read_text() for folder in own_processes()]
    return sum(int(text.partition("Pss:")[2].split()[0]) for text in rollups) * 1024 / 1e6


def cpu_s() -> float:
    """Processor time of this process and its capture processes so far."""
    stats = [(folder / "stat").read_text() for folder in own_processes()]
    ticks = sum(sum(map(int, text.rpartition(")")[2].split()[11:13])) for text in stats)
    return ticks / os.sysconf("SC_CLK_TCK")


def watch(config: Config, out: Path, seconds: float) -> dict[str, Any]:
    """Run for ``seconds`` after the warm-up; figures of the worst camera and of the machine."""
    watcher = Watcher()
    with Runner(config, out, (watcher,)) as runner:
        runner.start()
        time.sleep(WARM_UP_S)
        watcher.since, began, spent = time.time(), time.monotonic(), cpu_s()
        decoded = sum(camera.decoded for camera in runner.stats.cameras.values())
        time.sleep(min(GROWN_S, seconds / 2))
        memory = resident_mb()
        time.sleep(max(seconds - GROWN_S, seconds / 2))
        passed = time.monotonic() - began
        decoded = sum(camera.decoded for camera in runner.stats.cameras.values()) - decoded
        cores, after = (cpu_s() - spent) / passed, resident_mb()
        stats = runner.stats.as_json()
        runner.stop()
        runner.wait()
    names = [camera.name for camera in config.cameras]
    looks = sum(watcher.looks.values()) / passed / len(names)
    large = sum(watcher.large.values()) / passed / len(names)
    ages = {name: np.array(watcher.ages[name], float).reshape(-1, 2) for name in names}
    every = np.concatenate([a[:, 1] for a in ages.values()])
    if not len(every):
        raise SystemExit("no results: none of the cameras was up")
    half = began + (time.time() - time.monotonic()) + passed / 2
    halves = [np.concatenate([a[(a[:, 0] < half) == first, 1] for a in ages.values()])
              for first in (True, False)]  # fmt: skip
    return {
        "cameras": len(names),
        "analysed a second, slowest camera": min(len(a) for a in ages.values()) / passed,
        "detections a second, slowest camera": min(watcher.detections[n] for n in names) / passed,
        "decoded a second, all": decoded / passed,
        "crops a second and camera": looks,
        "of them from the main stream": large,
        "age p50, s": float(np.percentile(every, 50)),
        "age p99, s": float(np.percentile(every, 99)),
        "age p50, second half less first, s": float(
            np.median(halves[1]) - np.median(halves[0]) if min(map(len, halves)) else np.nan
        ),
        "people tagged": sum(len(watcher.tagged[name]) for name in names),
        "cores": cores,
        "memory, MB": after,
        "memory grown, MB": after - memory,
        "slowdown": stats["degraded"]["slowdown"],
        "stats": stats,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every number of cameras; all figures."""
    if args.sub:
        return measure_sub(args)
    shown = (
        "cameras", "analysed a second, slowest camera", "detections a second, slowest camera",
        "age p50, s", "age p99, s", "age p50, second half less first, s", "cores", "memory, MB",
        "memory grown, MB", "slowdown", "people tagged",
    )  # fmt: skip
    print(f"| {' | '.join(shown)} |\n|{'---|' * len(shown)}", flush=True)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        stream = material(args.video, ".h264", args.rate)
        for count in args.count:
            with Server(stream, count, args.rate) as server:
                changes: dict[str, Any] = {
                    "cameras": [
                        {"url": url, "id": f"cam{i}", "exclude": [STRIP]}
                        for i, url in enumerate(server.urls)
                    ],
                    "engine": {"backend": args.engine},
                    "outputs": {"video": False},
                    "pace": {"processes": args.processes},
                }
                config = load(args.config, changes) if args.config else make_config(**changes)
                result = watch(config, Path(folder) / str(count), args.seconds)
            results[str(count)] = result
            print(f"| {' | '.join(f'{result[name]:.4g}' for name in shown)} |", flush=True)
    return results


def by_turns(large: Server, small: Server) -> dict[str, list[dict[str, str]]]:
    """The settings of cameras with their main streams alone, and with their sub-streams."""
    alone = [{"url": url, "id": f"cam{i}"} for i, url in enumerate(large.urls)]
    both = [one | {"sub": sub} for one, sub in zip(alone, small.urls, strict=True)]
    return {"main alone": alone, "with sub": both}


def measure_sub(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every number of cameras, without and with their sub-streams by turns."""
    main, sub = native.pair(args.video, args.rate, args.coding, args.few)
    results: dict[str, Any] = {}
    for name, stream in (("main stream", main), ("sub-stream", sub)):
        every, key = native.decoding_ms(stream)
        results[f"decoding a picture of the {name}, ms"] = every
        print(f"{name}: {every:.2f} ms to decode a picture, {key:.2f} ms a key frame", flush=True)
    shown = (
        "analysed a second, slowest camera", "detections a second, slowest camera",
        "crops a second and camera", "of them from the main stream", "age p50, s", "age p99, s",
        "cores", "memory, MB", "slowdown", "people tagged",
    )  # fmt: skip
    print(f"\n| cameras | | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 2)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for count in args.count:
            epoch = time.time() - 60
            with (
                Server(main, count, args.rate, epoch=epoch) as large,
                Server(sub, count, args.rate, PORT + 1, epoch) as small,
            ):
                for name, cameras in by_turns(large, small).items():
                    config = make_config(
                        cameras=cameras,
                        engine={"backend": args.engine},
                        outputs={"video": False},
                        pace={"processes": args.processes},
                    )
                    result = watch(config, Path(folder) / f"{count}-{name}", args.seconds)
                    results[f"{count}, {name}"] = result
                    values = " | ".join(f"{result[key]:.4g}" for key in shown)
                    print(f"| {count} | {name} | {values} |", flush=True)
    return results
