"""The material of the benchmarks: a 1080p stream with its frame numbers painted in, and servers."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import av.filter
import numpy as np
import numpy.typing as npt

from benchmark.numbers import paint, strip

_SERVERS = Path(__file__).parent.parent.parent / "tests" / "servers"
SERVER = _SERVERS / "rtsp.py"
FAULTY = _SERVERS / "camera.py"
#: Where material that takes a while to make is kept.
FOLDER = Path(__file__).parent.parent.parent / "out" / "bench"
#: Counted up when the material is made in another way.
VERSION = 1
SYSTEM_PYTHON = "/usr/bin/python3"
SIZE = (1920, 1080)
PORT = 8654
#: Suffix of a bare stream -> FFmpeg's format and encoder.
BARE = MappingProxyType({".h264": ("h264", "libx264"), ".h265": ("hevc", "libx265")})
#: The painted strip of the 1080p material.
STRIP = strip(*SIZE)


def at_rate(source: Any, rate: int) -> Iterator[Any]:
    """Pictures of a video at another rate and its own speed. Those between are made by moving the
    blocks of their neighbours: as much to decode and to follow as from a camera."""
    stream = source.streams.video[0]
    if stream.average_rate == rate:
        yield from source.decode(stream)
        return
    graph = av.filter.Graph()
    first, last = graph.add_buffer(template=stream), graph.add("buffersink")
    between = graph.add("minterpolate", f"fps={rate}:mi_mode=mci:me_mode=bilat:me=epzs:scd=none")
    first.link_to(between)
    between.link_to(last)
    graph.configure()
    for frame in (*source.decode(stream), None):
        graph.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                yield graph.pull()


def material(video: Path, suffix: str, rate: int, height: int = 1080) -> Path:
    """The video as 16:9 stream of a camera, its frames numbered, made once: a bare one by its
    suffix, else H.264."""
    out = FOLDER / f"{video.stem}-{height}p{rate}-{VERSION}{suffix}"
    if not (out.exists() and out.stat().st_mtime > video.stat().st_mtime):
        FOLDER.mkdir(parents=True, exist_ok=True)
        print(f"making {out} (once, a minute or two)", file=sys.stderr)
        # In a process of its own: its memory is not part of what is measured.
        code = "import sys; from pathlib import Path; from benchmark.streams import make; "
        code += "make(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))"
        command = [sys.executable, "-c", code, str(video), str(out), str(rate), str(height)]
        subprocess.run(command, check=True, cwd=Path(__file__).parent.parent)
    return out


def make(video: Path, out: Path, rate: int, height: int) -> None:
    """Write what ``material`` returns: no B-frames, a key frame every two seconds; wider or higher
    pictures are cut in the middle."""
    part = out.with_name(f"part-{out.name}")
    form, encoder = BARE.get(out.suffix, (None, "libx264"))
    with av.open(str(video)) as source, av.open(str(part), "w", format=form) as target:
        stream = target.add_stream(encoder, rate=rate)
        stream.width, stream.height = size = (height * 16 // 9, height)
        stream.pix_fmt = "yuv420p"
        # One slice a picture: the server's payloader takes slices for pictures.
        options = {"preset": "veryfast", "tune": "zerolatency", "crf": "26"}
        if encoder == "libx264":
            stream.options = options | {"x264-params": "sliced-threads=0"}
        else:
            more = {"preset": "ultrafast", "x265-params": "repeat-headers=1:log-level=error"}
            stream.options = options | more
        stream.codec_context.gop_size = 2 * rate
        for index, frame in enumerate(at_rate(source, rate)):
            picture = av.VideoFrame.from_ndarray(_numbered(frame, index, size), format="yuv420p")
            picture.pts = index
            target.mux(stream.encode(picture))
        target.mux(stream.encode())
    part.replace(out)


def _numbered(frame: Any, number: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A picture's planes at the camera's size, I420 (3 / 2 height, width), with its number."""
    scale = max(size[0] / frame.width, size[1] / frame.height)
    width, height = round(frame.width * scale / 2) * 2, round(frame.height * scale / 2) * 2
    large = frame.reformat(width, height, "rgb24").to_ndarray()
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    part = np.ascontiguousarray(large[y : y + size[1], x : x + size[0]])
    planes = av.VideoFrame.from_ndarray(part, format="rgb24").reformat(format="yuv420p")
    pixels: npt.NDArray[np.uint8] = planes.to_ndarray()
    paint(pixels, number)
    return pixels


def free_port() -> int:
    """A port nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running RTSP server whose cameras show different places of one stream."""

    def __init__(
        self,
        stream: Path,
        cameras: int,
        rate: int,
        port: int = PORT,
        epoch: float | None = None,
    ) -> None:
        self._command = [SYSTEM_PYTHON, str(SERVER), str(stream), "--rate", str(rate), "--apart"]
        self._command += ["--mounts", str(cameras), "--port", str(port)]
        if epoch is not None:  # several servers that see the same
            self._command += ["--epoch", str(epoch)]
        self._rate, self._port = rate, port
        self._began: dict[int, tuple[float, int, int, int, int]] = {}
        self.urls = [f"rtsp://127.0.0.1:{port}/cam{i}" for i in range(cameras)]

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("rtsp://"):
            self.__exit__()
            raise SystemExit(
                f"no RTSP server on port {self._port}; is it free? Else run, as root, "
                "tools/install_test_system.sh"
            )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, began, *order = line.split()[1:]
            first, kept, after, length = map(int, order)
            self._began[int(number)] = (float(began), first, kept, after, length)

    def taken(self, camera: int, number: int, now: float) -> float:
        """When a camera last took the picture of that number, in seconds since the epoch: an age of
        more than the material is long seems less by that."""
        began, first, kept, after, length = self._began[camera]
        alone = began + (number - first) / self._rate
        if first <= number < first + kept and now - 1 < alone <= now:
            return alone
        position = kept + (number - after) % length
        rounds = max(int(((now - began) * self._rate - position) // length), 0)
        return began + (position + rounds * length) / self._rate

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal: SIGSTOP freezes its cameras, SIGCONT lets them go on."""
        self._process.send_signal(number)

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


class FaultyCamera:
    """A camera in a process of its own that can be told what is wrong with it; see its module."""

    def __init__(self, stream: Path, rate: int, port: int) -> None:
        self._command = [sys.executable, str(FAULTY), str(stream), "--rate", str(rate)]
        self._command += ["--port", str(port)]
        self.url = f"rtsp://127.0.0.1:{port}/cam"

    def __enter__(self) -> FaultyCamera:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("rtsp://"):
            raise SystemExit(f"no camera at {self.url}; is the port free?")
        return self

    def tell(self, *lines: str) -> None:
        """What is wrong from now on: ``loss 0.02``."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines))
        self._process.stdin.flush()

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
