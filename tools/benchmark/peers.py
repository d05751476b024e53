"""Other ways to watch cameras, each in a process of its own, and what they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.streams import SYSTEM_PYTHON, Server

HERE = Path(__file__).parent.parent
FOLDER = HERE.parent / "out" / "peers"
#: Seconds at the start of every run that do not count.
WARM_UP_S = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """How to run one: its script, what it needs installed (nothing: our own environment), and the
    interpreter: that of its environment is made with ``base``. ``two_streams``: it takes a camera's
    main stream beside its sub-stream."""

    script: str
    packages: tuple[str, ...] = ()
    python: str = ""
    base: str = sys.executable
    options: tuple[str, ...] = ()
    two_streams: bool = False

    def interpreter(self, name: str) -> tuple[str, list[str]]:
        """The Python to use, its environment made if need be, and folders it looks for modules in
        besides its own."""
        if self.python:
            own = next(Path(sys.prefix).glob("lib/python*/site-packages"))
            return self.python, [str(own)]
        if not self.packages:
            return sys.executable, []
        folder = FOLDER / name
        if not (folder / "ready").exists():
            print(f"making an environment for {name}", file=sys.stderr)
            subprocess.run([self.base, "-m", "venv", folder], check=True)
            pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, *self.packages, "openvino"], check=True)
            (folder / "ready").touch()
        return str(folder / "bin" / "python"), []


PEERS = {
    "threadline": Peer("threadline_run.py", two_streams=True),
    "OpenCV loop": Peer("opencv_loop.py"),
    "OpenCV, newest picture": Peer("opencv_latest.py"),
    "GStreamer appsink": Peer("gstreamer.py", python=SYSTEM_PYTHON),
    "streamvision": Peer("streamvision_run.py", ("streamvision", "onnxruntime")),
    "trio-retina": Peer("trio_retina_run.py", ("trio-retina[video]",)),
    "mesopic": Peer("mesopic_run.py", ("mesopic",), base="python3.12"),
    "Roboflow inference": Peer(
        "streamvision_run.py", ("torch==2.13.0", "inference"), options=("--inference",)
    ),
}
ALWAYS = ("threadline", "OpenCV loop", "OpenCV, newest picture", "GStreamer appsink")


def run(
    name: str, urls: list[str], job: str, seconds: float, mains: list[str]
) -> dict[str, Any] | None:
    """One peer's results; ``None`` where it ended without any. ``mains`` are the main streams of
    cameras whose sub-streams are ``urls``, for those who can use both."""
    peer = PEERS[name]
    python, more = peer.interpreter(name.replace(" ", "-").lower())
    path = os.pathsep.join([str(HERE.parent), str(HERE), *more])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [python, str(HERE / "peers" / peer.script), *peer.options]
        command += ["--urls", *urls, "--seconds", str(seconds + WARM_UP_S)]
        command += ["--job", job, "--out", str(out)]
        command += ["--mains", *mains] if mains and peer.two_streams else []
        try:
            ended = subprocess.run(
                command, env=os.environ | {"PYTHONPATH": path}, timeout=seconds + WARM_UP_S + 60,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            print(f"{name}: hung", file=sys.stderr)
            return None
        if not out.exists():
            print(f"{name}: {ended.stderr.strip()[-400:]}", file=sys.stderr)
            return None
        result: dict[str, Any] = json.loads(out.read_text())
        return result


def _growth(ages: dict[int, list[tuple[float, float]]]) -> float:
    """By how much results get older from the first half of the time to the second."""
    every = np.array(sorted(pair for camera in ages.values() for pair in camera))
    if len(every) < 2:
        return float("nan")
    half = len(every) // 2
    return float(np.median(every[half:, 1]) - np.median(every[:half, 1]))


def figures(result: dict[str, Any], server: Server, count: int, seconds: float) -> dict[str, Any]:
    """Results a second of the slowest camera, and ages, of the last ``seconds``."""
    ages: dict[int, list[tuple[float, float]]] = defaultdict(list)
    end = max((t for t, _, _ in result["results"]), default=0.0)
    for at, camera, number in result["results"]:
        if at > end - seconds:
            ages[camera].append((at, at - server.taken(camera, number, at)))
    rates = [len(ages[camera]) / seconds for camera in range(count)]
    every = np.array([age for camera in ages.values() for _, age in camera] or [np.nan])
    return {
        "version": result["version"],
        "results a second, slowest camera": min(rates),
        "results a second, all": sum(rates),
        "age p50, s": float(np.percentile(every, 50)),
        "age p99, s": float(np.percentile(every, 99)),
        "age p50, second half less first, s": _growth(ages),
        "cores": result["cores"],
        "peak memory, MB": result["memory, MB"],
    }
