"""Cameras and recordings through GStreamer, whose decoders on a Jetson are its hardware's.

Which decoder runs, GStreamer chooses: ``nvv4l2decoder`` where it is installed. Needs PyGObject,
which JetPack and every Linux distribution have (``python3-gi``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from pipeline.errors import SourceError, SourceRefusedError, redact
from pipeline.flow.pace import Decoding
from pipeline.picture.yuv import Plane, Planes
from pipeline.settings.schema import CameraConfig
from pipeline.sources.clock import StreamClock
from pipeline.sources.location import is_live, scheme_of
from pipeline.types import Frame

#: Scheme -> what reads it, up to the decoded picture; the first element is called ``src``.
_READERS = {
    "rtsp": "rtspsrc name=src src. ! application/x-rtp,media=video ! decodebin",
    "file": "filesrc name=src ! decodebin",
    "v4l2": "v4l2src name=src ! decodebin",
    "csi": "nvarguscamerasrc name=src ! video/x-raw(memory:NVMM),width={width},height={height},"
    "framerate={fps}/1",
}
_READERS["rtsps"] = _READERS["rtsp"]
#: Element that brings pictures out of a Jetson's own memory, and what does so elsewhere.
_CONVERTERS = ("nvvidconv", "videoconvert")
#: What a CSI camera is asked for unless its address says so: csi://0?width=1280&height=720&fps=30
_CSI = {"width": 1920, "height": 1080, "fps": 30}
#: Time a recording may take to open or to give its next picture.
_FILE_TIMEOUT_S = 20.0
_JITTER_MS = 100
#: GStreamer's resource errors that trying again will not help: no such file, no permission.
_NOT_FOUND, _NOT_AUTHORIZED = 3, 15


def _library() -> tuple[Any, Any]:
    """GStreamer and its video library.

    Raises:
        SourceRefusedError: one is missing.
    """
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstVideo", "1.0")
        from gi.repository import Gst, GstVideo
    except (ImportError, ValueError) as error:
        raise SourceRefusedError(
            f"GStreamer cannot be used: {error}; install python3-gi and "
            "gir1.2-gst-plugins-base-1.0 and make the environment with --system-site-packages, or "
            "set reader: ffmpeg"
        ) from None
    Gst.init(None)
    return Gst, GstVideo


class GStreamerSource:
    """A camera or recording read by GStreamer; pictures arrive as I420 in ordinary memory."""

    def __init__(self, camera: CameraConfig) -> None:
        self.id = camera.name
        self.live = is_live(camera.url)
        self.length_s: float | None = None
        self.corrupt = 0
        self.decoding: Decoding = "all"
        self.turn: AbstractContextManager[object] = nullcontext()
        self._camera = camera
        self._wait = camera.timeout_s if self.live else _FILE_TIMEOUT_S
        self._pipeline: Any = None
        self._first: Any = None
        self._clock = StreamClock()
        self._pts = -1.0

    @property
    def _where(self) -> str:
        return redact(self._camera.url)

    def __enter__(self) -> GStreamerSource:
        self._gst, self._video = _library()
        self._pipeline = self._built()
        self._sink = self._pipeline.get_by_name("pictures")
        self._bus = self._pipeline.get_bus()
        self._pipeline.set_state(self._gst.State.PLAYING)
        try:
            self._first = self._pulled()
            if self._first is None:
                raise SourceRefusedError(f"{self._where}: no picture in it could be decoded")
            if not self.live:
                known, length = self._pipeline.query_duration(self._gst.Format.TIME)
                self.length_s = length / self._gst.SECOND if known and length > 0 else None
        except BaseException:
            self.__exit__()
            raise
        return self

    def _built(self) -> Any:
        """The pipeline, its source set up; addresses are set as properties, never parsed."""
        scheme, gst = scheme_of(self._camera.url), self._gst
        if scheme not in _READERS:
            raise SourceRefusedError(
                f"{self._where}: reader gstreamer reads {', '.join(_READERS)}; use reader: ffmpeg"
            )
        settings = _CSI | self._asked() if scheme == "csi" else {}
        convert = next((n for n in _CONVERTERS if gst.ElementFactory.find(n)), _CONVERTERS[-1])
        keep = "max-buffers=2 drop=true" if self.live else "max-buffers=4"
        text = (
            f"{_READERS[scheme].format(**settings)} ! {convert} ! video/x-raw,format=I420 ! "
            f"appsink name=pictures sync=false {keep}"
        )
        try:
            pipeline = gst.parse_launch(text)
        except Exception as error:  # GLib.Error, which needs gi to be named
            raise SourceRefusedError(f"{self._where}: GStreamer: {error}") from None
        source = pipeline.get_by_name("src")
        for name, value in self._properties(scheme).items():
            source.set_property(name, value)
        return pipeline

    def _asked(self) -> dict[str, int]:
        """What the address of a CSI camera asks for."""
        pairs = dict(parse_qsl(urlsplit(self._camera.url).query))
        whole = all(re.fullmatch(r"[1-9]\d{0,3}", value) for value in pairs.values())
        if not whole or set(pairs) - set(_CSI):
            raise SourceRefusedError(
                f"{self._where}: write csi://0?width=1920&height=1080&fps=30, in whole numbers"
            )
        return {name: int(value) for name, value in pairs.items()}

    def _properties(self, scheme: str) -> dict[str, Any]:
        if scheme == "csi":
            sensor = urlsplit(self._camera.url).netloc
            if not sensor.isdigit():
                raise SourceRefusedError(
                    f"{self._where}: csi:// needs the sensor's number: csi://0"
                )
            return {"sensor-id": int(sensor)}
        if scheme == "v4l2":
            return {"device": self._camera.url}
        if scheme == "file":
            return {"location": self._camera.url}
        wait = int(self._wait * 1_000_000)
        return {
            "location": self._camera.url, "latency": _JITTER_MS, "tcp-timeout": wait,
            "timeout": wait, "protocols": 4 if self._camera.transport == "tcp" else 1,
        }  # fmt: skip

    def _pulled(self) -> Any:
        """The next sample; ``None`` at the end of a recording.

        Raises:
            SourceError: GStreamer failed, or nothing came in time.
        """
        step = int(0.1 * self._gst.SECOND)
        until = time.monotonic() + self._wait
        while time.monotonic() < until:
            sample = self._sink.emit("try-pull-sample", step)
            if sample is not None:
                return sample
            self._raise_failure()
            if self._sink.get_property("eos"):
                if self.live:
                    raise SourceError(f"{self._where}: the stream ended")
                return None
        raise SourceError(f"{self._where}: no data in time; is the camera sending?")

    def _raise_failure(self) -> None:
        message = self._bus.pop_filtered(self._gst.MessageType.ERROR)
        if message is None:
            return
        error, _ = message.parse_error()
        final = not self.live or (
            error.matches(self._gst.ResourceError.quark(), _NOT_FOUND)
            or error.matches(self._gst.ResourceError.quark(), _NOT_AUTHORIZED)
        )
        kind = SourceRefusedError if final else SourceError
        raise kind(f"{self._where}: GStreamer: {redact(error.message)}")

    def __iter__(self) -> Iterator[Frame]:
        sample, index = self._first, 0
        self._first = None
        while sample is not None:
            asked = time.monotonic()
            yield self._frame(sample, index, asked)
            index += 1
            sample = self._pulled()

    def _frame(self, sample: Any, index: int, now: float) -> Frame:
        buffer, planes = sample.get_buffer(), self._planes(sample)
        stamp = buffer.pts / self._gst.SECOND if buffer.pts != self._gst.CLOCK_TIME_NONE else -1.0
        # Where the stream carries no time, or one that stands still, it goes on by a frame.
        self._pts = stamp if stamp > self._pts else self._pts + 1 / 25
        if not self.live:
            return Frame(self.id, index, self._pts, now, time.time(), planes)
        taken = self._clock.captured_at(self._pts, now, True)
        return Frame(self.id, index, self._pts, taken, time.time() - (now - taken), planes, True)

    def _planes(self, sample: Any) -> Planes:
        """Planes of an I420 sample, copied: GStreamer takes its memory back."""
        info = self._video.VideoInfo.new_from_caps(sample.get_caps())
        buffer = sample.get_buffer()
        good, mapped = buffer.map(self._gst.MapFlags.READ)
        if not good:
            raise SourceError(f"{self._where}: GStreamer gave a picture that cannot be read")
        try:
            data = np.frombuffer(mapped.data, np.uint8)
            y, u, v = (_plane(data, info, i) for i in range(3))
        finally:
            buffer.unmap(mapped)
        hd = info.colorimetry.matrix == self._video.VideoColorMatrix.BT709
        full = info.colorimetry.range == getattr(self._video.VideoColorRange, "0_255")
        return Planes(y, u, v, "bt709" if hd else "bt601", full)

    def __exit__(self, *error: object) -> None:
        if self._pipeline is not None:
            self._pipeline.set_state(self._gst.State.NULL)
            self._pipeline = self._first = None


def _plane(data: Plane, info: Any, index: int) -> Plane:
    """A copy of one plane of an I420 picture, without its padding."""
    halves = index > 0
    width, height = (n // 2 if halves else n for n in (info.width + halves, info.height + halves))
    start, stride = info.offset[index], info.stride[index]
    rows = data[start : start + stride * height].reshape(height, stride)
    plane: Plane = rows[:, :width].copy()
    return plane
