"""A camera's own H.264 as fragmented MP4, one fragment a picture, without touching the pictures.

ISO/IEC 14496-12 (boxes) and 14496-15 (AVC in them); NAL units as of ITU-T H.264, section 7. Pure.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

#: Ticks a second of all times in it.
SCALE = 90_000
_START = re.compile(rb"\x00\x00\x00?\x01")
_IDR = 5
_SLICES = frozenset({1, 2, 3, 4, 5})
_SPS = 7
_PPS = 8
#: Sample flags: a key picture depends on no other; any other depends on some.
_KEY_FLAGS = 0x02000000
_OTHER_FLAGS = 0x01010000


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a decoder has to know beforehand: sequence and picture parameter sets."""

    sps: bytes
    pps: bytes

    @property
    def codec(self) -> str:
        """As browsers are told: RFC 6381."""
        return f"avc1.{self.sps[1:4].hex()}"


def units(data: bytes) -> list[bytes]:
    """NAL units of a piece of a byte stream (H.264, annex B)."""
    return [unit.rstrip(b"\0") for unit in _START.split(data)[1:] if unit.rstrip(b"\0")]


def parameters(found: Sequence[bytes]) -> Parameters | None:
    """The parameter sets among NAL units, if both are there."""
    sps = next((unit for unit in found if unit[0] & 31 == _SPS and len(unit) >= 4), None)
    pps = next((unit for unit in found if unit[0] & 31 == _PPS), None)
    return Parameters(sps, pps) if sps and pps else None


def slices(found: Sequence[bytes]) -> list[bytes]:
    """The NAL units that hold the picture itself."""
    return [unit for unit in found if unit[0] & 31 in _SLICES]


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


#: No turning: 1, 1 and 1 on the diagonal, in fixed point numbers.
_UNITY = bytes.fromhex("00010000" + "00" * 12 + "00010000" + "00" * 12 + "40000000")


def init_segment(known: Parameters, size: tuple[int, int]) -> bytes:
    """What comes before all fragments. ``size``: width and height in pixels."""
    times = struct.pack(">IIIIIH", 0, 0, SCALE, 0, 0x10000, 0x100) + bytes(10)
    movie = _full(b"mvhd", 0, 0, times, _UNITY, bytes(24) + struct.pack(">I", 2))
    sides = struct.pack(">II", size[0] << 16, size[1] << 16)
    times = struct.pack(">IIIII", 0, 0, 1, 0, 0) + bytes(16)
    track = _box(b"trak", _full(b"tkhd", 0, 3, times, _UNITY, sides), _media(known, size))
    extends = _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0)))
    kind = _box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41avc1")
    return kind + _box(b"moov", movie, track, extends)


def _media(known: Parameters, size: tuple[int, int]) -> bytes:
    entry = _box(
        b"avc1",
        bytes(6) + struct.pack(">H", 1) + bytes(16),
        struct.pack(">HHIIIH", *size, 0x480000, 0x480000, 0, 1),
        bytes(32) + struct.pack(">Hh", 24, -1),
        _avcc(known),
    )
    table = _box(
        b"stbl",
        _full(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        _full(b"stts", 0, 0, bytes(4)),
        _full(b"stsc", 0, 0, bytes(4)),
        _full(b"stsz", 0, 0, bytes(8)),
        _full(b"stco", 0, 0, bytes(4)),
    )
    reference = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), _full(b"url ", 0, 1)))
    return _box(
        b"mdia",
        _full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, SCALE, 0, 0x55C4, 0)),
        _full(b"hdlr", 0, 0, bytes(4), b"vide", bytes(12), b"video\0"),
        _box(b"minf", _full(b"vmhd", 0, 1, bytes(8)), reference, table),
    )


def _avcc(known: Parameters) -> bytes:
    sets = struct.pack(">H", len(known.sps)) + known.sps
    pictures = b"\1" + struct.pack(">H", len(known.pps)) + known.pps
    return _box(b"avcC", b"\1" + known.sps[1:4] + b"\xff\xe1", sets, pictures)


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture on its way into a fragment; times in ticks.

    Attributes:
        begins: when it is to be decoded.
        lasts: never 0: some browsers refuse it.
        delay: how much later than that it is shown.
    """

    units: Sequence[bytes]
    key: bool
    begins: int
    lasts: int
    delay: int = 0


def fragment(number: int, sample: Sample) -> bytes:
    """A picture as a fragment of its own; numbers begin with 1 and rise."""
    payload = b"".join(struct.pack(">I", len(unit)) + unit for unit in sample.units)
    flags = _KEY_FLAGS if sample.key else _OTHER_FLAGS

    def run(offset: int) -> bytes:
        fields = struct.pack(
            ">IiIIIi", 1, offset, max(sample.lasts, 1), len(payload), flags, sample.delay
        )
        return _full(b"trun", 1, 0xF01, fields)

    def moof(offset: int) -> bytes:
        track = _box(
            b"traf",
            _full(b"tfhd", 0, 0x020000, struct.pack(">I", 1)),
            _full(b"tfdt", 1, 0, struct.pack(">Q", max(sample.begins, 0))),
            run(offset),
        )
        return _box(b"moof", _full(b"mfhd", 0, 0, struct.pack(">I", number)), track)

    head = moof(len(moof(0)) + 8)
    return head + _box(b"mdat", payload)
