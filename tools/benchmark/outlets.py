"""One output in trouble: what it costs the analysis, and what is lost."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.sinks import Listener
from benchmark.streams import STRIP, Server, material
from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config
from pipeline.types import TaggedFrame

#: Seconds until all cameras are up and models compiled, and size of the disk that is filled.
WARM_UP_S = 12.0
DISK_MB = 64


class Told(Listener):
    """Notes the ids of all events."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def write(self, tagged: TaggedFrame) -> None:
        self.ids += [event.id for event in tagged.events]


class Bad:
    """Takes events and frames badly. ``wrong`` is done at every event, or frame."""

    last = None

    def __init__(self, name: str, wrong: Any) -> None:
        self.name, self._wrong = name, wrong
        self.received: list[str] = []

    def __enter__(self) -> Bad:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class BadEvents(Bad):
    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            self._wrong()
            self.received.append(record["event_id"])


class BadFrames(Bad):
    def write(self, tagged: TaggedFrame) -> None:
        for _ in tagged.events:
            self._wrong()

    def forget(self, source: str) -> None:
        pass


def _raise() -> None:
    raise ValueError("this output is broken")


def _sinks(kind: str, answer: threading.Event) -> list[Any]:
    wrongs = {"sleeps 1 s an event": lambda: answer.wait(1.0), "raises": _raise}
    wrongs["never answers"] = answer.wait
    if kind not in wrongs:
        return []
    return [BadEvents("bad events", wrongs[kind]), BadFrames("bad frames", wrongs[kind])]


@contextmanager
def _folder(full: bool) -> Iterator[Path]:
    """A folder for results; ``full``: on a small disk of its own (needs root)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if full:
            size = f"size={DISK_MB}M"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", name], check=True)
        try:
            yield folder
        finally:
            if full:
                subprocess.run(["umount", name], check=True)


def watch(kind: str, stream: Path, args: argparse.Namespace) -> dict[str, float]:
    """Frames analysed a second, and events that are in no file at the end."""
    told, answer, full = Told(), threading.Event(), kind == "disk fills up"
    with Server(stream, args.count[0], args.rate) as server, _folder(full) as folder:
        cameras = [
            {"url": url, "id": f"cam{i}", "exclude": (STRIP,)} for i, url in enumerate(server.urls)
        ]
        config = make_config(cameras=cameras, outputs={"video": full})
        with Runner(config, folder / "out", [told, *_sinks(kind, answer)]) as runner:
            runner.start()
            time.sleep(WARM_UP_S)
            stats = runner.stats.cameras.values()
            before, began = sum(camera.analysed for camera in stats), time.monotonic()
            if full:
                _fill(folder / "filler")
            time.sleep(args.seconds)
            rate = (sum(c.analysed for c in stats) - before) / (time.monotonic() - began)
            (folder / "filler").unlink(missing_ok=True)
            if full:
                time.sleep(5)
            runner.stop()
            runner.wait()
            answer.set()
        lines = (folder / "out" / "events.jsonl").read_text().splitlines()
        kept = {json.loads(line)["event_id"] for line in lines}
        outlets = {one.name: one for one in runner.stats.outlets}
    return {
        "frames/s": rate,
        "events": len(told.ids),
        "not in events.jsonl": len(set(told.ids) - kept),
        "left to deliver later": sum(one.waiting for one in outlets.values()),
        "failed tries": sum(one.failures for one in outlets.values()),
    }


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every kind of trouble, each between two runs without; all figures."""
    stream = material(args.video, ".h264", args.rate)
    results: dict[str, Any] = {}
    last = watch("none", stream, args)
    for kind in ("sleeps 1 s an event", "never answers", "raises", "disk fills up"):
        bad, after = watch(kind, stream, args), watch("none", stream, args)
        bad["of the rate without"] = 2 * bad["frames/s"] / (last["frames/s"] + after["frames/s"])
        if not results:
            print(f"| one output | {' | '.join(bad)} |\n|{'---|' * (len(bad) + 1)}")
        print(f"| {kind} | {' | '.join(f'{value:.3g}' for value in bad.values())} |", flush=True)
        results[kind], last = bad, after
    return results
