"""Video through PyAV: recordings, RTSP cameras, HTTP and HLS, V4L2 devices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np

from pipeline.errors import SourceError, SourceRefusedError, redact
from pipeline.flow.pace import Decoding
from pipeline.picture.yuv import Picture, Plane, Planes, rotate
from pipeline.settings.schema import CameraConfig
from pipeline.sources.assemble import CODECS, Assembler
from pipeline.sources.clock import StreamClock
from pipeline.sources.decoder import Decoder
from pipeline.sources.location import is_live, scheme_of
from pipeline.sources.nvdec import ON_GPU, Nvdec, reader
from pipeline.types import Frame

#: Pixel formats that are used as they are; all others are first turned into yuv420p.
_USABLE = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", ON_GPU}
)
_JPEG_RANGE = 2
_BT709, _UNSPECIFIED = 1, 2
#: Frame rate assumed where a stream names none.
_FALLBACK_RATE = Fraction(25)
#: Time a recording may take to open or to give its next packet.
_FILE_TIMEOUT_S = 20.0
#: Share of a frame's time from which a read had to wait for the camera.
_WAITED = 0.3
#: FFmpeg's word for payloads as they come.
_UNPARSED = "noparse"

#: FFmpeg error class -> (explanation, whether trying again may help).
_REASONS: tuple[tuple[str, str, bool], ...] = (
    ("HTTPUnauthorizedError", "user name or password refused (401); check the URL", False),
    ("HTTPForbiddenError", "access forbidden (403); check the user's rights", False),
    ("HTTPNotFoundError", "nothing at this address (404); check the path", False),
    ("FileNotFoundError", "no such file or device; check the path", False),
    ("PermissionError", "no permission to read it", False),
    ("IsADirectoryError", "is a folder", False),
    ("ProtocolNotFoundError", "this kind of address is not supported", False),
    ("DecoderNotFoundError", "no decoder for this codec", False),
    ("ConnectionRefusedError", "connection refused; is the camera on and the port right?", True),
    ("TimeoutError", "no answer in time; is the camera on and reachable?", True),
    ("ExitError", "no data in time; is the camera sending?", True),
    ("EOFError", "the stream ended", True),
    ("InvalidDataError", "not a readable video, or damaged", True),
)


def _explain(error: Exception, live: bool, remote: bool) -> tuple[str, bool]:
    """Reason in words, and whether a live source may come back."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if live and "InvalidDataError" in names:
        return "no usable answer in time; is it a camera, and sending?", True
    for name, reason, again in _REASONS:
        if name in names:
            return reason, again
    text = redact(str(getattr(error, "strerror", None) or error))
    if "Input/output error" in text and remote:
        return "cannot be reached; check the host name and the network", True
    return text, True


