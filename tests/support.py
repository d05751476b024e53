"""What tests share: the clip, made-up frames, the command line, a real RTSP server."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from pipeline.picture.yuv import Planes
from pipeline.types import Frame, TaggedFrame

HERE = Path(__file__).parent
CLIP = HERE / "data" / "street.mp4"
SHARED = HERE.parent.parent / "shared" / "data"
SYSTEM_PYTHON = "/usr/bin/python3"
BIN = Path(sys.executable).parent / "threadline"

#: For commands whose engine and speed are not the point: it compiles nothing.
QUICK = ("--engine", "onnxruntime")

Done = subprocess.CompletedProcess[str]


def threadline(*args: object, timeout: float = 60, **env: str) -> Done:
    """The command in a process of its own, where that is the point."""
    return subprocess.run(
        [BIN, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **env},
    )


def command(*args: object) -> Done:
    """The command in this process, far sooner; signals and the log are put back."""
    from typer.testing import CliRunner

    from pipeline.cli.app import app

    root, numbers = logging.getLogger(), (signal.SIGINT, signal.SIGTERM)
    handlers, signals = root.handlers[:], [signal.getsignal(number) for number in numbers]
    root.handlers.clear()  # else the program takes pytest's for its own
    try:
        done = CliRunner().invoke(app, [str(arg) for arg in args])
    finally:
        root.handlers[:] = handlers
        for number, before in zip(numbers, signals, strict=True):
            signal.signal(number, before)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(args, done.exit_code, done.stdout, done.stderr)


def lines(path: Path) -> list[dict[str, Any]]:
    """What a file of JSON lines holds."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def picture(
    width: int, height: int, colour: tuple[int, int, int] = (200, 60, 40)
) -> npt.NDArray[np.uint8]:
    """RGB (height, width, 3) in one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def encode(
    path: Path,
    pictures: Sequence[npt.NDArray[np.uint8]],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 10,
    times: Sequence[float] | None = None,
    **metadata: str,
) -> Path:
    """Write RGB pictures with an encoder of FFmpeg's, at ``times`` in seconds."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, shown in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(format=pix_fmt)
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (times[i] if times else i / rate))
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def make_frame(
    pts: float = 0.0, size: tuple[int, int] = (64, 48), level: int = 100, source: str = "cam"
) -> Frame:
    """An evenly grey frame."""
    width, height = size
    y = np.full((height, width), level, np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return Frame(source, round(pts * 10), pts, time.monotonic(), time.time(),
                 Planes(y, chroma, chroma))  # fmt: skip


def cut(path: Path, frames: int, form: str | None = None, video: Path = CLIP) -> Path:
    """Copy the first frames of the clip, or of another video, without transcoding."""
    options = {"movflags": "faststart"} if form is None else {}
    with (
        av.open(str(video)) as source,
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


class Silent:
    """A sink that writes nothing; tests override what they watch."""

    name = "silent"

    def write(self, tagged: TaggedFrame) -> None:
        pass

    def forget(self, source: str) -> None:
        pass

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class RtspServer:
    """GStreamer's RTSP server in a process of its own."""

    def __init__(
        self, file: Path, mounts: int = 1, user: str | None = None, epoch: float | None = None
    ) -> None:
        self.port = free_port()
        script = HERE / "servers" / "rtsp.py"
        self._command = [
            SYSTEM_PYTHON, str(script), str(file), "--mounts", str(mounts), "--port",
            str(self.port), *(["--user", user] if user else []),
            *([] if epoch is None else ["--epoch", str(epoch)]),
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

    def forget_user(self) -> None:
        """Ask nobody for a password, from the next start on."""
        if "--user" in self._command:
            at = self._command.index("--user")
            del self._command[at : at + 2]

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
