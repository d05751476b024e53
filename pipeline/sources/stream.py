"""Video through PyAV: recordings, RTSP cameras, HTTP and HLS, V4L2 devices."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import av

from pipeline.errors import SourceError, SourceRefusedError, redact
from pipeline.sources.assemble import CODECS, Assembler
from pipeline.sources.base import BaseSource
from pipeline.sources.camera import CameraSettings
from pipeline.sources.clock import Metronome, StreamClock
from pipeline.sources.decoder import Decoder
from pipeline.sources.location import is_live_over_http
from pipeline.sources.nvdec import Nvdec, on_gpu
from pipeline.sources.planes import shown_by, to_planes, told_turn
from pipeline.sources.reasons import explain
from pipeline.sources.tracks import rate_of, timed, video_track
from pipeline.types import Frame, Picture

log = logging.getLogger("threadline.sources")

#: Share of a frame's time from which a read had to wait for the camera.
_WAITED = 0.3
#: Seconds to wait for the next segment of HLS.
_SEGMENT_S = 30.0
#: FFmpeg's word for payloads as they come.
_UNPARSED = "noparse"
#: Reader -> where it decodes, if not on the processor.
_DECODERS: Mapping[str, Callable[[], Nvdec]] = MappingProxyType({"nvdec": on_gpu})


class StreamSource(BaseSource):
    """Anything FFmpeg demuxes. Decodes one video stream, on one thread if it is live.

    Args:
        live: a camera; with ``by_length``, only as long as what is opened tells no length.
        options: FFmpeg's, for opening.
        form: FFmpeg's name of the format; by content if ``None``.
        address: what FFmpeg opens; the camera's address if ``None``.
    """

    def __init__(
        self,
        camera: CameraSettings,
        *,
        live: bool,
        options: Mapping[str, str],
        form: str | None = None,
        address: str | None = None,
        by_length: bool = False,
    ) -> None:
        super().__init__(camera, live)
        self._options = dict(options)
        self._format = form
        self._address = address or camera.address
        self._by_length = by_length
        self._container: Any = None
        self._decoded: Iterator[tuple[Any, bool]] = iter(())
        self._pts: float | None = None
        self._at = 0.0
        self._stretch = 1.0
        self._clock = StreamClock()
        self._assembler: Assembler | None = None
        self._nvdec = Nvdec()
        #: What holds back pictures that come in bursts.
        self.bursts: Metronome | None = None

    def __enter__(self) -> StreamSource:
        self._nvdec = _DECODERS.get(self.camera.reader, Nvdec)()
        self._open(self._options)
        try:
            if _UNPARSED in self._options.get("fflags", "") and not self._assembles():
                self._container.close()
                self._open(self._options | {"fflags": "nobuffer"})
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self, options: dict[str, str]) -> None:
        wait = (self.wait_s, self.wait_s)
        there = self._nvdec.accelerator
        more = {} if there is None else {"hwaccel": there}  # older PyAV does not know it
        try:
            with self._nvdec.current():
                self._container = av.open(
                    self._address, options=options, format=self._format, timeout=wait, **more
                )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from None

    def _assembles(self) -> bool:
        """Whether pictures can be put together from unparsed payloads."""
        stream = video_track(self._container.streams, live=True)
        context = stream.codec_context if stream is not None else None
        self._assembler = Assembler(context.name) if context and context.name in CODECS else None
        return self._assembler is not None

    def _set_up(self) -> None:
        self._stream = stream = video_track(self._container.streams, self.live)
        if stream is None:
            raise SourceRefusedError(f"{self.where}: no video in it (audio only?)")
        context = stream.codec_context
        if context is None:
            raise SourceRefusedError(f"{self.where}: no decoder for its codec")
        if self._by_length:
            self.live = not self._container.duration
        if self.live:
            context.thread_count = 1  # frame threads would delay every frame
        else:
            stream.thread_type = "AUTO"
            if self._container.duration:
                self.length_s = self._container.duration / av.time_base
        self._decoder = Decoder(context, self.live)
        self._rate = rate_of(stream)
        self._shown = shown_by(stream, self.camera.turn)
        self._start = stream.start_time
        self._decoded = self._decode()
        if self.live:
            size = self._shown.size(context.width, context.height)
            self.size = size if context.width else None
        else:
            self._look_ahead()

    def _look_ahead(self) -> None:
        """Decode a recording's first picture: it alone tells whether phones turned theirs."""
        first = next(self._decoded)
        self._decoded = chain([first], self._decoded)
        self.size = self._shown.size(first[0].width, first[0].height, told_turn(first[0]))
        if self._stretch != 1:
            taken = float(self._rate)
            told = self._stretch * taken or float(self._stream.average_rate)
            log.warning("%s: %g pictures a second cannot be; taken as %g", self.where, told, taken)
            self.length_s = (self.length_s or 0) * self._stretch or None

    def __iter__(self) -> Iterator[Frame]:
        for index, (picture, waited) in enumerate(self._decoded):
            yield self._frame(picture, index, time.monotonic(), waited)

    def _decode(self) -> Iterator[tuple[Any, bool]]:
        """Decoded pictures, and whether each had to be waited for."""
        none = True
        for packet, waited in self._packets():
            pictures = self._decoder.decode(packet, self.decoding, self.turn)
            self.corrupt = self._decoder.corrupt
            for picture in pictures:
                none = False
                yield picture, waited
        if self.live:
            raise SourceError(f"{self.where}: the stream ended")
        if none:
            raise SourceRefusedError(f"{self.where}: no picture in it could be decoded")

    def _packets(self) -> Iterator[tuple[Any, bool]]:
        """Packets, and whether each had to be waited for."""
        packets = self._container.demux(self._stream)
        patience = _WAITED / float(self._rate)
        waited = False
        try:
            if not self.live:
                packets, self._stretch = timed(packets, self._stream)
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
        if self.bursts is not None:
            time.sleep(self.bursts.wait_s(pts, now))
            now, waited = time.monotonic(), True
        taken = self._clock.captured_at(pts, now, waited)
        utc = time.time() - (now - taken)
        arrived = self._clock.arrived_at(taken, now)
        camera_utc = self._camera_utc(picture)
        return Frame(self.id, index, pts, taken, utc, planes, True, camera_utc, arrived)

    def _planes(self, picture: Any) -> Picture:
        try:
            return to_planes(picture, self._nvdec, self._shown)
        except ValueError as error:
            raise SourceRefusedError(f"{self.where}: {error}") from None

    def _camera_utc(self, picture: Any) -> float | None:
        """Seconds since the epoch by the camera's clock, once it has told (RTCP sender report)."""
        began = getattr(self._container, "start_time_realtime", None)  # not in PyAV before 18
        if not began or picture.pts is None or not picture.time_base:
            return None
        return float(began / 1e6 + picture.pts * picture.time_base)

    def _seconds(self, picture: Any, now: float) -> float:
        """Stream seconds of a picture, always rising.

        Where the stream carries no time, or one that cannot be, stands still or jumps back, time
        goes on by the clock (live) or by the frame rate (recordings).
        """
        stamp: float | None = None
        if picture.pts is not None and picture.time_base and self._stretch == 1:
            stamp = float((picture.pts - (self._start or 0)) * picture.time_base)
        if self._pts is None:
            self._pts = stamp or 0.0
        elif stamp is not None and stamp > self._pts:
            self._pts = stamp
        else:
            self._pts += now - self._at if self.live else float(1 / self._rate)
        self._at = now
        return self._pts

    def _failure(self, error: Exception) -> SourceError:
        reason, kind = explain(error, self.live, "://" in self.camera.url)
        return (kind if self.live else SourceRefusedError)(f"{self.where}: {reason}")

    def __exit__(self, *error: object) -> None:
        self._decoded = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None


