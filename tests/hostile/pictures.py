"""Pictures made to do harm, and broken ones: name -> bytes."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

BIG = 0xFFFFFFFF
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    packed = kind + content
    return struct.pack(">I", len(content)) + packed + struct.pack(">I", zlib.crc32(packed))


def png(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 2,
    more: bytes = b"",
    rows: bytes = bytes(99),
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return PNG + header + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")


def whole_png(width: int, height: int) -> bytes:
    """One bit a pixel, all of them there: 110 kB for 30,000 x 30,000."""
    pack = zlib.compressobj(9)
    rows = [pack.compress(bytes(1 + width // 8)) for _ in range(height)]
    content = b"".join(rows) + pack.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return PNG + header + chunk(b"IDAT", content) + chunk(b"IEND")


def encoded(suffix: str, width: int = 32, height: int = 24, *options: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(suffix, noise, options)[1].tobytes()


def sof(width: int, height: int) -> bytes:
    parts = b"\x01\x11\0\x02\x11\0\x03\x11\0"
    return b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + parts


def jpeg(*parts: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last pass is there many times."""
    flat = np.zeros((2000, 2000, 3), np.uint8)
    content = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * count + content[-2:]


def riff(kind: bytes, content: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width: int, height: int, bits: int = 24, packing: int = 0) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 999, 0, 0, 54) + header + b"\0" * 99


def tiff(tags: dict[int, int], order: str = "<", at: int = 8, count: int | None = None) -> bytes:
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    number = len(tags) if count is None else count
    fields = [struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items()]
    return start + struct.pack(order + "H", number) + b"".join(fields) + b"\0" * 64


def plain(width: int, height: int, **more: int) -> dict[int, int]:
    """Tags of a grey TIFF."""
    first = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 278: height}
    return first | {279: 64} | {int(name[1:]): value for name, value in more.items()}


def two_sized(kind: int = 4) -> bytes:
    """A large TIFF that claims to be small as well, its first size of another type."""
    content = tiff(plain(9, 9, t1256=9, t1257=9))
    for tag in (256, 257):
        large = struct.pack("<HHII", tag, 4, 1, 9)
        content = content.replace(large, struct.pack("<HHII", tag, kind, 1, 60_000))
        small = struct.pack("<HHII", 1000 + tag, 4, 1, 9)
        content = content.replace(small, struct.pack("<HHII", tag, 4, 1, 9))
    return content


