"""One of several cameras in trouble: what the others notice, and how soon it is back."""

from __future__ import annotations

import argparse
import random
import signal
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmark.sinks import Listener
from benchmark.streams import PORT, STRIP, FaultyCamera, Server, material
from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config
from pipeline.types import Frame, TaggedFrame

BAD_PORT, PROXY_PORT = PORT + 1, PORT + 2
WARM_UP_S, FAULT_S, AFTER_S = 12.0, 12.0, 12.0
#: Seconds for which a camera refuses, and until it has surely been asked again.
REFUSED_S, ASKED_S = 90.0, 40.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a camera.

    Attributes:
        begin: what a faulty camera is told; of the others, ``trouble`` knows.
        end: the same when it is over.
        lasts_s: seconds it lasts; 0 for a change that stays.
        after_s: seconds in which it has to be back.
        settings: of the camera.
    """

    begin: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    lasts_s: float = FAULT_S
    after_s: float = AFTER_S
    settings: Mapping[str, str] = field(default_factory=dict)


def faults(small: Path, other: Path) -> dict[str, Fault]:
    """All of them, by name. ``small`` is a stream of another size, ``other`` of another codec."""
    refused = {"lasts_s": REFUSED_S, "after_s": ASKED_S}
    return {
        "frozen": Fault(),
        "killed": Fault(),
        "slow": Fault(),
        "corrupt": Fault(),
        "refusing (401)": Fault(("refuse 401", "hang_up"), ("refuse 0",), **refused),
        "not there (404)": Fault(("refuse 404", "hang_up"), ("refuse 0",), **refused),
        "an hour off": Fault(("report_s 3600",), ("report_s 0",)),
        "in another time": Fault(("stamp_s 37600",), ("stamp_s 0",)),
        "late by up to 0.5 s": Fault(("jitter_s 0.5",), ("jitter_s 0",)),
        "losing 2 % (UDP)": Fault(("loss 0.02",), ("loss 0",), settings={"transport": "udp"}),
        "changing its size": Fault((f"film {small}",), lasts_s=0.0),
        "changing its codec": Fault((f"film {other}", "hang_up"), lasts_s=0.0),
    }


@dataclass(slots=True)
class Times(Listener):
    """A sink that notes when each camera had a result, one with tags, and the first one of another
    size or connection."""

    results: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tags: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    changes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, Frame] = field(default_factory=dict)

    def write(self, tagged: TaggedFrame) -> None:
        now, frame = time.monotonic(), tagged.frame
        self.results[frame.source].append(now)
        if any(track.tags for track in tagged.tracks):
            self.tags[frame.source].append(now)
        before = self.last.get(frame.source, frame)
        if frame.width != before.width or frame.index < before.index:
            self.changes[frame.source].append(now)
        self.last[frame.source] = frame


class Proxy:
    """Passes a camera's stream on; while ``corrupt``, with bytes changed in its larger pieces."""

    def __init__(self) -> None:
        self.corrupt = False
        self._listener = socket.create_server(("127.0.0.1", PROXY_PORT))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", BAD_PORT))
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, harm: bool) -> None:
        chance = random.Random(1)
        with suppress(OSError), closing(source), closing(target):
            while data := bytearray(source.recv(16384)):
                if harm and self.corrupt and len(data) > 1000 and chance.random() < 0.2:
                    data[chance.randrange(600, len(data))] ^= 0x55
                target.sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()


@contextmanager
def trouble(kind: str, server: Server, proxy: Proxy) -> Iterator[None]:
    """A camera that is frozen, killed, slow (half of the time silent) or corrupt, for a while."""
    over = threading.Event()

    def stutter() -> None:
        while not over.wait(0.3):
            server.signal(signal.SIGSTOP)
            over.wait(0.3)
            server.signal(signal.SIGCONT)

    thread = threading.Thread(target=stutter, daemon=True)
    if kind == "frozen":
        server.signal(signal.SIGSTOP)
    elif kind == "killed":
        server.__exit__()
    elif kind == "slow":
        thread.start()
    else:
        proxy.corrupt = True
    yield
    over.set()
    proxy.corrupt = False
    if kind == "frozen":
        server.signal(signal.SIGCONT)
    elif kind == "killed":
        server.__enter__()
    elif kind == "slow":
        thread.join()


