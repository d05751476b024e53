"""What a picture file says about itself, read before a single pixel is unpacked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from pipeline.picture.light import Light, light_of
from pipeline.picture.turn import UPRIGHT, Turn, exif_turn, quarter_turn

#: Bytes at a place in a file; fewer where it ends.
Read = Callable[[int, int], bytes]

#: Parts of one file that are looked at before it is given up.
_MOST_PARTS = 100_000
_MOST_TAGS = 4096
#: TIFF and EXIF tags, and the sizes of their types in bytes.
_WIDTH = 256
_HEIGHT = 257
_TURN = 274
_TILE_WIDTH = 322
_TILE_HEIGHT = 323
_SAMPLES = 277
_COLOURS = 262
_CMYK = 5
_SIZES: Mapping[int, int] = MappingProxyType({1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 16: 8, 17: 8})
_HEIC = re.compile(rb"hei[cxms]|hev[cxms]|mif[12]|msf1")
_AVIF = re.compile(rb"avi[fs]")


@dataclass(frozen=True, slots=True)
class Header:
    """What a file declares.

    Attributes:
        kind: ``PNG``, ``JPEG``, ...
        width: in pixels, as stored.
        height: in pixels, as stored.
        alpha: the picture may be transparent.
        turn: what brings it upright once it is unpacked.
        passes: how often the whole picture is gone through to unpack it.
        light: how its numbers stand for light.
    """

    kind: str
    width: int = 0
    height: int = 0
    alpha: bool = False
    turn: Turn = UPRIGHT
    passes: int = 1
    light: Light = "sdr"


def read_header(file: BinaryIO) -> Header | None:
    """The header of an open file; ``None`` if it is of no kind that is known, or cut short."""

    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    start = read(0, 16)
    for begins, parse in _KINDS:
        if begins.match(start):
            try:
                return parse(read)
            except (LookupError, ValueError, OverflowError):  # places no file reaches
                return None
    return None


def _png(read: Read) -> Header | None:
    start = read(0, 33)
    if start[12:16] != b"IHDR" or len(start) < 33:
        return None
    alpha, turn, light, at = start[25] in (4, 6), UPRIGHT, light_of(0, 0), 8
    for _ in range(_MOST_PARTS):
        part = read(at, 8)
        if len(part) < 8 or part[4:] == b"IEND":
            break
        alpha |= part[4:] == b"tRNS"
        if part[4:] == b"eXIf":
            turn = _turn(read, at + 8)
        if part[4:] == b"cICP":
            light = light_of(*read(at + 8, 2))
        length = _big(part[:4])
        if length and not read(at + 7 + length, 1):  # decoders make room for all that is declared
            return None
        at += 12 + length
    return Header("PNG", _big(start[16:20]), _big(start[20:24]), alpha, turn, light=light)


def _jpeg(read: Read) -> Header | None:
    """From marker to marker, over whatever stands between, as decoders do."""
    at, size, scans, turn = 2, None, 0, None
    for _ in range(_MOST_PARTS):
        block = read(at, 4096)
        gap = re.search(rb"\xff[^\x00\xff\xd0-\xd7]", block, re.DOTALL)
        if gap is None:
            if len(block) < 4096:
                break
            at += 4095
            continue
        at += gap.end()
        kind = block[gap.end() - 1]
        if kind in (0xD8, 0xD9, 0x01):
            continue
        part = read(at, 7)
        if size is None and 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            size = _big(part[5:7]), _big(part[3:5])
        scans += kind == 0xDA
        if turn is None and kind == 0xE1 and part[2:6] == b"Exif":
            turn = _turn(read, at + 2)
        at += _big(part[:2])
    if size is None:
        return None
    return Header("JPEG", *size, turn=turn or UPRIGHT, passes=max(scans, 1))


def _webp(read: Read) -> Header | None:
    start = read(0, 30)
    form, body = start[12:16], start[20:]
    if form == b"VP8 ":
        return Header("WebP", _little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF)
    if form == b"VP8L":
        bits = _little(body[1:5])
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        return Header("WebP", width, height, bool(bits >> 28 & 1))
    if form != b"VP8X":
        return None
    turn, at = UPRIGHT, 12
    for _ in range(_MOST_PARTS):
        part = read(at, 8)
        if len(part) < 8:
            break
        if part[:4] == b"EXIF":
            turn = _turn(read, at + 8)
        at += 8 + _little(part[4:]) + _little(part[4:]) % 2
    width, height = _little(body[4:7]) + 1, _little(body[7:10]) + 1
    return Header("WebP", width, height, bool(body[0] & 0x10), turn)


def _gif(read: Read) -> Header:
    start = read(0, 10)
    return Header("GIF", _little(start[6:8]), _little(start[8:10]), alpha=True)


def _bmp(read: Read) -> Header:
    start = read(0, 30)
    if _little(start[14:18]) == 12:
        return Header("BMP", _little(start[18:20]), _little(start[20:22]))
    width, height = (int.from_bytes(start[at : at + 4], "little", signed=True) for at in (18, 22))
    return Header("BMP", abs(width), abs(height), alpha=start[28] == 32)


def _tiff(read: Read) -> Header:
    """A tile may be larger than the picture: it is unpacked whole. Where a side stands twice, the
    longer one counts: decoders take the first, or not.
    OpenCV unpacks it upright."""
    found = list(_tags(read, 0))
    tags = dict(reversed(found))
    width = max(value for tag, value in found if tag in (_WIDTH, _TILE_WIDTH))
    height = max(value for tag, value in found if tag in (_HEIGHT, _TILE_HEIGHT))
    alpha = tags.get(_SAMPLES, 1) in (2, 4) and tags.get(_COLOURS) != _CMYK
    return Header("TIFF", width, height, alpha)


def _pnm(read: Read) -> Header | None:
    start = re.sub(rb"#[^\n]*\n", b"\n", read(0, 65536))
    if start.startswith(b"P7"):
        sides = dict(re.findall(rb"(WIDTH|HEIGHT)\s+(\d{1,12})", start.split(b"ENDHDR")[0]))
        width, height = sides.get(b"WIDTH", b"0"), sides.get(b"HEIGHT", b"0")
        return Header("PAM", int(width), int(height), alpha=True)
    found = re.match(rb"P[1-6]\s+(\d{1,12})\s+(\d{1,12})\s", start)
    return Header("PNM", int(found[1]), int(found[2])) if found else None


def _iso(read: Read) -> Header | None:
    """AVIF and HEIC: boxes in boxes; the largest picture declared counts."""
    kinds = read(8, min(_big(read(0, 4)), 256) - 8)
    brands = [kinds[at : at + 4] for at in range(0, len(kinds), 4)]
    if not any(_AVIF.fullmatch(brand) for brand in brands):
        return Header("HEIC") if any(_HEIC.fullmatch(brand) for brand in brands) else None
    at, end = 0, 1 << 62
    for name, skipped in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        inner = ((b + skipped, e) for kind, b, e in _boxes(read, at, end) if kind == name)
        at, end = next(inner, (0, 0))
    sides, alpha = [(0, 0)], False
    quarters, exchanged, light = 0, 0, light_of(0, 0)
    for kind, begin, _ in _boxes(read, at, end):
        alpha |= kind == b"auxC"
        if kind == b"ispe":
            sides.append((_big(read(begin + 4, 4)), _big(read(begin + 8, 4))))
        elif kind == b"irot":
            quarters = _big(read(begin, 1)) & 3
        elif kind == b"imir":
            exchanged = 1 + (_big(read(begin, 1)) & 1)  # above and below, or left and right
        elif kind == b"colr" and read(begin, 4) == b"nclx":
            light = light_of(_big(read(begin + 4, 2)), _big(read(begin + 6, 2)))
    width, height = max(sides, key=lambda side: side[0] * side[1])
    turn = quarter_turn(-90 * quarters % 360, exchanged == 2, exchanged == 1)
    return Header("AVIF", width, height, alpha, turn, light=light)


def _boxes(read: Read, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of every box that begins between two places."""
    for _ in range(_MOST_PARTS):
        head = read(at, 16)
        if at >= end or len(head) < 8:
            return
        length, begin = _big(head[:4]), at + 8
        if length == 1:
            length, begin = _big(head[8:16]), at + 16
        after = at + length if length else end
        if after <= at:
            return
        yield head[4:8], begin, after
        at = after


