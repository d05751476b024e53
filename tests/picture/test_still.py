"""Pictures as viewers show them: upright, in ordinary colours, whatever file they are in."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from light_support import PATCHES, as_seen, hlg, linear, pq, wide

from pipeline.picture.still import load_image
from pipeline.picture.turn import exif_turn, quarter_turn


def quarters():
    """BGR (40, 60, 3): red and green above, blue and white below."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30, 2], image[:20, 30:, 1], image[20:, :30, 0] = 250, 250, 250
    image[20:, 30:] = 250
    return image


def corners(image):
    rows, columns = (np.array([1, 3]) * side // 4 for side in image.shape[:2])
    return image[rows][:, columns].astype(int)


def exif(orientation):
    field = struct.pack(">HHIHH", 274, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + field + bytes(4)


def chunk(kind, content):
    packed = kind + content
    return struct.pack(">I", len(content)) + packed + struct.pack(">I", zlib.crc32(packed))


def packed(suffix, image):
    return cv2.imencode(suffix, image)[1].tobytes()


def jpg(orientation):
    content, told = packed(".jpg", quarters()), b"Exif\0\0" + exif(orientation)
    other = b"\xff\xe1" + struct.pack(">H", 32) + b"http://ns.adobe.com/xap/1.0/\0\0"
    there = b"\xff\xe1" + struct.pack(">H", len(told) + 2) + told
    return content[:2] + other + there + content[2:]


def png(orientation):
    content = packed(".png", quarters())
    return content[:33] + chunk(b"eXIf", exif(orientation)) + content[33:]


def webp(orientation):
    body, told = packed(".webp", quarters())[12:], exif(orientation)
    told += bytes(len(told) % 2)
    if body[:4] == b"VP8X":
        body = body[:8] + bytes([body[8] | 8]) + body[9:]
    else:
        size = (59).to_bytes(3, "little") + (39).to_bytes(3, "little")
        body = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size + body
    body = b"WEBP" + body + b"EXIF" + struct.pack("<I", len(told)) + told
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tif(orientation):
    tags = [
        *((256, 4, 60), (257, 4, 40), (258, 3, 8), (259, 3, 1), (262, 3, 2), (273, 4, 200)),
        *((274, 3, orientation), (277, 3, 3), (278, 4, 40), (279, 4, 60 * 40 * 3)),
    ]
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + fields + bytes(4)
    return start.ljust(200, b"\0") + quarters()[..., ::-1].tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("make", [jpg, png, webp, tif])
def test_every_orientation_of_every_kind(tmp_path, make, orientation):
    path = tmp_path / f"a.{make.__name__}"
    path.write_bytes(make(orientation))
    found, expected = load_image(path), exif_turn(orientation)(quarters())
    assert found.shape == expected.shape
    assert np.abs(corners(found) - corners(expected)).max() <= 12


def longer(content, kind, by):
    """A box that is longer by some bytes."""
    at = content.index(kind) - 4
    length = struct.unpack_from(">I", content, at)[0]
    return content[:at] + struct.pack(">I", length + by) + content[at + 4 :]


def avif(image, *boxes, options=()):
    """An AVIF picture with more properties."""
    if not cv2.haveImageWriter("a.avif"):
        pytest.skip("this OpenCV has no AVIF")
    content = cv2.imencode(".avif", image, options)[1].tobytes()
    more = b"".join(struct.pack(">I", 8 + len(inner)) + kind + inner for kind, inner in boxes)
    at = content.index(b"ipma") - 4
    content = content[:at] + more + content[at:]
    count = content.index(b"ipma") + 14
    known = content[count]
    numbers = bytes(0x80 | (known + 1 + i) for i in range(len(boxes)))
    end = count + 1 + known
    content = (
        content[:count]
        + bytes([known + len(boxes)])
        + content[count + 1 : end]
        + numbers
        + (content[end:])
    )
    content = longer(content, b"ipma", len(boxes))
    content = longer(content, b"ipco", len(more))
    for kind in (b"iprp", b"meta"):
        content = longer(content, kind, len(more) + len(boxes))
    at = content.index(b"iloc") + 18
    begin = struct.unpack_from(">I", content, at)[0] + len(more) + len(boxes)
    return content[:at] + struct.pack(">I", begin) + content[at + 4 :]


@pytest.mark.parametrize("quarters_left", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_avif_has_boxes_for_it(tmp_path, quarters_left, axis):
    boxes = [(b"irot", bytes([quarters_left]))]
    boxes += [] if axis is None else [(b"imir", bytes([axis]))]
    path = tmp_path / "a.avif"
    path.write_bytes(avif(quarters(), *boxes))
    expected = quarter_turn(-90 * quarters_left % 360, axis == 1, axis == 0)(quarters())
    found = load_image(path)
    assert found.shape == expected.shape
    assert np.abs(corners(found) - corners(expected)).max() <= 12


CURVES = [(hlg, 18), (pq, 16), (wide, 14)]


def patches(curve):
    """BGR (96, 96, 3) as it is packed, 16 pixels a patch; and the patches as they should look."""
    image = as_seen(curve, linear(PATCHES)).repeat(96, axis=0).repeat(16, axis=1)
    return image[..., ::-1], PATCHES[:, ::-1]


@pytest.mark.parametrize(("curve", "code"), CURVES)
def test_high_dynamic_range_of_png(tmp_path, curve, code):
    image, expected = patches(curve)
    content = packed(".png", image)
    path = tmp_path / "a.png"
    path.write_bytes(content[:33] + chunk(b"cICP", bytes([9, code, 0, 1])) + content[33:])
    found = load_image(path)[48, 8::16].astype(int)
    assert np.abs(found - expected).max() <= 8


@pytest.mark.parametrize(("curve", "code"), CURVES)
def test_high_dynamic_range_of_avif(tmp_path, curve, code):
    image, expected = patches(curve)
    content = bytearray(avif(image))
    at = content.index(b"colrnclx") + 8
    struct.pack_into(">HH", content, at, 9, code)  # the matrix stays what it was packed with
    path = tmp_path / "a.avif"
    path.write_bytes(content)
    found = load_image(path)[48, 8::16].astype(int)
    assert np.abs(found - expected).max() <= 25
