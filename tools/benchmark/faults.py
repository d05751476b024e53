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
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmark.sinks import Listener
from benchmark.streams import PORT, STRIP, Server, material
from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config
from pipeline.types import TaggedFrame

BAD_PORT, PROXY_PORT = PORT + 1, PORT + 2
WARM_UP_S, FAULT_S, AFTER_S = 12.0, 12.0, 12.0


@dataclass(slots=True)
class Times(Listener):
    """A sink that notes when each camera had a result, and when one with tags."""

    results: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tags: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def write(self, tagged: TaggedFrame) -> None:
        now = time.monotonic()
        self.results[tagged.frame.source].append(now)
        if any(track.tags for track in tagged.tracks):
            self.tags[tagged.frame.source].append(now)


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


def longest_gap(times: list[float], begin: float, end: float) -> float:
    inside = [begin, *(t for t in times if begin < t < end), end]
    return max(b - a for a, b in pairwise(inside))


def watch(kind: str, stream: Path, args: argparse.Namespace) -> dict[str, float]:
    """Figures of one fault; not a number where a thing did not happen."""
    good = max(args.count[0], 2) - 1
    times = Times()
    with (
        Server(stream, good, args.rate) as healthy,
        Server(stream, 1, args.rate, BAD_PORT) as bad,
        closing(Proxy()) as proxy,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = f"rtsp://127.0.0.1:{PROXY_PORT}/cam0" if kind == "corrupt" else bad.urls[0]
        urls = {f"cam{i}": u for i, u in enumerate(healthy.urls)} | {"bad": url}
        cameras = [{"url": u, "id": name, "exclude": (STRIP,)} for name, u in urls.items()]
        config = make_config(cameras=cameras, outputs={"video": False})
        with Runner(config, Path(folder), (times,)) as runner:
            runner.start()
            time.sleep(WARM_UP_S)
            noticed, began = float("nan"), time.monotonic()
            stats = runner.stats.camera("bad")
            with trouble(kind, bad, proxy):
                while (passed := time.monotonic() - began) < FAULT_S:
                    if stats.state != "up" and noticed != noticed:
                        noticed = passed
                    time.sleep(0.02)
            lifted = time.monotonic()
            time.sleep(AFTER_S)
            runner.stop()
            runner.wait()
    after = [t for t in times.results["bad"] if t > lifted]
    tags = [t for t in times.tags["bad"] if t > lifted]
    return {
        "longest gap of a healthy camera, s": max(
            longest_gap(times.results[f"cam{i}"], began, lifted + AFTER_S - 0.5)
            for i in range(good)
        ),
        "noticed after, s": noticed,
        "results again after, s": min(after, default=float("nan")) - lifted,
        "tags again after, s": min(tags, default=float("nan")) - lifted,
        "results during the trouble": sum(began < t < lifted for t in times.results["bad"]),
        "pieces not decoded": stats.corrupt,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every kind of trouble; all figures."""
    stream = material(args.video, ".h264", args.rate)
    results = {}
    for kind in ("frozen", "killed", "slow", "corrupt"):
        results[kind] = watch(kind, stream, args)
        if len(results) == 1:
            print(f"| one camera is | {' | '.join(results[kind])} |\n|{'---|' * 7}")
        values = " | ".join(f"{value:.3g}" for value in results[kind].values())
        print(f"| {kind} | {values} |", flush=True)
    return results
