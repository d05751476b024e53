"""Annotated MP4, one file per camera."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from pydantic import Field

from pipeline.errors import SinkError
from pipeline.files import explained, make_folder, private
from pipeline.settings.section import PerSource
from pipeline.sinks.annotate import annotated
from pipeline.sinks.privacy import Bgr
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.types import TaggedFrame

#: Ticks per second of the written timestamps.
_CLOCK = 90_000
#: Ticks between the last picture of one connection and the first of the next.
_PAUSE = _CLOCK // 25
#: Microseconds of video that are lost if the machine dies.
_FRAGMENT = 1_000_000
#: Encoders in order of preference, with their options. No B-frames: a fragmented file cannot say
#: that its times are shifted by them. And nothing that looks ahead: pictures an encoder holds back,
#: three seconds of them at five a second, are lost if the process dies.
ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "20", "bf": "0", "tune": "zerolatency"}),
    ("libopenh264", {}),
    ("mpeg4", {"q:v": "4"}),
)


class VideoSettings(SinkSettings):
    """Annotated MP4 of every camera; auto: recordings only."""

    enabled: bool | Literal["auto"] = "auto"
    segment_s: float = Field(
        3600, ge=10, description="seconds after which a live camera's video goes on in a new file"
    )


@contextmanager
def _encoding(path: Path) -> Iterator[None]:
    """Turn whatever FFmpeg complains about into a SinkError."""
    with explained(path):
        try:
            yield
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise SinkError(f"{path}: cannot be encoded: {error}; set video: false") from None


def _encoder() -> tuple[str, dict[str, str]]:
    for name, options in ENCODERS:
        if name in av.codecs_available:
            return name, options
    raise SinkError("no H.264 or MPEG-4 encoder in this FFmpeg; set outputs.video: false")


class _Disk:
    """A new file, its owner's alone. FFmpeg loses track of errors, and crashes on some: it is told
    of none, and ``check`` raises the first."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0, opener=private)  # noqa: SIM115
        self._error: OSError | None = None

    def write(self, content: bytes) -> int:
        rest = memoryview(content)
        try:
            while rest and self._error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
        return len(content)

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._file.close()


class _Writer:
    """One camera's file. Fragmented, so that what is written survives a crash."""

    def __init__(self, path: Path, width: int, height: int, began: float) -> None:
        self.path = path
        self.began = began
        self.size = (max(width & ~1, 2), max(height & ~1, 2))
        name, options = _encoder()
        fragments = {
            "movflags": "empty_moov+default_base_moof",
            "frag_duration": str(_FRAGMENT),
            "flush_packets": "1",
        }
        with _encoding(path):
            self._disk = _Disk(path)
            self._file: Any = av.open(self._disk, "w", format="mp4", options=fragments)
            self._stream: Any = self._file.add_stream(name, rate=25, options=options)
        self._stream.width, self._stream.height = self.size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _CLOCK)
        self._last = -1
        self._shift = 0
        self._broken = False

    def write(self, image: Bgr, pts: float) -> None:
        if (image.shape[1], image.shape[0]) != self.size:
            image = np.asarray(cv2.resize(image, self.size), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        at = round(pts * _CLOCK) + self._shift
        if at < self._last - _CLOCK:  # connected anew, and the camera's time with it
            self._shift += self._last + _PAUSE - at
            at = self._last + _PAUSE
        frame.pts = self._last = max(at, self._last + 1)
        frame.time_base = Fraction(1, _CLOCK)
        self._mux(frame)

    def _mux(self, frame: Any) -> None:
        with _encoding(self.path):
            try:
                for packet in self._stream.encode(frame):
                    self._file.mux(packet)
                self._disk.check()
            except (av.FFmpegError, OSError):
                self._broken = True
                raise

    def close(self) -> None:
        """Finish the file; one that could not be written is left as it is."""
        try:
            if not self._broken:
                self._mux(None)
        finally:
            with _encoding(self.path):
                try:
                    self._file.close()
                    self._disk.check()
                finally:
                    self._disk.close()


class VideoSink:
    """``CAMERA.mp4`` (live: named with its starting time, a new file every ``segment_s``), every
    analysed frame at its time. After a failure the video goes on in a new file."""

    name = "video"

    def __init__(self, settings: PerSource[VideoSettings], place: Place) -> None:
        self._settings = settings
        self._folder = place.folder
        self._live = place.live
        self._writers: dict[str, _Writer] = {}
        self._begun: set[str] = set()

    def write(self, tagged: TaggedFrame) -> None:
        frame, settings = tagged.frame, self._settings.of(tagged.frame.source)
        if not settings.wanted(self._live):
            return
        writer = self._writers.get(frame.source)
        if writer and frame.live and frame.captured_at - writer.began >= settings.segment_s:
            self.forget(frame.source)
            writer = None
        if writer is None:
            path = self._path(frame.source, frame.utc)
            writer = _Writer(path, frame.width, frame.height, frame.captured_at)
            self._writers[frame.source] = writer
            self._begun.add(frame.source)
        try:
            writer.write(annotated(tagged), frame.pts)
        except SinkError:
            with contextlib.suppress(SinkError):
                self.forget(frame.source)
            raise

    def _path(self, source: str, utc: float) -> Path:
        """A recording's file is written anew; a live camera's never over another, nor what follows
        a failure."""
        name, again = source, source in self._begun
        if self._live:
            name += time.strftime("-%Y%m%dT%H%M%SZ", time.gmtime(utc))
        path, number = self._folder / f"{name}.mp4", 2
        while (self._live or again) and path.exists():
            path, number = self._folder / f"{name}-{number}.mp4", number + 1
        return path

    def forget(self, source: str) -> None:
        writer = self._writers.pop(source, None)
        if writer is not None:
            writer.close()

    def __enter__(self) -> VideoSink:
        make_folder(self._folder, private=True)
        return self

    def __exit__(self, *error: object) -> None:
        failure: SinkError | None = None
        for source in list(self._writers):
            try:
                self.forget(source)
            except SinkError as problem:
                failure = failure or problem
        if failure is not None and error[0] is None:
            raise failure