def _turn(read: Read, at: int) -> Turn:
    """Orientation in EXIF data; upright if they tell none."""
    at += 6 if read(at, 6) == b"Exif\0\0" else 0
    try:
        return exif_turn(dict(_tags(read, at)).get(_TURN, 1))
    except (LookupError, ValueError, OverflowError):
        return UPRIGHT


def _tags(read: Read, base: int) -> Iterator[tuple[int, int]]:
    """The first directory of TIFF data at ``base``: tags that are numbers, the first of each."""
    start = read(base, 16)
    order = _little if start[:2] == b"II" else _big
    large = order(start[2:4]) == 43
    wide, counted = (8, 8) if large else (4, 2)
    at = base + order(start[8:16] if large else start[4:8])
    for i in range(min(order(read(at, counted)), _MOST_TAGS)):
        field = read(at + counted + i * (4 + 2 * wide), 4 + 2 * wide)
        size, value = _SIZES.get(order(field[2:4]), 0), field[4 + wide :]
        if size * order(field[4 : 4 + wide]) > wide:  # they stand elsewhere
            value = read(base + order(value), size)
        if size:
            yield order(field[:2]), order(value[:size])


def _big(content: bytes) -> int:
    return int.from_bytes(content, "big")


def _little(content: bytes) -> int:
    return int.from_bytes(content, "little")


#: How a file begins -> what reads its header.
_KINDS: tuple[tuple[re.Pattern[bytes], Callable[[Read], Header | None]], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), _png),
    (re.compile(rb"\xff\xd8\xff"), _jpeg),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), _webp),
    (re.compile(rb"GIF8[79]a"), _gif),
    (re.compile(rb"BM"), _bmp),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), _tiff),
    (re.compile(rb"P[1-7]\s"), _pnm),
    (re.compile(rb"....ftyp", re.DOTALL), _iso),
)
