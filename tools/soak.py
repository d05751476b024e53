"""Run cameras for a long time and watch what the program holds: memory, open files, threads.

    python tools/soak.py --cameras 8 --minutes 120
    python tools/soak.py --cameras 4 --minutes 60 --faults-every 20
    python tools/plot_benchmarks.py --soak out/soak/soak.json --out docs/pictures

Cameras are real ones of RTSP servers that this starts (tools/install_test_system.sh), what watches
them is ``threadline run``. With ``--faults-every`` one camera after another is frozen for a while,
killed and started again later, or killed and started again at once. Printed is what was held, and
its growth in an hour: the median slope over all pairs of samples once the first two minutes are
over. Every fault has to be told once in the log, and its end. Samples and log are kept under
``--out``. Ends with 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from benchmark.ends import RATE, lines, stream_of
from benchmark.streams import STRIP, Server, free_port, material

CLIP = Path(__file__).parent.parent / "tests" / "data" / "street.mp4"
#: Seconds between samples, and those at the start that count for no growth.
EVERY_S, SETTLED_S = 5.0, 120.0
#: Seconds for which a camera is frozen or gone; frozen ones must be noticed.
TROUBLE_S = 8.0
KINDS = ("frozen", "killed", "restarted")
#: Pairs of samples that a slope is taken of, at most.
MOST_SAMPLES = 400
#: Seconds after the last fault within which its camera has to be back.
BACK_S = 20.0
#: What the log says of an outage and of its end.
LOST, BACK = "trying again", "back again"


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds at a time, in seconds since it began."""

    at: float
    memory_mb: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to a camera, and when, in seconds since the epoch."""

    camera: int
    kind: str
    at: float


def sample(pid: int, began: float) -> Sample:
    own = Path(f"/proc/{pid}")
    pages = int((own / "statm").read_text().split()[1])
    threads = int((own / "status").read_text().split("Threads:")[1].split()[0])
    files = len(os.listdir(own / "fd"))  # noqa: PTH208
    memory = pages * resource.getpagesize() / 1e6
    return Sample(time.monotonic() - began, memory, files, threads)


def growth(samples: Sequence[Sample], name: str) -> float:
    """What is held more after an hour, once settled: the median of the slopes of all pairs, which
    outliers do not move. Not a number for fewer than three samples."""
    rows = [s for s in samples if s.at >= SETTLED_S]
    rows = rows[:: max(len(rows) // MOST_SAMPLES, 1)]
    if len(rows) < 3:
        return float("nan")
    at, held = (np.array([getattr(s, key) for s in rows], float) for key in ("at", name))
    first, second = np.triu_indices(len(rows), 1)
    return float(np.median((held[second] - held[first]) / (at[second] - at[first])) * 3600)


def untold(
    faults: Sequence[Fault], log: Sequence[dict[str, Any]], names: Sequence[tuple[str, ...]]
) -> list[str]:
    """Faults that the log does not tell once, or whose end it does not tell once.

    Args:
        log: records of ``--log-json``.
        names: of each camera, words by which the log names it.
    """
    told = [(datetime.fromisoformat(row["time"]).timestamp(), row["message"]) for row in log]
    wrong = []
    for i, fault in enumerate(faults):
        later = [f.at for f in faults[i + 1 :] if f.camera == fault.camera]
        until = min(later, default=float("inf"))
        mine = [text for at, text in told if fault.at <= at < until]
        own = [text for text in mine if any(name in text for name in names[fault.camera])]
        for word, what in ((LOST, "outage"), (BACK, "end")):
            found = [text for text in own if word in text]
            if len(found) != 1:
                wrong.append(
                    f"camera {fault.camera}, {fault.kind}: its {what} is told {len(found)} times"
                    + "".join(f"\n    {text}" for text in found)
                )
    return wrong


def trouble(servers: Sequence[Server], every_s: float, until: float) -> Iterator[Fault | None]:
    """Do something to one camera after another; yields between two steps, which take their time."""
    for number in count():
        camera = number % len(servers)
        kind = KINDS[number // len(servers) % len(KINDS)]
        began = time.monotonic()
        if began + TROUBLE_S + BACK_S > until:
            return
        yield Fault(camera, kind, time.time())
        server = servers[camera]
        if kind == "frozen":
            server.signal(signal.SIGSTOP)
        else:
            server.__exit__()
        while kind != "restarted" and time.monotonic() - began < TROUBLE_S:
            yield None
        if kind == "frozen":
            server.signal(signal.SIGCONT)
        else:
            server.__enter__()
        while time.monotonic() - began < every_s:
            yield None


@contextmanager
def watched(urls: Sequence[str], args: argparse.Namespace) -> Iterator[subprocess.Popen[bytes]]:
    """``threadline run`` on cameras, its log in a file; asked to end on leaving."""
    exclude = [] if args.small else [[list(corner) for corner in STRIP]]
    cameras = [{"url": u, "id": f"camera-{i}", "exclude": exclude} for i, u in enumerate(urls)]
    config = args.out / "soak.yaml"
    # JSON is YAML.
    config.write_text(json.dumps({"cameras": cameras, "outputs": {"video": False}}))
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(config), "--log-json"]
    command += ["--out", str(args.out / "results"), "--stats", str(args.out / "stats.json")]
    with (args.out / "log.jsonl").open("wb") as log:
        process = subprocess.Popen([*command, "--quiet", "--engine", args.engine], stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def soak(args: argparse.Namespace) -> dict[str, Any]:
    """Run; samples, faults and what is wrong."""
    args.out.mkdir(parents=True, exist_ok=True)
    stream = stream_of(args.video, args.out) if args.small else material(args.video, ".h264", 15)
    rate = RATE if args.small else 15
    samples: list[Sample] = []
    faults: list[Fault] = []
    with ExitStack() as stack:
        if args.faults_every:  # each camera is a server of its own, which can be killed
            servers = [stack.enter_context(Server(stream, 1, rate, free_port()))
                       for _ in range(args.cameras)]  # fmt: skip
            urls = [server.urls[0] for server in servers]
            names = [(url.split("/")[2], f"camera-{i}:") for i, url in enumerate(urls)]
        else:
            servers = [stack.enter_context(Server(stream, args.cameras, rate, free_port()))]
            urls, names = servers[0].urls, []
        process = stack.enter_context(watched(urls, args))
        began = time.monotonic()
        until = began + 60 * args.minutes
        steps = trouble(servers, args.faults_every, until) if args.faults_every else iter(())
        begin_faults = began + min(SETTLED_S, 20.0)
        while (now := time.monotonic()) < until and process.poll() is None:
            if now - began >= len(samples) * EVERY_S:
                samples.append(sample(process.pid, began))
            if now >= begin_faults:
                step = next(steps, None)
                faults += [step] if step is not None else []
            time.sleep(0.1)
    log, bad = lines(args.out / "log.jsonl")
    wrong = [f"{bad} lines of the log are no JSON"] if bad else []
    wrong += [f"exit status {process.returncode}"] if process.returncode != 0 else []
    wrong += [row["message"] for row in log if "traceback" in row or row["level"] == "error"]
    wrong += untold(faults, log, names)
    return {
        "cameras": args.cameras,
        "minutes": args.minutes,
        "samples": [asdict(s) for s in samples],
        "faults": [asdict(f) for f in faults],
        "events": len(lines(args.out / "results" / "events.jsonl")[0]),
        "growth": {n: growth(samples, n) for n in ("memory_mb", "files", "threads")},
        "problems": wrong,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--faults-every", type=float, default=0.0, help="seconds; 0: none")
    parser.add_argument("--video", type=Path, default=CLIP)
    parser.add_argument("--small", action="store_true", help="the clip's own pictures, not 1080p")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="folder")
    args = parser.parse_args()
    result = soak(args)
    (args.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    print(
        "| held | after two minutes | at the end | most | growth an hour |\n|---|---|---|---|---|"
    )
    settled = [s for s in result["samples"] if s["at"] >= SETTLED_S] or result["samples"]
    for name, shown in (
        ("memory_mb", "memory, MB"),
        ("files", "open files"),
        ("threads", "threads"),
    ):
        held = [s[name] for s in settled]
        row = (held[0], held[-1], max(held), result["growth"][name])
        print(f"| {shown} | {' | '.join(f'{value:.4g}' for value in row)} |")
    print(f"{result['events']} events, {len(result['faults'])} faults, "
          f"{len(result['problems'])} problems")  # fmt: skip
    print("\n".join(result["problems"]))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
