"""Pictures of RTSP cameras, whole the moment their last piece arrives.

FFmpeg's parser knows that a picture is complete when the next one begins: a frame's time late,
67 ms at 15 frames/s. Unparsed, its RTP demuxer hands out each payload as it comes: a NAL unit,
several, or a fragment of one, all fragments but the last equally long (RFC 6184 section 5.8,
RFC 7798 section 4.4.3). The first pictures of a stream are awaited like that; once all had the same
number of slices, a picture is taken to be complete when its last slice is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import av

CODECS = ("h264", "hevc")
#: Payloads after which something that is no picture is thrown away.
MOST_PARTS = 20_000
_START = b"\0\0\0\1"
#: Bytes of a NAL unit's header.
_HEADER = MappingProxyType({"h264": 1, "hevc": 2})
#: Pictures that must have had the same number of slices.
_ALIKE = 5


@dataclass(slots=True)
class _Kind:
    """What is in a payload: slices, the first one of a picture, some of a key frame."""

    slices: int = 0
    first: bool = False
    key: bool = False


def _look(codec: str, data: bytes) -> _Kind:
    """Read the headers of a payload's NAL units (ITU-T H.264 and H.265, section 7.3)."""
    found = _Kind()
    # A slice comes alone; what precedes one may be aggregated with it.
    for nal in data.split(_START)[1:] if not _is_slice(codec, data[4:]) else [data[4:]]:
        if _is_slice(codec, nal):
            found.slices += 1
            found.first |= nal[_HEADER[codec]] >= 128  # the first bit of its header
            found.key |= nal[0] & 31 == 5 if codec == "h264" else 16 <= nal[0] >> 1 & 63 <= 23
    return found


def _is_slice(codec: str, nal: bytes) -> bool:
    if len(nal) <= _HEADER[codec]:
        return False
    return nal[0] & 31 in (1, 5) if codec == "h264" else nal[0] >> 1 & 63 < 32


class Assembler:
    """Joins the payloads of one stream, H.264 or HEVC, to packets of one picture each.

    A picture in the making::

                 a slice begins             a fragment as long as the longest
          EMPTY ----------------> IN SLICE ----+
            ^                      |   ^  ^    |
            |            a shorter |   |  +----+
            |             fragment v   | another slice begins
            +------------------ BETWEEN SLICES
              picture is whole

    IN SLICE is ``_open``. Small slices, in one payload, lead to BETWEEN SLICES at once.

    When a picture is whole::

        LATE (``_early`` is 0)                      EARLY
        the next one begins      ---------------->  as many slices came as usual
                      ^           5 pictures had      |
                      |           equally many        |
                      +-------------------------------+
                        a picture went on after it was given out; from then on, always LATE
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._parts: list[bytes] = []
        self._last: Any = None
        #: Slices of this picture so far, and whether it is a key frame.
        self._slices = 0
        self._key = False
        self._open = False
        #: Bytes of the longest whole fragment so far, and of the last piece.
        self._fragment = 0
        self._piece = 0
        #: Slices of the first pictures, and of every picture once that is known (0: LATE).
        self._counts: list[int] = []
        self._early = 0

    def feed(self, packet: Any) -> Iterator[Any]:
        """Take a payload; the pictures that are complete with it, none or one, rarely two."""
        data = bytes(packet)
        if data.startswith(_START):
            yield from self._begin(packet, data)
        elif self._strays(packet):
            return
        else:
            # What went on was a whole fragment, and all but the last are equally long.
            self._fragment = max(self._fragment, self._piece)
            self._piece = len(data)
            self._open = self._piece >= self._fragment
        self._parts.append(data)
        self._last = packet
        if len(self._parts) > MOST_PARTS:
            self._reset()
        if 0 < self._early == self._slices and self._fragment and not self._open:
            yield self._whole()

    def _strays(self, packet: Any) -> bool:
        """Whether the payload that a fragment continues is lost, or was given out already."""
        if not self._parts:
            if self._early:
                self._doubt()
            return True
        alone = not self._slices and self._piece < self._fragment
        return bool(alone or packet.pts != self._last.pts)

    def _begin(self, packet: Any, data: bytes) -> Iterator[Any]:
        kind = _look(self._codec, data)
        elsewhen = self._last is not None and packet.pts != self._last.pts
        if self._slices and (kind.first or not kind.slices or elsewhen):
            yield self._whole()
        elif kind.slices and not kind.first and not self._slices and self._early:
            self._doubt()
        self._slices += kind.slices
        self._key |= kind.key
        self._piece = len(data) - len(_START) - _HEADER[self._codec]
        self._open = kind.slices == 1 and self._piece >= self._fragment

    def _doubt(self) -> None:
        """A picture was given out before it was complete: from now on, wait for the next one."""
        self._early, self._counts = 0, [0] * _ALIKE

    def _whole(self) -> Any:
        joined = av.Packet(b"".join(self._parts))
        joined.pts, joined.dts = self._last.pts, self._last.dts
        joined.time_base = self._last.time_base
        joined.is_keyframe = self._key
        if len(self._counts) < _ALIKE:
            self._counts.append(self._slices)
            if len(self._counts) == _ALIKE and len(set(self._counts)) == 1:
                self._early = self._slices
        self._reset()
        return joined

    def _reset(self) -> None:
        self._parts, self._slices, self._key, self._open = [], 0, False, False
