"""Ends of all kinds, at random moments: ``kill -9`` into one folder of results again and again, and
signals that ask the program to stop. Each round is a process of its own, as users start it."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmark.streams import Server, free_port

#: The clip's own frame rate; its pictures are not packed anew.
RATE = 10
#: Bytes of results from which a round is under way: some twenty frames. It ends within so many
#: seconds after that, or soon after its start.
UNDER_WAY = 4000
AFTER_S, BEFORE_S = 4.0, 3.0
#: Share of the rounds that end soon.
EARLY = 0.2
#: Longest time for a first result, and for a process to end when it is asked to.
PATIENCE_S, END_S = 90.0, 30.0
#: Results of this long before the process was killed may be lost.
MOST_LOST_S = 0.5
#: What the program says of threads that did not end in time.
LEFT = "left behind"
#: A killed video may lack this much of its end.
UNFINISHED_S = 2.0


def stream_of(video: Path, folder: Path) -> Path:
    """A recording's own pictures, H.264 without B-frames, as a bare stream."""
    path = folder / f"{video.stem}.h264"
    with av.open(str(video)) as source, av.open(str(path), "w", format="h264") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = out
                target.mux(packet)
    return path


@contextmanager
def cameras(video: Path, count: int) -> Iterator[Server]:
    """Looping cameras that send a recording's own pictures, on a port of their own."""
    with tempfile.TemporaryDirectory() as place:
        stream = stream_of(video, Path(place))
        with Server(stream, count, RATE, free_port()) as server:
            yield server


@dataclass(slots=True)
class Round:
    """One process, and how it ended.

    Attributes:
        began: seconds since the epoch.
        ended: the moment of the signal, seconds since the epoch.
        under_way: whether results came steadily by then.
        idle_s: how long nothing had been written then.
        took_s: from the signal to the end of the process.
        code: exit status; negative for a signal.
        errors: what it wrote to standard error.
    """

    began: float
    ended: float = 0.0
    under_way: bool = False
    idle_s: float = 0.0
    took_s: float = 0.0
    code: int = 0
    errors: str = ""


def run(
    sources: Sequence[str], out: Path, number: signal.Signals, chance: random.Random, *more: str
) -> Round:
    """Start ``threadline run``, send it a signal at a random moment, and wait for its end."""
    command = [sys.executable, "-m", "pipeline", "run", *sources, "--out", str(out), "--quiet"]
    frames = out / "frames.jsonl"
    before = frames.stat().st_size if frames.exists() else 0
    done = Round(time.time())
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*command, "--frames", *more],
            stdout=errors,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )
        if chance.random() < EARLY:
            # Not before Python itself has begun: until then, any signal is the system's.
            time.sleep(chance.uniform(0.3, BEFORE_S))
        else:
            until = time.monotonic() + PATIENCE_S
            while not (frames.exists() and frames.stat().st_size > before + UNDER_WAY):
                if process.poll() is not None or time.monotonic() > until:
                    break
                time.sleep(0.02)
            done.under_way = process.poll() is None
            time.sleep(chance.uniform(0.0, AFTER_S))
        done.ended, asked = time.time(), time.monotonic()
        process.send_signal(number)
        if frames.exists():
            done.idle_s = done.ended - frames.stat().st_mtime
        try:
            done.code = process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says where every thread is
            done.code = process.wait()
        done.took_s = time.monotonic() - asked
        errors.seek(0)
        done.errors = errors.read()
    return done


def lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Records of a file, and the number of lines that are none."""
    found, bad = [], 0
    content = path.read_bytes() if path.exists() else b""
    for line in content.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            bad += 1
    return found, bad


def seconds(record: dict[str, Any]) -> float:
    """When the frame of a record was captured, since the epoch."""
    return datetime.fromisoformat(record["utc"].replace("Z", "+00:00")).timestamp()


def doubled(events: list[dict[str, Any]]) -> int:
    """Events whose id another one has."""
    ids = [event["event_id"] for event in events if "event_id" in event]
    return len(ids) - len(set(ids))


def length_s(path: Path) -> float:
    """Seconds of a video that can be decoded."""
    with av.open(str(path)) as file:
        last = 0.0
        for frame in file.decode(video=0):
            last = frame.time or last
    return last


def unreadable(path: Path, pts: list[float]) -> str:
    """What is wrong with a video of frames of these times when the process that wrote it died."""
    first, last = min(pts, default=0.0), max(pts, default=0.0)
    kept = max((t for t in pts if t <= last - UNFINISHED_S), default=None)
    if kept is None:
        return ""
    try:
        lasts = length_s(path)
    except (av.FFmpegError, IndexError, OSError) as error:
        return f"{path.name}: {error}"
    if lasts < kept - first - 0.05:
        return f"{path.name}: only {lasts:.1f} s of {last - first:.1f} s"
    return ""


# -- Killed ------------------------------------------------------------------------------------


def killed(done: Round, out: Path, seen: set[Path]) -> tuple[float | None, list[str]]:
    """How old the newest result on disk was at a kill, if there was any; what is wrong."""
    records, bad = lines(out / "frames.jsonl")
    events, bad_events = lines(out / "events.jsonl")
    wrong = [f"{bad + bad_events} lines are no JSON"] if bad + bad_events else []
    wrong += [f"{doubled(events)} events have another's id"] if doubled(events) else []
    if "Traceback" in done.errors:
        wrong.append(done.errors[-2000:])
    own = [record for record in records if seconds(record) > done.began]
    for path in sorted(set(out.glob("*.mp4")) - seen):
        seen.add(path)
        pts = [record["pts"] for record in own if path.name.startswith(record["camera"])]
        problem = unreadable(path, pts)
        wrong += [problem] if problem else []
    if not own:
        return None, wrong
    if done.idle_s > MOST_LOST_S and done.under_way:
        wrong.append(f"the last result was written {done.idle_s:.2f} s before the kill")
    return done.ended - max(map(seconds, own)), wrong


def measure_kills(args: argparse.Namespace) -> dict[str, Any]:
    """Kill and start again into one folder; what was lost and what is wrong."""
    chance, ages, idle, wrong = random.Random(args.seed), [], [], []
    with cameras(args.video, 2) as server, tempfile.TemporaryDirectory() as place:
        out, seen = Path(place) / "out", set[Path]()
        for number in range(args.rounds):
            done = run(server.urls, out, signal.SIGKILL, chance, "--video", "--engine", args.engine)
            age, found = killed(done, out, seen)
            ages += [] if age is None or not done.under_way else [age]
            idle += [done.idle_s] if done.under_way else []
            wrong += [f"round {number}: {text}" for text in found]
            told(number, args.rounds, wrong)
        events, _ = lines(out / "events.jsonl")
    none = float("nan")
    return summed(
        {
            "rounds": args.rounds,
            "under way": len(ages),
            "events": len(events),
            "videos": len(seen),
            "last write before the kill, max, s": max(idle, default=none),
            "age of the newest result, p50, s": float(np.median(ages)) if ages else none,
            "max, s": max(ages, default=none),
        },
        wrong,
    )


# -- Stopped -----------------------------------------------------------------------------------


def stopped(done: Round, out: Path, stats: Path, live: bool, asked: signal.Signals) -> list[str]:
    """What is wrong after a signal that asked for an end."""
    if done.code == -asked and not out.exists():
        return []  # it came before the program began, and is the system's then
    good = (0, 130) if live or done.code == 0 else (130,)
    wrong = [] if done.code in good else [f"exit status {done.code}: {done.errors[-500:]}"]
    if "Traceback" in done.errors or "Fatal" in done.errors:
        wrong.append(done.errors[-8000:])
    if LEFT in done.errors:  # it says so itself: the machine was too slow, nothing fits then
        return wrong
    events, bad = lines(out / "events.jsonl")
    records, bad_frames = lines(out / "frames.jsonl")
    wrong += [f"{bad + bad_frames} lines are no JSON"] if bad + bad_frames else []
    entered, left = ([(e["camera"], e["track_id"]) for e in events if e["event"] == name]
                     for name in ("entered", "left"))  # fmt: skip
    if sorted(entered) != sorted(left):
        wrong.append(f"{len(entered)} entered and {len(left)} left")
    if not stats.exists():  # it had not begun
        return wrong + (["results without counters"] if records else [])
    counted = json.loads(stats.read_text())
    for camera in counted["cameras"]:
        came = sum(name == camera["id"] for name, _ in entered)
        if came != camera["people"]:
            wrong.append(f"{camera['id']}: {camera['people']} people, {came} of them on disk")
    analysed = sum(camera["analysed"] for camera in counted["cameras"])
    left_out = sum(one["left_out"] for one in counted["outlets"] if one["name"] == "frames")
    if len(records) + left_out != analysed:
        wrong.append(f"{analysed} analysed, {len(records)} on disk, {left_out} left out")
    return wrong


def measure_stops(args: argparse.Namespace) -> dict[str, Any]:
    """Ask to stop at random moments, of cameras and of recordings in turn; what is wrong."""
    chance, times, wrong, busy = random.Random(args.seed), [], [], 0
    # Shells have what runs in the background ignore Ctrl-C, and whatever that starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with cameras(args.video, 4) as server:
        for number in range(args.rounds):
            live, asked = number % 2 == 0, chance.choice([signal.SIGINT, signal.SIGTERM])
            with tempfile.TemporaryDirectory() as place:
                out, stats = Path(place) / "out", Path(place) / "stats.json"
                sources = server.urls if live else [str(args.video)]
                more = ("--stats", str(stats), "--engine", args.engine)
                done = run(sources, out, asked, chance, *more)
                found = stopped(done, out, stats, live, asked)
            times.append(done.took_s)
            busy += LEFT in done.errors
            what = f"{asked.name}, {'cameras' if live else 'recording'}"
            wrong += [f"round {number} ({what}): {text}" for text in found]
            told(number, args.rounds, wrong)
    figures = {"rounds": args.rounds, "threads left behind": busy}
    figures |= {"to the end p50, s": float(np.median(times)), "to the end max, s": max(times)}
    return summed(figures, wrong)


def told(number: int, rounds: int, wrong: list[str]) -> None:
    """Progress, on standard error."""
    if number % 10 == 9 or number + 1 == rounds:
        last = f", the last: {wrong[-1]}" if wrong else ""
        print(f"{number + 1} of {rounds}, {len(wrong)} problems{last}", file=sys.stderr, flush=True)


def summed(figures: dict[str, Any], wrong: list[str]) -> dict[str, Any]:
    """Print the figures as a table and every problem as a line; both."""
    values = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in figures.values()]
    print(f"| {' | '.join([*figures, 'problems'])} |\n|{'---|' * (len(figures) + 1)}")
    print(f"| {' | '.join([*values, str(len(wrong))])} |")
    print("\n".join(wrong))
    return {**figures, "problems": wrong}