@contextmanager
def told(fault: Fault, camera: FaultyCamera) -> Iterator[None]:
    """A camera that is told what is wrong with it, for a while."""
    camera.tell(*fault.begin)
    yield
    camera.tell(*fault.end)


@contextmanager
def bad_camera(
    kind: str, fault: Fault, stream: Path, rate: int
) -> Iterator[tuple[str, AbstractContextManager[None]]]:
    """A camera's address, and its trouble."""
    if fault.begin:
        with FaultyCamera(stream, rate, BAD_PORT) as camera:
            yield camera.url, told(fault, camera)
        return
    with Server(stream, 1, rate, BAD_PORT) as server, closing(Proxy()) as proxy:
        url = f"rtsp://127.0.0.1:{PROXY_PORT}/cam0" if kind == "corrupt" else server.urls[0]
        yield url, trouble(kind, server, proxy)


def longest_gap(times: list[float], begin: float, end: float) -> float:
    inside = [begin, *(t for t in times if begin < t < end), end]
    return max(b - a for a, b in pairwise(inside))


def watch(kind: str, fault: Fault, stream: Path, args: argparse.Namespace) -> dict[str, float]:
    """Figures of one fault; not a number where a thing did not happen."""
    good = max(args.count[0], 2) - 1
    times = Times()
    with (
        Server(stream, good, args.rate) as healthy,
        bad_camera(kind, fault, stream, args.rate) as (url, bad),
        tempfile.TemporaryDirectory() as folder,
    ):
        cameras: list[dict[str, Any]] = [
            {"url": u, "id": f"cam{i}", "exclude": (STRIP,)} for i, u in enumerate(healthy.urls)
        ]
        cameras.append({"url": url, "id": "bad", "exclude": (STRIP,), **fault.settings})
        config = make_config(cameras=cameras, outputs={"video": False})
        with Runner(config, Path(folder), (times,)) as runner:
            runner.start()
            time.sleep(WARM_UP_S)
            noticed, began = float("nan"), time.monotonic()
            stats = runner.stats.camera("bad")
            with bad:
                while (passed := time.monotonic() - began) < fault.lasts_s:
                    if stats.state != "up" and noticed != noticed:
                        noticed = passed
                    time.sleep(0.02)
            lifted = time.monotonic()
            time.sleep(fault.after_s)
            runner.stop()
            runner.wait()
    back = (times.results if fault.lasts_s else times.changes)["bad"]
    again = min((t for t in back if t > lifted), default=float("nan"))
    tags = [t for t in times.tags["bad"] if t >= again]
    return {
        "longest gap of a healthy camera, s": max(
            longest_gap(times.results[f"cam{i}"], began, lifted + fault.after_s - 0.5)
            for i in range(good)
        ),
        "noticed after, s": noticed,
        "results again after, s": again - lifted,
        "tags again after, s": min(tags, default=float("nan")) - lifted,
        "results during the trouble": sum(began < t < lifted for t in times.results["bad"]),
        "pictures lost": stats.lost,
        "jumps": stats.jumps,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every kind of trouble; all figures."""
    stream = material(args.video, ".h264", args.rate)
    small, other = (material(args.video, suffix, 10, 360) for suffix in (".h264", ".h265"))
    results = {}
    for kind, fault in faults(small, other).items():
        results[kind] = watch(kind, fault, stream, args)
        if len(results) == 1:
            print(f"| one camera is | {' | '.join(results[kind])} |\n|{'---|' * 8}")
        values = " | ".join(f"{value:.3g}" for value in results[kind].values())
        print(f"| {kind} | {values} |", flush=True)
    return results
