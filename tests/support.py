"""What tests share: the clip, made-up frames, a real RTSP server."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from pipeline.picture.yuv import Planes
from pipeline.types import Frame

HERE = Path(__file__).parent
CLIP = HERE / "data" / "street.mp4"
SHARED = HERE.parent.parent / "shared" / "data"
SYSTEM_PYTHON = "/usr/bin/python3"


def make_frame(
    pts: float = 0.0, size: tuple[int, int] = (64, 48), level: int = 100, source: str = "cam"
) -> Frame:
    """An evenly grey frame."""
    width, height = size
    y = np.full((height, width), level, np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return Frame(source, round(pts * 10), pts, time.monotonic(), time.time(),
                 Planes(y, chroma, chroma))  # fmt: skip


def cut(path: Path, frames: int, form: str | None = None) -> Path:
    """Copy the first frames of the clip without transcoding."""
    options = {"movflags": "faststart"} if form is None else {}
    with (
        av.open(str(CLIP)) as source,
        av.open(str(path), "w", format=form, options=options) as target,
    ):
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None or frames == 0:
                break
            packet.stream = out
            target.mux(packet)
            frames -= 1
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RtspServer:
    """GStreamer's RTSP server in a process of its own."""

    def __init__(self, file: Path, mounts: int = 1, user: str | None = None) -> None:
        self.port = free_port()
        script = HERE / "servers" / "rtsp.py"
        self._command = [
            SYSTEM_PYTHON, str(script), str(file), "--mounts", str(mounts), "--port",
            str(self.port), *(["--user", user] if user else []),
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None

    def url(self, mount: int = 0, login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}/cam{mount}"

    def start(self) -> RtspServer:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("rtsp://"), "the RTSP server did not start"
        return self

    def pause(self, frozen: bool = True) -> None:
        """Freeze the server with its connections open, or let it go on."""
        assert self._process is not None
        self._process.send_signal(19 if frozen else 18)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Wait for a condition to hold; fail naming it otherwise."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