def _check_host(camera: CameraSettings) -> None:
    """Raise SourceRefusedError for a URL no server can have."""
    try:
        parts = urlsplit(camera.address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise SourceRefusedError(
            f"{redact(camera.url)}: not a valid URL; check host and port, and give a password with "
            "special characters as password:"
        )


def file_source(camera: CameraSettings) -> StreamSource:
    """A recording. Its path is a path, whatever FFmpeg would read into it: ``concat:a|b``."""
    address = camera.address if "://" in camera.url else f"file:{camera.url}"
    return StreamSource(camera, live=False, options={}, address=address)


def rtsp_source(camera: CameraSettings) -> StreamSource:
    """An RTSP camera, over TCP unless the configuration says UDP."""
    _check_host(camera)
    options = {
        "rtsp_transport": camera.transport,
        "timeout": str(int(camera.timeout_s * 1_000_000)),
        "analyzeduration": "1000000",
        "fflags": _UNPARSED,
    }
    return StreamSource(camera, live=True, options=options)


def http_source(camera: CameraSettings) -> StreamSource:
    """A recording, an HLS stream or an MJPEG camera over HTTP; what has a length is a recording."""
    _check_host(camera)
    options = {"rw_timeout": str(int(camera.timeout_s * 1_000_000))}
    live = is_live_over_http(camera.url)
    if urlsplit(camera.url).path.lower().endswith(".m3u8"):
        options |= {"live_start_index": "-1"}  # the newest segment, not the third before it
        source = StreamSource(camera, live=live, options=options, by_length=True)
        source.wait_s = max(camera.timeout_s, _SEGMENT_S)
        source.bursts = Metronome()
        return source
    return StreamSource(camera, live=live, options=options, by_length=True)


def v4l2_source(camera: CameraSettings) -> StreamSource:
    """A webcam or capture device under Linux."""
    return StreamSource(camera, live=True, options={}, form="v4l2")
