"""Recordings with a proxy: the small file is read picture by picture, of the large one only those
are decoded that somebody asks for."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from typing import Any
from weakref import finalize

from pipeline.errors import SourceError, SourceRefusedError
from pipeline.picture.area import Polygon
from pipeline.picture.privacy import masked
from pipeline.picture.registration import (
    PLACE,
    SAME_ASPECT,
    WHOLE,
    Registration,
    is_plain,
    registered,
    thumbnail,
)
from pipeline.protocols import Source
from pipeline.sources.base import BaseSource
from pipeline.sources.camera import CameraSettings
from pipeline.sources.stream import StreamSource
from pipeline.types import Box, Frame, Picture

log = logging.getLogger("threadline.sources")

#: Bytes of packets that are held while it is not known yet whether they have to be decoded.
MOST_BYTES = 16_000_000
#: Seconds and share by which the lengths of a recording and of its proxy may differ.
LENGTHS_S = 1.0
LENGTHS = 0.02


class LargeSource(StreamSource):
    """A recording whose packets are had undecoded, once its first picture was."""

    def _packets(self) -> Iterator[tuple[Any, bool]]:
        self._left = super()._packets()
        return self._left

    def __exit__(self, *error: object) -> None:
        self._left = iter(())  # it knows this source: neither would go before the collector came
        super().__exit__(*error)

    def undecoded(self) -> tuple[list[tuple[float, Any]], Iterator[Any]]:
        """The first picture with its seconds, and the packets that are left.

        Raises:
            SourceRefusedError: it has no times by which a moment could be found.
        """
        first, _ = next(self._decoded)
        if first.pts is None or self._stretch != 1:
            raise SourceRefusedError(
                f"{self.where}: its pictures have no times, so none of a moment can be found; "
                "leave sub out"
            )
        return [(self.seconds_of(first), first)], (packet for packet, _ in self._left)

    def dated(self, packet: Any) -> list[tuple[float, Any]]:
        """The pictures a packet completes, each with its seconds."""
        return [(self.seconds_of(one), one) for one in self.decoded(packet) if one.pts is not None]

    def seconds_of(self, timed: Any, decoding: bool = False) -> float:
        """Seconds of a packet or picture from the beginning on, or of when a packet is decoded; of
        what tells none, infinite."""
        stamp = timed.dts if decoding else timed.pts
        return inf if stamp is None else float(stamp * timed.time_base) - self._start_s

    @property
    def step_s(self) -> float:
        """Seconds from one picture to the next."""
        return float(1 / self._rate)

    @property
    def recorded_at(self) -> float | None:
        """When it began, seconds since the epoch, where it tells."""
        return self._recorded_at


class Moments:
    """Pictures of a recording at moments that rise; each is decoded from the key frame before it
    on, or from the one given last.

    Lives as long as a frame that may ask for one, and closes the source with the last of them.
    """

    def __init__(self, source: LargeSource) -> None:
        self._source = source
        finalize(self, source.__exit__)
        first, self._packets = source.undecoded()
        self._pictures = deque(first)
        self._ahead: deque[Any] = deque()
        self._bytes = 0
        self._half_s = source.step_s / 2
        self._until: float | None = None

    @property
    def until(self) -> float | None:
        """Seconds at which its last picture was, once it was read to its end."""
        return self._until

    @property
    def size(self) -> tuple[int, int]:
        assert self._source.size is not None
        return self._source.size

    def at(self, moment: float) -> Picture | None:
        """The picture of a moment, in seconds; ``None`` where the recording has none.

        Raises:
            SourceError: it cannot be read any further.
        """
        pictures, after = self._pictures, moment - self._half_s
        while not pictures or pictures[-1][0] < after:
            self._read_to(moment)
            if not self._ahead:
                self._until = pictures[-1][0] if pictures else self._until or 0.0
                break
            pictures.extend(self._source.dated(self._taken()))
        while pictures and pictures[0][0] < after:
            pictures.popleft()
        if not pictures or pictures[0][0] > moment + 2 * self._half_s:
            return None
        return self._source.shown(pictures[0][1])

    def _read_to(self, moment: float) -> None:
        """Have all packets at hand that a moment's picture may need, and none before its key."""
        seconds = self._source.seconds_of
        while not self._ahead or seconds(self._ahead[-1], decoding=True) <= moment:
            packet = next(self._packets, None)
            if packet is None:
                break
            if packet.is_keyframe and seconds(packet) <= moment:
                self._skip()
            self._ahead.append(packet)
            self._bytes += packet.size
            if self._bytes > MOST_BYTES:
                self._pictures.extend(self._source.dated(self._taken()))

    def _taken(self) -> Any:
        packet = self._ahead.popleft()
        self._bytes -= packet.size
        return packet

    def _skip(self) -> None:
        """The next packet is a key frame, and nothing before it is needed."""
        if self._ahead:
            self._source.context.flush_buffers()
            self._ahead.clear()
            self._pictures.clear()
            self._bytes = 0