def box(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I", 8 + len(content) if length is None else length) + kind + content


def avif(width: int, height: int) -> bytes:
    ispe = box(b"ispe", struct.pack(">III", 0, width, height))
    meta = box(b"meta", b"\0" * 4 + box(b"iprp", box(b"ipco", ispe)))
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + meta


#: All of these are to be refused.
BAD = {
    "png-bomb": whole_png(30_000, 30_000),
    "png-huge": png(2**31 - 1, 2**31 - 1),
    "png-deep": png(12_000, 12_000, 16, 6),
    "png-one-row": png(2**31 - 1, 1),
    "png-no-width": png(0, 9),
    "png-cut": png(9, 9)[:20],
    "png-no-header": PNG + chunk(b"IDAT", b"x") + chunk(b"IEND"),
    "png-only-signature": PNG,
    "png-odd-depth": png(9, 9, 7),
    "png-odd-colour": png(9, 9, 8, 5),
    "png-huge-part": png(9, 9).replace(b"\0\0\0\x0cIDAT", b"\x7f\xff\xff\xffIDAT"),
    "png-wrong-sum": png(9, 9).replace(b"IHDR\0\0\0\x09", b"IHDR\0\0\0\x08"),
    "jpeg-huge": jpeg(sof(65535, 65535)),
    "jpeg-huge-behind": jpeg(b"\xff\xe1\xff\xff" + b"x" * 65533, sof(60000, 60000)),
    "jpeg-huge-after-rubbish": jpeg(b"rubbish" * 3000 + b"\xff" * 5000, sof(60000, 60000)[1:]),
    "jpeg-many-scans": many_scans(20_000),
    "jpeg-no-size": jpeg(),
    "jpeg-only-start": b"\xff\xd8\xff",
    "jpeg-filled": b"\xff\xd8" + b"\xff" * 3_000_000,
    "jpeg-no-height": jpeg(sof(99, 0)),
    "jpeg-no-tables": jpeg(sof(99, 99), b"\xff\xda\0\x08\x01\x01\0\0\x3f\0abc"),
    "jpeg-short-part": jpeg(b"\xff\xe1\0\0", b"\xff\xdb\0\x01"),
    "webp-canvas": riff(b"VP8X", b"\x10\0\0\0" + b"\xff" * 6),
    "webp-lossless": riff(b"VP8L", b"\x2f" + b"\xff" * 9),
    "webp-lossy": riff(b"VP8 ", b"\x30\x01\0\x9d\x01\x2a\xff\x3f\xff\x3f" + b"\0" * 20),
    "webp-odd-kind": riff(b"VPXX", b"\0" * 30),
    "webp-endless": riff(b"VP8X", b"\x18" + b"\0" * 9) + b"EXIF\xff\xff\xff\xff",
    "webp-cut": encoded(".webp")[:28],
    "gif-huge": b"GIF89a\xff\xff\xff\xff\0\0\0;",
    "gif-empty": b"GIF89a\x09\0\x09\0\0\0\0;",
    "bmp-huge": bmp(2**31 - 1, 2**31 - 1),
    "bmp-upside-down": bmp(30_000, -30_000),
    "bmp-least": bmp(-(2**31), -(2**31)),
    "bmp-nothing": bmp(0, 0),
    "bmp-packed-bomb": bmp(60_000, 60_000, 8, 1),
    "bmp-cut": b"BM\0\0",
    "tiff-huge": tiff(plain(60_000, 60_000)),
    "tiff-huge-big-endian": tiff(plain(60_000, 60_000), ">"),
    "tiff-large-tile": tiff(plain(16, 16, t322=16_000, t323=16_000, t324=200, t325=64)),
    "tiff-two-sizes": two_sized(),
    "tiff-two-sizes-signed": two_sized(9),
    "tiff-beyond": tiff({}, at=BIG),
    "tiff-in-itself": tiff({}, at=4),
    "tiff-no-size": tiff({259: 1}),
    "tiff-many-tags": tiff(plain(9, 9), count=65535)[:50],
    "tiff-many-samples": tiff(plain(9, 9, t277=65535)),
    "tiff-64-bit": b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + b"\x01" * 99,
    "ppm-huge": b"P6 60000 60000 255\n" + b"x" * 99,
    "ppm-digits": b"P6 " + b"9" * 5000 + b" 9 255\n",
    "ppm-no-size": b"P6\n#" + b"x" * 100_000,
    "ppm-text": b"P3 40000 40000 255 1 2 3",
    "pam-huge": b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 4\nMAXVAL 255\nENDHDR\n",
    "pam-no-size": b"P7\nENDHDR\n",
    "avif-huge": avif(60_000, 60_000),
    "avif-empty": avif(9, 9),
    "avif-no-length": box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", b"", 0),
    "avif-back": box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", struct.pack(">Q", 2**64 - 24), 1),
    "heic": box(b"ftyp", b"heic\0\0\0\0mif1heic") + b"\0" * 99,
    "empty": b"",
    "one-byte": b"\xff",
    "zeros": b"\0" * 5000,
    "text": b"no picture at all\n",
    "page": b"<!DOCTYPE html><html>404</html>",
    "archive": b"PK\x03\x04" + b"\0" * 99,
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "jpeg-2000": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 99,
    "radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n",
    "sun": struct.pack(">8I", 0x59A66A95, 60_000, 60_000, 24, 0, 1, 0, 0),
    "float-map": b"PF\n60000 60000\n-1.0\n",
    "recording": box(b"ftyp", b"isom\0\0\x02\0isomiso2mp41") + b"\0" * 99,
}

TEXT = zlib.compress(b"x" * 60_000_000)
#: Odd, and still pictures: whatever comes of them has its limits.
ODD = {
    "png-text-bomb": png(9, 9, more=chunk(b"zTXt", b"a\0\0" + TEXT)),
    "png-profile-bomb": png(9, 9, more=chunk(b"iCCP", b"a\0\0" + TEXT)),
    "png-many-parts": png(9, 9, more=chunk(b"teSt") * 200_000),
    "png-long-part": png(9, 9, more=struct.pack(">I", BIG) + b"teSt"),
    "png-exif-loop": png(9, 9, 8, 6, chunk(b"eXIf", b"MM\0*\0\0\0\0")),
    "png-odd-turn": png(9, 9, 8, 6, chunk(b"eXIf", tiff({274: 99}))),
    "png-palette-gone": png(9, 9, 8, 3),
    "jpeg-cut": encoded(".jpg", 640, 480)[:9000],
    "jpeg-grey-after": encoded(".jpg") + b"\0" * 100_000,
    "jpeg-twice": encoded(".jpg") * 2,
    "webp-after": encoded(".webp") + b"\xff" * 99,
    "gif-cut": encoded(".gif")[:-40],
    "tiff-cut": encoded(".tiff")[:-40],
    "ppm-cut": b"P6 99 99 255\n" + b"x" * 99,
    "one-pixel": encoded(".png", 1, 1),
    "line": encoded(".png", 60_000, 1),
}
