"""Many cameras on one machine: frames looked at, age of results, memory and processor time."""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.config import CameraConfig, Config, EngineConfig, OutputConfig
from pipeline.config_file import load
from pipeline.runner import Runner
from pipeline.types import TaggedFrame

SERVER = Path(__file__).parent.parent.parent / "tests" / "servers" / "rtsp.py"
SYSTEM_PYTHON = "/usr/bin/python3"
SIZE = (1920, 1080)
PORT = 8654
#: Seconds in which cameras connect and the pace settles, left out of all figures.
WARM_UP_S = 10.0


def transcode(video: Path, out: Path, rate: int) -> Path:
    """The video as a bare 1080p H.264 stream of a camera: no B-frames, a key frame every two
    seconds; wider or higher pictures are cut in the middle."""
    with av.open(str(video)) as source, av.open(str(out), "w", format="h264") as target:
        stream = target.add_stream("libx264", rate=rate)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        # One slice a picture: the server's payloader takes slices for pictures.
        options = {"preset": "veryfast", "tune": "zerolatency", "crf": "26"}
        stream.options = options | {"x264-params": "sliced-threads=0"}
        stream.codec_context.gop_size = 2 * rate
        for index, frame in enumerate(source.decode(video=0)):
            scale = max(SIZE[0] / frame.width, SIZE[1] / frame.height)
            width, height = round(frame.width * scale / 2) * 2, round(frame.height * scale / 2) * 2
            large = frame.reformat(width, height, "yuv420p").to_ndarray(format="rgb24")
            x, y = (width - SIZE[0]) // 2, (height - SIZE[1]) // 2
            part = np.ascontiguousarray(large[y : y + SIZE[1], x : x + SIZE[0]])
            picture = av.VideoFrame.from_ndarray(part, format="rgb24").reformat(format="yuv420p")
            picture.pts = index
            target.mux(stream.encode(picture))
        target.mux(stream.encode())
    return out


@contextmanager
def served(stream: Path, mounts: int, rate: int) -> Iterator[list[str]]:
    """URLs of a running RTSP server's cameras."""
    command = [SYSTEM_PYTHON, str(SERVER), str(stream), "--rate", str(rate), "--mounts"]
    command += [str(mounts), "--port", str(PORT), "--apart"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        if not server.stdout.readline().startswith("rtsp://"):
            raise SystemExit("no RTSP server: run tools/install_test_system.sh as root")
        yield [f"rtsp://127.0.0.1:{PORT}/cam{i}" for i in range(mounts)]
    finally:
        server.kill()
        server.wait()


@dataclass(slots=True)
class Watcher:
    """A sink that notes when results come and how old they are by the cameras' own clock."""

    name: str = "watch"
    since: float = float("inf")
    ages: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    detections: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tagged: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def write(self, tagged: TaggedFrame) -> None:
        frame, now = tagged.frame, time.time()
        if now < self.since or frame.camera_utc is None:
            return
        self.ages[frame.source].append((now, now - frame.camera_utc))
        self.detections[frame.source] += tagged.decision == "detect"
        self.tagged[frame.source] |= {track.id for track in tagged.tracks if track.tags}

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def resident_mb() -> float:
    """Resident memory of this process now, in megabytes (10^6 bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def watch(config: Config, out: Path, seconds: float) -> dict[str, Any]:
    """Run for ``seconds`` after the warm-up; figures of the worst camera and of the machine."""
    watcher = Watcher()
    with Runner(config, out, (watcher,)) as runner:
        runner.start()
        time.sleep(WARM_UP_S)
        watcher.since, began, spent, memory = time.time(), time.monotonic(), cpu_s(), resident_mb()
        decoded = sum(camera.decoded for camera in runner.stats.cameras.values())
        time.sleep(seconds)
        passed = time.monotonic() - began
        decoded = sum(camera.decoded for camera in runner.stats.cameras.values()) - decoded
        cores, after = (cpu_s() - spent) / passed, resident_mb()
        stats = runner.stats.as_json()
        runner.stop()
        runner.wait()
    names = [camera.name for camera in config.cameras]
    ages = {name: np.array(watcher.ages[name]).reshape(-1, 2) for name in names}
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
        "age p50, s": float(np.percentile(every, 50)),
        "age p99, s": float(np.percentile(every, 99)),
        "age p50, second half less first, s": float(
            np.median(halves[1]) - np.median(halves[0]) if min(map(len, halves)) else np.nan
        ),
        "people tagged": sum(len(watcher.tagged[name]) for name in names),
        "cores": cores,
        "memory, MB": after,
        "memory grown, MB": after - memory,
        "stretch": stats["degraded"]["stretch"],
        "stats": stats,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every number of cameras; all figures."""
    shown = (
        "cameras", "analysed a second, slowest camera", "detections a second, slowest camera",
        "age p50, s", "age p99, s", "age p50, second half less first, s", "cores", "memory, MB",
        "memory grown, MB", "stretch", "people tagged",
    )  # fmt: skip
    print(f"| {' | '.join(shown)} |\n|{'---|' * len(shown)}", flush=True)
    results = {}
    base = load(args.config) if args.config else Config()
    with tempfile.TemporaryDirectory() as folder:
        stream = transcode(args.video, Path(folder) / "camera.h264", args.rate)
        for count in args.count:
            with served(stream, count, args.rate) as urls:
                cameras = tuple(CameraConfig(url=url, id=f"cam{i}") for i, url in enumerate(urls))
                config = base.model_copy(update={
                    "cameras": cameras,
                    "engine": EngineConfig(backend=args.engine),
                    "outputs": OutputConfig(video=False),
                })  # fmt: skip
                result = watch(config, Path(folder) / str(count), args.seconds)
            results[str(count)] = result
            print(f"| {' | '.join(f'{result[name]:.4g}' for name in shown)} |", flush=True)
    return results