class Recording:
    """A proxy's recording: its pictures, and where the proxy's lie in them."""

    def __init__(self, moments: Moments, where: str) -> None:
        self.moments = moments
        self._where = where
        self._place: Registration | None = None
        self._ended = False

    def picture(self, frame: Frame) -> tuple[Picture, Registration] | None:
        """The picture of a frame's moment, and where the frame lies in it."""
        if self._ended:
            return None
        try:
            found = self.moments.at(frame.pts)
        except SourceError as error:
            self._end(f"{error}; crops come from the proxy from now on")
            return None
        until = self.moments.until
        if found is None and until is not None and frame.pts > until + LENGTHS_S:
            self._end(f"{self._where}: it ends before its proxy does; crops come from the proxy")
        place = found and (self._place or self._found(frame.planes, found))
        return (found, place) if found and place else None

    def _found(self, small: Picture, large: Picture) -> Registration | None:
        thumbs = thumbnail(small, PLACE), thumbnail(large, PLACE)
        aspects = small.width / small.height, large.width / large.height
        if any(map(is_plain, thumbs)):  # nothing to go by yet
            bent = max(aspects) / min(aspects)
            return WHOLE if bent <= SAME_ASPECT else None
        self._place, _ = registered(*thumbs, aspects)
        if self._place is None:
            self._end(
                f"{self._where}: its proxy (sub) shows something else at the same moment; crops "
                "come from the proxy"
            )
        return self._place

    def _end(self, told: str) -> None:
        self._ended = True
        log.warning("%s", told)


@dataclass(frozen=True, slots=True, eq=False)
class LargerPicture:
    """``pipeline.protocols.Larger`` of one frame."""

    frame: Frame
    recording: Recording
    mask: Sequence[Polygon] = ()

    def hiding(self, mask: Sequence[Polygon]) -> LargerPicture:
        return replace(self, mask=mask)

    @property
    def size(self) -> tuple[int, int]:
        return self.recording.moments.size

    def picture(self) -> tuple[Picture, Box] | None:
        found = self.recording.picture(self.frame)
        if found is None:
            return None
        picture, place = found
        box = place.left, place.top, place.left + place.x, place.top + place.y
        return masked(picture, place.moved(self.mask)), box


class ProxySource(BaseSource):
    """The frames of a recording's proxy, each with what the recording shows at its moment."""

    def __init__(self, camera: CameraSettings, small: Source, large: LargeSource) -> None:
        super().__init__(camera, live=False)
        self._small = small
        self._large = large
        self._recording: Recording | None = None

    def __enter__(self) -> ProxySource:
        with ExitStack() as stack:
            small, large = stack.enter_context(self._small), stack.enter_context(self._large)
            lengths = [length for length in (small.length_s, large.length_s) if length]
            if len(lengths) == 2:
                least, most = sorted(lengths)
                if most - least > max(LENGTHS_S, LENGTHS * most):
                    raise SourceRefusedError(
                        f"{self.where} is {large.length_s:.1f} s long and its proxy "
                        f"{small.length_s:.1f} s: sub is no proxy of this recording"
                    )
            self._recording = Recording(Moments(self._large), self.where)
            self.size, self.length_s = small.size, small.length_s
            stack.pop_all()
        return self

    def __iter__(self) -> Iterator[Frame]:
        assert self._recording is not None
        began = self._large.recorded_at
        for frame in self._small:
            self.corrupt, self.lost = self._small.corrupt, self._small.lost
            at = frame.recorded_at if began is None else began + frame.pts
            larger = LargerPicture(frame, self._recording)
            yield replace(frame, sub=True, larger=larger, recorded_at=at)

    def __exit__(self, *error: object) -> None:
        """The recording itself stays open as long as a frame may ask for a picture of it."""
        self._recording = None
        self._small.__exit__(*error)