def _plane(plane: Any, width: int, height: int) -> Plane:
    """View of a decoder's plane, without its row padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :width]


def to_planes(frame: Any, nvdec: Nvdec | None = None) -> Picture:
    """The picture of a decoded PyAV frame, sharing its memory unless its format has to change."""
    if frame.format.name not in _USABLE:
        frame = frame.reformat(format="yuv420p")
    name = frame.format.name
    full = "j4" in name or int(frame.color_range) == _JPEG_RANGE
    space = int(frame.colorspace)
    hd = space == _BT709 or (space == _UNSPECIFIED and frame.height >= 720)
    matrix = "bt709" if hd else "bt601"
    turns = round((getattr(frame, "rotation", 0) or 0) / 90) % 4
    if nvdec is not None and name == ON_GPU:
        there = nvdec.planes(frame, matrix, full)
        return rotate(there.host(), turns) if turns else there
    y = _plane(frame.planes[0], frame.width, frame.height)
    if name == "gray":
        planes = Planes(y, full_range=full)
    else:
        u, v = (_plane(p, p.width, p.height) for p in frame.planes[1:3])
        planes = Planes(y, u, v, matrix, full)
    return rotate(planes, turns) if turns else planes


class StreamSource:
    """Anything FFmpeg demuxes. Decodes the first video stream, one thread if it is live."""

    def __init__(
        self, camera: CameraConfig, *, live: bool, options: dict[str, str], form: str | None = None
    ) -> None:
        self.id = camera.name
        self.live = live
        self.length_s: float | None = None
        self.corrupt = 0
        self.decoding: Decoding = "all"
        self._camera = camera
        self._options = options
        self._format = form
        self._container: Any = None
        self._pts: float | None = None
        self._at = 0.0
        self._clock = StreamClock()
        self._assembler: Assembler | None = None
        self.turn: AbstractContextManager[object] = nullcontext()
        self._nvdec = Nvdec()

    def __enter__(self) -> StreamSource:
        if self._camera.reader == "nvdec":
            self._nvdec = Nvdec(reader())
        self._open(self._options)
        try:
            if _UNPARSED in self._options.get("fflags", "") and not self._assembles():
                self._container.close()
                self._open(self._options | {"fflags": "nobuffer"})
            self._set_up()
        except BaseException:
            self._container.close()
            raise
        return self

    def _open(self, options: dict[str, str]) -> None:
        wait = self._camera.timeout_s if self.live else _FILE_TIMEOUT_S
        try:
            with self._nvdec.current():
                self._container = av.open(
                    self._camera.url, options=options, format=self._format, timeout=(wait, wait),
                    hwaccel=self._nvdec.accelerator,
                )  # fmt: skip
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from None

    def _assembles(self) -> bool:
        """Whether pictures can be put together from unparsed payloads."""
        streams = self._container.streams.video
        context = streams[0].codec_context if streams else None
        self._assembler = Assembler(context.name) if context and context.name in CODECS else None
        return self._assembler is not None

    def _set_up(self) -> None:
        if not self._container.streams.video:
            raise SourceRefusedError(f"{self._where}: no video in it (audio only?)")
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            raise SourceRefusedError(f"{self._where}: no decoder for its codec")
        if scheme_of(self._camera.url) in ("http", "https"):
            self.live = not self._container.duration
        if self.live:
            stream.codec_context.thread_count = 1  # frame threads would delay every frame
        else:
            stream.thread_type = "AUTO"
            if self._container.duration:
                self.length_s = self._container.duration / av.time_base
        self._decoder = Decoder(stream.codec_context, self.live)
        self._rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
        self._start = stream.start_time

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for packet, waited in self._packets():
            pictures = self._decoder.decode(packet, self.decoding, self.turn)
            self.corrupt = self._decoder.corrupt
            for picture in pictures:
                yield self._frame(picture, index, time.monotonic(), waited)
                index += 1
        if self.live:
            raise SourceError(f"{self._where}: the stream ended")
        if index == 0:
            raise SourceRefusedError(f"{self._where}: no picture in it could be decoded")

    def _packets(self) -> Iterator[tuple[Any, bool]]:
        """Packets, and whether each had to be waited for."""
        packets = self._container.demux(self._container.streams.video[0])
        patience = _WAITED / float(self._rate)
        waited = False
        try:
            while True:
                asked = time.monotonic()
                packet = next(packets, None)
                if packet is None:
                    return
                waited |= time.monotonic() - asked > patience
                for whole in [packet] if self._assembler is None else self._assembler.feed(packet):
                    yield whole, waited
                    waited = False
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def _frame(self, picture: Any, index: int, now: float, waited: bool) -> Frame:
        pts, planes = self._seconds(picture, now), self._planes(picture)
        if not self.live:
            return Frame(self.id, index, pts, now, time.time(), planes)
        taken = self._clock.captured_at(pts, now, waited)
        utc = time.time() - (now - taken)
        return Frame(self.id, index, pts, taken, utc, planes, True, self._camera_utc(picture))

    def _planes(self, picture: Any) -> Picture:
        try:
            return to_planes(picture, self._nvdec)
        except ValueError as error:
            raise SourceRefusedError(f"{self._where}: {error}") from None

    def _camera_utc(self, picture: Any) -> float | None:
        """Seconds since the epoch by the camera's clock, once it has told (RTCP sender report)."""
        began = self._container.start_time_realtime
        if not began or picture.pts is None or not picture.time_base:
            return None
        return float(began / 1e6 + picture.pts * picture.time_base)

    def _seconds(self, picture: Any, now: float) -> float:
        """Stream seconds of a picture, always rising.

        Where the stream carries no time, or one that stands still or jumps back, time goes on by
        the clock (live) or by the frame rate (recordings).
        """
        stamp: float | None = None
        if picture.pts is not None and picture.time_base:
            stamp = float((picture.pts - (self._start or 0)) * picture.time_base)
        if self._pts is None:
            self._pts = stamp or 0.0
        elif stamp is not None and stamp > self._pts:
            self._pts = stamp
        else:
            self._pts += now - self._at if self.live else float(1 / self._rate)
        self._at = now
        return self._pts

    @property
    def _where(self) -> str:
        return redact(self._camera.url)

    def _failure(self, error: Exception) -> SourceError:
        reason, again = _explain(error, self.live, "://" in self._camera.url)
        kind = SourceError if again and self.live else SourceRefusedError
        return kind(f"{self._where}: {reason}")

    def __exit__(self, *error: object) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None


def _check_host(camera: CameraConfig) -> None:
    """Raise SourceRefusedError for a URL no server can have."""
    try:
        parts = urlsplit(camera.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise SourceRefusedError(f"{redact(camera.url)}: not a valid URL; check host and port")


def file_source(camera: CameraConfig) -> StreamSource:
    """A recording."""
    return StreamSource(camera, live=False, options={})


def rtsp_source(camera: CameraConfig) -> StreamSource:
    """An RTSP camera, over TCP unless the configuration says UDP."""
    _check_host(camera)
    options = {
        "rtsp_transport": camera.transport,
        "timeout": str(int(camera.timeout_s * 1_000_000)),
        "analyzeduration": "1000000",
        "fflags": _UNPARSED,
    }
    return StreamSource(camera, live=True, options=options)


def http_source(camera: CameraConfig) -> StreamSource:
    """A recording, an HLS stream or an MJPEG camera over HTTP; what has a length is a recording."""
    _check_host(camera)
    options = {"rw_timeout": str(int(camera.timeout_s * 1_000_000))}
    return StreamSource(camera, live=is_live(camera.url), options=options)


def v4l2_source(camera: CameraConfig) -> StreamSource:
    """A webcam or capture device under Linux."""
    return StreamSource(camera, live=True, options={}, form="v4l2")
