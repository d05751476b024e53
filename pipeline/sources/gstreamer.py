"""Cameras and recordings through GStreamer, whose decoders on a Jetson are its hardware's.

Which decoder runs, GStreamer chooses: ``nvv4l2decoder`` where it is installed. Needs PyGObject,
which JetPack and every Linux distribution have (``python3-gi``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from pipeline.errors import SourceDeniedError, SourceError, SourceRefusedError, redact
from pipeline.picture.light import Light
from pipeline.picture.turn import UPRIGHT, exif_turn
from pipeline.picture.yuv import Planes, believable
from pipeline.sources.base import BaseSource
from pipeline.sources.camera import CameraSettings
from pipeline.sources.clock import StreamClock, StreamTime
from pipeline.sources.planes import Shown
from pipeline.types import Frame, Plane

#: Elements up to the decoded picture, by kind; the first one is called ``src``.
_READERS: Mapping[str, str] = MappingProxyType(
    {
        "rtsp": "rtspsrc name=src src. ! application/x-rtp,media=video ! decodebin",
        "file": "filesrc name=src ! decodebin",
        "v4l2": "v4l2src name=src ! decodebin",
        "csi": "nvarguscamerasrc name=src ! video/x-raw(memory:NVMM),width={width},"
        "height={height},framerate={fps}/1",
    }
)
#: Element that brings pictures out of a Jetson's own memory, and what does so elsewhere.
_CONVERTERS = ("nvvidconv", "videoconvert")
#: What a CSI camera is asked for unless its address says so: csi://0?width=1280&height=720&fps=30
_CSI: Mapping[str, int] = MappingProxyType({"width": 1920, "height": 1080, "fps": 30})
_JITTER_MS = 100
#: GStreamer's resource errors of what refuses for now: no such file, no permission.
_NOT_FOUND = 3
_NOT_AUTHORIZED = 15
#: GStreamer's numbers of RTSP transports.
_TRANSPORTS: Mapping[str, int] = MappingProxyType({"tcp": 4, "udp": 1})
#: GStreamer's words for how a phone was held -> EXIF orientation.
_ORIENTATIONS: Mapping[str, int] = MappingProxyType(
    {
        "flip-rotate-0": 2,
        "rotate-180": 3,
        "flip-rotate-180": 4,
        "flip-rotate-270": 5,
        "rotate-90": 6,
        "flip-rotate-90": 7,
        "rotate-270": 8,
    }
)
#: Seconds between two frames of a stream without times.
_FRAME_S = 1 / 25


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


class GStreamerSource(BaseSource):
    """A camera or recording read by GStreamer; pictures arrive as I420 in ordinary memory.

    Args:
        reader: elements up to the decoded picture.
        properties: of the first element. Addresses are set like this, never parsed.
    """

    def __init__(
        self, camera: CameraSettings, *, live: bool, reader: str, properties: Mapping[str, Any]
    ) -> None:
        super().__init__(camera, live)
        self._reader = reader
        self._properties = properties
        self._pipeline: Any = None
        self._first: Any = None
        self._clock = StreamClock()
        self._time = StreamTime()
        self._pts = -1.0
        self._told = UPRIGHT

    def __enter__(self) -> GStreamerSource:
        self._gst, self._video = _library()
        self._pipeline = self._built()
        self._sink = self._pipeline.get_by_name("pictures")
        self._bus = self._pipeline.get_bus()
        self._pipeline.set_state(self._gst.State.PLAYING)
        try:
            self._first = self._pulled()
            if self._first is None:
                raise SourceRefusedError(f"{self.where}: no picture in it could be decoded")
            self._hear_orientation()
            info = self._video.VideoInfo.new_from_caps(self._first.get_caps())
            self.size = self._shown(info).size(info.width, info.height, self._told)
            if not self.live:
                known, length = self._pipeline.query_duration(self._gst.Format.TIME)
                self.length_s = length / self._gst.SECOND if known and length > 0 else None
        except BaseException:
            self.__exit__()
            raise
        return self

    def _built(self) -> Any:
        gst = self._gst
        convert = next((n for n in _CONVERTERS if gst.ElementFactory.find(n)), _CONVERTERS[-1])
        keep = "max-buffers=2 drop=true" if self.live else "max-buffers=4"
        text = (
            f"{self._reader} ! {convert} ! video/x-raw,format=I420 ! "
            f"appsink name=pictures sync=false {keep}"
        )
        try:
            pipeline = gst.parse_launch(text)
        except Exception as error:  # GLib.Error, which needs gi to be named
            raise SourceRefusedError(f"{self.where}: GStreamer: {error}") from None
        source = pipeline.get_by_name("src")
        for name, value in self._properties.items():
            source.set_property(name, value)
        return pipeline

    def _pulled(self) -> Any:
        """The next sample; ``None`` at the end of a recording.

        Raises:
            SourceError: GStreamer failed, or nothing came in time.
        """
        step = int(0.1 * self._gst.SECOND)
        until = time.monotonic() + self.wait_s
        while time.monotonic() < until:
            sample = self._sink.emit("try-pull-sample", step)
            if sample is not None:
                return sample
            self._raise_failure()
            if self._sink.get_property("eos"):
                if self.live:
                    raise SourceError(f"{self.where}: the stream ended")
                return None
        raise SourceError(f"{self.where}: no data in time; is the camera sending?")

    def _raise_failure(self) -> None:
        message = self._bus.pop_filtered(self._gst.MessageType.ERROR)
        if message is None:
            return
        error, _ = message.parse_error()
        denied = error.matches(self._gst.ResourceError.quark(), _NOT_FOUND) or error.matches(
            self._gst.ResourceError.quark(), _NOT_AUTHORIZED
        )
        kind = SourceDeniedError if denied else SourceError
        text = f"{self.where}: GStreamer: {redact(error.message)}"
        raise (kind if self.live else SourceRefusedError)(text)

    def _hear_orientation(self) -> None:
        """Of the tags told so far, how the picture is turned."""
        while message := self._bus.pop_filtered(self._gst.MessageType.TAG):
            known, word = message.parse_tag().get_string("image-orientation")
            if known:
                self._told = exif_turn(_ORIENTATIONS.get(word, 1))

    def _shown(self, info: Any) -> Shown:
        """How pictures of this kind are shown."""
        curves, primaries = self._video.VideoTransferFunction, self._video.VideoColorPrimaries
        light: Light = "sdr"
        if info.colorimetry.transfer == getattr(curves, "SMPTE2084", None):  # not in GStreamer 1.16
            light = "pq"
        elif info.colorimetry.transfer == getattr(curves, "ARIB_STD_B67", None):
            light = "hlg"
        elif info.colorimetry.primaries == primaries.BT2020:
            light = "wide"
        pixel = Fraction(info.par_n or 1, info.par_d or 1)
        return Shown(believable(pixel), light, self.camera.turn)

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
        stamp = None if buffer.pts == self._gst.CLOCK_TIME_NONE else buffer.pts / self._gst.SECOND
        if not self.live:
            # Where the recording carries no time, or one that stands still, it goes on by a frame.
            later = stamp is not None and stamp > self._pts
            self._pts = stamp if stamp is not None and later else self._pts + _FRAME_S
            return Frame(self.id, index, self._pts, now, time.time(), planes)
        pts = self._time.seconds(stamp, now, True)
        self.jumps = self._time.jumps
        taken = self._clock.captured_at(pts, now, True)
        return Frame(self.id, index, pts, taken, time.time() - (now - taken), planes, True)

    def _planes(self, sample: Any) -> Planes:
        """Planes of an I420 sample, copied: GStreamer takes its memory back."""
        info = self._video.VideoInfo.new_from_caps(sample.get_caps())
        buffer = sample.get_buffer()
        good, mapped = buffer.map(self._gst.MapFlags.READ)
        if not good:
            raise SourceError(f"{self.where}: GStreamer gave a picture that cannot be read")
        try:
            data = np.frombuffer(mapped.data, np.uint8)
            y, u, v = (_plane(data, info, i) for i in range(3))
        finally:
            buffer.unmap(mapped)
        kinds = self._video.VideoColorMatrix
        matrices = {kinds.BT709: "bt709", kinds.BT2020: "bt2020"}
        matrix = matrices.get(info.colorimetry.matrix, "bt601")
        full = info.colorimetry.range == getattr(self._video.VideoColorRange, "0_255")
        shown = self._shown(info)
        return shown(Planes(y, u, v, matrix, full, shown.light), self._told)

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


def rtsp_source(camera: CameraSettings) -> GStreamerSource:
    """An RTSP camera."""
    wait = int(camera.timeout_s * 1_000_000)
    properties = {
        "location": camera.address,
        "latency": _JITTER_MS,
        "tcp-timeout": wait,
        "timeout": wait,
        "protocols": _TRANSPORTS[camera.transport],
    }
    if camera.tls == "insecure":
        properties["tls-validation-flags"] = 0
    return GStreamerSource(camera, live=True, reader=_READERS["rtsp"], properties=properties)


def file_source(camera: CameraSettings) -> GStreamerSource:
    """A recording."""
    properties = {"location": camera.url}
    return GStreamerSource(camera, live=False, reader=_READERS["file"], properties=properties)


def v4l2_source(camera: CameraSettings) -> GStreamerSource:
    """A webcam or capture device under Linux."""
    properties = {"device": camera.url}
    return GStreamerSource(camera, live=True, reader=_READERS["v4l2"], properties=properties)


def csi_source(camera: CameraSettings) -> GStreamerSource:
    """A CSI camera of a Jetson: csi://0?width=1280&height=720&fps=30.

    Raises:
        SourceRefusedError: the address is not written like that.
    """
    where = redact(camera.url)
    sensor, _, query = camera.url.split("://", 1)[1].partition("?")
    asked = dict(parse_qsl(query))
    whole = all(re.fullmatch(r"[1-9]\d{0,3}", value, re.ASCII) for value in asked.values())
    if not whole or set(asked) - set(_CSI):
        raise SourceRefusedError(
            f"{where}: write csi://0?width=1920&height=1080&fps=30, in whole numbers"
        )
    if not re.fullmatch(r"\d{1,3}", sensor.rstrip("/"), re.ASCII):
        raise SourceRefusedError(f"{where}: csi:// needs the sensor's number: csi://0")
    reader = _READERS["csi"].format(**{**_CSI, **asked})
    properties = {"sensor-id": int(sensor.rstrip("/"))}
    return GStreamerSource(camera, live=True, reader=reader, properties=properties)
