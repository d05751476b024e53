"""Video through PyAV. What opens it is in ``local`` and ``network``."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Any

import av

from pipeline.errors import SourceError, SourceRefusedError
from pipeline.sources.assemble import CODECS, Assembler
from pipeline.sources.base import BaseSource
from pipeline.sources.camera import CameraSettings
from pipeline.sources.clock import Cadence, CameraClock, Metronome, StreamClock, StreamTime
from pipeline.sources.decoder import Decoder
from pipeline.sources.nvdec import Nvdec, on_gpu
from pipeline.sources.packets import Encoded, Tap
from pipeline.sources.planes import Shown, Told, shown_by, to_planes
from pipeline.sources.reasons import explain
from pipeline.sources.tracks import rate_of, recorded_at, timed, video_track
from pipeline.types import Frame, Picture

log = logging.getLogger("threadline.sources")

#: Share of a frame's time from which a read had to wait for the camera.
_WAITED = 0.3
#: FFmpeg's word for payloads as they come.
UNPARSED = "noparse"
#: FFmpeg's flag of formats without stamps; those for pictures from a pipe lack it.
_UNTIMED = 0x80
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
        self._stretch = 1.0
        self._shown = Shown(turn=camera.turn)
        self._told = Told()
        self._recorded_at: float | None = None
        self._clock = StreamClock()
        self._time = StreamTime()
        self._camera_clock = CameraClock()
        self._assembler: Assembler | None = None
        self._nvdec = Nvdec()
        self._missing = 0
        #: What holds back pictures that come in bursts.
        self.bursts: Metronome | None = None
        #: What notices that pictures are missing, where the network may lose some.
        self.cadence: Cadence | None = None
        #: What opens the parts of a stream instead of FFmpeg: PyAV's ``io_open``.
        self.fetch: Callable[..., Any] | None = None
        #: Given each packet of a live stream once it was decoded, and its seconds as in ``pts``.
        self.tap: Tap | None = None
        self._ahead = 0.0

    def __enter__(self) -> StreamSource:
        self._nvdec = _DECODERS.get(self.camera.reader, Nvdec)()
        self._open(self._options)
        try:
            if UNPARSED in self._options.get("fflags", "") and not self._assembles():
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
        more |= {} if self.fetch is None else {"io_open": self.fetch}
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
            self._recorded_at = recorded_at(self._container.metadata)
            if self._container.duration:
                self.length_s = self._container.duration / av.time_base
        self._decoder = Decoder(context, self.live)
        self._rate = rate_of(stream)
        self._shown = shown_by(stream, self.camera.turn)
        self._start_s = float((stream.start_time or 0) * (stream.time_base or 0))
        form = self._container.format
        stamped = not form.flags & _UNTIMED and not form.name.endswith("pipe")
        step_s = float(1 / self._rate) if self.bursts else None
        self._time = StreamTime(stamped, step_s)
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
        self.size = self._shown.size(first[0].width, first[0].height, self._told.by(first[0]))
        if self._stretch != 1:
            taken = float(self._rate)
            told = self._stretch * taken or float(self._stream.average_rate)
            log.warning("%s: %g pictures a second cannot be; taken as %g", self.where, told, taken)
            self.length_s = (self.length_s or 0) * self._stretch or None

    def __iter__(self) -> Iterator[Frame]:
        for index, (picture, waited) in enumerate(self._decoded):
            yield self._frame(picture, index, time.monotonic(), waited)

    def encoded(self) -> Iterator[Encoded]:
        """A camera's packets, undecoded, with when they were taken; instead of iterating."""
        for packet, waited in self._packets():
            now = time.monotonic()
            stamp = _stamp(packet)
            at = now if stamp is None else stamp
            taken = self._clock.captured_at(at, now, waited)
            utc = time.time() - (now - taken)
            told = None if stamp is None else self._camera_clock.utc(stamp, utc, now)
            yield Encoded(packet, bool(packet.is_keyframe), packet.size, at, taken, told)
        raise SourceError(f"{self.where}: the stream ended")

    def decoded(self, packet: Any) -> list[Any]:
        """The pictures a packet completes, as iterating would give them."""
        pictures = self._decoder.decode(packet, self.decoding, self.turn)
        self.corrupt = self._decoder.corrupt
        self.lost = self._missing + self._decoder.lost
        return pictures

    @property
    def context(self) -> Any:
        """PyAV's context of the stream: its codec and what opens another decoder for it."""
        return self._stream.codec_context

    def _decode(self) -> Iterator[tuple[Any, bool]]:
        """Decoded pictures, and whether each had to be waited for."""
        none = True
        for packet, waited in self._packets():
            for picture in self.decoded(packet):
                none = False
                yield picture, waited
            if self.tap is not None and (stamp := _stamp(packet)) is not None:
                self.tap(packet, stamp - self._start_s + self._ahead)
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
                    self._hear(packet, whole)
                    yield whole, waited
                    waited = False
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def _hear(self, packet: Any, whole: Any) -> None:
        """Take in what a packet reports of the camera's clock (PyAV before 16.1 does not tell) and
        whether a picture is missing before the one it completes."""
        stamp, missing = _stamp(packet), _stamp(whole)
        if self.live and stamp is not None and hasattr(packet, "get_sidedata"):
            report = packet.get_sidedata("prft")
            if getattr(report, "buffer_size", 0):
                # It begins with microseconds since the epoch.
                told = int.from_bytes(bytes(report)[:8], sys.byteorder, signed=True)
                self._camera_clock.report(stamp, told / 1e6)
        if self.cadence is not None and missing is not None:
            self._missing += self.cadence.missing(missing)

    def _frame(self, picture: Any, index: int, now: float, waited: bool) -> Frame:
        planes = self.shown(picture)
        if not self.live:
            pts, began = self._seconds(picture), self._recorded_at
            frame = Frame(self.id, index, pts, now, time.time(), planes)
            return frame if began is None else replace(frame, recorded_at=began + pts)
        stamp = _stamp(picture)
        since = None if stamp is None else stamp - self._start_s
        pts = self._time.seconds(since, now, waited)
        self.jumps = self._time.jumps
        self._ahead = 0.0 if since is None else pts - since
        if self.bursts is not None:
            time.sleep(self.bursts.wait_s(pts, now))
            now, waited = time.monotonic(), True
        taken = self._clock.captured_at(pts, now, waited)
        utc = time.time() - (now - taken)
        arrived = self._clock.arrived_at(taken, now)
        camera_utc = None if stamp is None else self._camera_clock.utc(stamp, utc, now)
        return Frame(self.id, index, pts, taken, utc, planes, True, camera_utc, arrived)

    def shown(self, picture: Any) -> Picture:
        """A decoded picture's planes, upright."""
        try:
            return to_planes(picture, self._nvdec, self._shown, self._told.by(picture))
        except ValueError as error:
            raise SourceRefusedError(f"{self.where}: {error}") from None

    def _seconds(self, picture: Any) -> float:
        """Stream seconds of a recording's picture, always rising: where it carries no time, or one
        that cannot be, stands still or jumps back, time goes on by the frame rate."""
        stamp = _stamp(picture) if self._stretch == 1 else None
        if self._pts is None:
            self._pts = 0.0 if stamp is None else stamp - self._start_s
        elif stamp is not None and stamp - self._start_s > self._pts:
            self._pts = stamp - self._start_s
        else:
            self._pts += float(1 / self._rate)
        return self._pts

    def _failure(self, error: Exception) -> SourceError:
        reason, kind = explain(error, self.live, "://" in self.camera.url)
        return (kind if self.live else SourceRefusedError)(f"{self.where}: {reason}")

    def __exit__(self, *error: object) -> None:
        self._decoded = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None


def _stamp(timed: Any) -> float | None:
    """Seconds that a packet or picture carries, if it does."""
    pts, base = timed.pts, timed.time_base
    if pts is None or not base:
        return None
    return float(pts * base.numerator / base.denominator)  # a product of fractions takes longer
