"""Marks from files nobody has checked."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from pipeline.tagging.logos.exemplars import views
from pipeline.tagging.logos.marks import SIDE, MarkError, read_mark

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
DISC = HEAD + 'viewBox="0 0 24 24"><circle cx="12" cy="9" r="6" fill="#d00000"/></svg>'


def svg(tmp_path, text):
    path = tmp_path / "mark.svg"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_svg_is_cut_to_what_it_draws(tmp_path):
    mark = read_mark(svg(tmp_path, DISC))
    assert mark.shape == (SIDE, SIDE, 4)
    assert tuple(mark[SIDE // 2, SIDE // 2]) == (208, 0, 0, 255)
    assert mark[0, 0, 3] == 0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("<svg", "drawn"),
        ("nothing", "drawn"),
        (HEAD + 'viewBox="0 0 4 4"></svg>', "nothing is drawn"),
        (HEAD + 'viewBox="0 0 4 4"><rect width="4" height="4"/></svg>', "one colour"),
        (f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>{DISC}', "plain SVG"),
        (DISC.replace("<circle", "<script>alert(1)</script><circle"), "script"),
        (DISC.replace("<circle", '<image href="http://h.invalid/x.png"/><circle'), "href"),
        (DISC.replace("<circle", '<use xlink:href="other.svg#a"/><circle'), "href"),
        (DISC.replace("<circle", "<style>@import url(x.css)</style><circle"), "@import"),
        (DISC.replace("#d00000", "url(http://h.invalid/p)"), "url"),
        (DISC.replace("<circle", '<use href="#a"/>' * 30 + "<circle"), "too many"),
        (DISC.replace("<circle", "<g/>" * 30_000 + "<circle"), "too many"),
    ],
)  # fmt: skip
def test_svgs_that_are_broken_or_more_than_pictures_are_refused(tmp_path, text, word):
    with pytest.raises(MarkError, match=word) as caught:
        read_mark(svg(tmp_path, text))
    assert "mark.svg" in str(caught.value)


def test_references_that_multiply_themselves_end_soon(tmp_path):
    layers = "".join(
        f'<g id="a{i}">' + f'<use href="#a{i - 1}"/>' * 3 + "</g>" for i in range(1, 8)
    )
    text = f'{HEAD}viewBox="0 0 4 4"><defs><rect id="a0" width="1" height="1"/>{layers}</defs>'
    text += '<use href="#a7"/><circle cx="3" cy="3" r="1"/></svg>'
    assert read_mark(svg(tmp_path, text)).shape[2] == 4


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_pictures_of_every_kind_are_read(tmp_path, channels, depth):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, np.iinfo(depth).max, (40, 30, channels), dtype=depth)
    path = tmp_path / "mark.png"
    cv2.imwrite(str(path), picture)
    mark = read_mark(path)
    assert mark.dtype == np.uint8
    assert mark.shape[0] <= 40
    assert mark.shape[2] == 4


def test_a_large_picture_is_made_smaller(tmp_path):
    picture = np.zeros((900, 1200, 3), np.uint8)
    cv2.circle(picture, (600, 450), 200, (255, 255, 255), -1)
    path = tmp_path / "mark.jpg"
    cv2.imwrite(str(path), picture)
    assert read_mark(path).shape == (round(SIDE * 0.75), SIDE, 4)


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def jpeg_header(width, height):
    app = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF" + bytes(10)
    return (
        b"\xff\xd8" + app + b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    )


@pytest.mark.parametrize("header", [png_header, jpeg_header])
def test_a_picture_that_would_unpack_to_gigabytes_is_not_unpacked(tmp_path, header):
    path = tmp_path / "bomb.png"
    path.write_bytes(header(30_000, 30_000) + bytes(100))
    with pytest.raises(MarkError, match="30000 x 30000 pixels are too many"):
        read_mark(path)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [("a.png", b"", "empty"), ("a.png", b"\x89PNG rubbish", "read"), ("a.jpg", b"x" * 99, "read"),
     ("a.gif", b"GIF89a" + bytes(99), "read"), ("a.jpg", b"\xff\xd8" + b"\xff" * 99, "read"),
     ("a.svg", b"\xff\xfe\x00<svg", "UTF-8")],
)  # fmt: skip
def test_rubbish_is_refused_with_its_name(tmp_path, name, content, word):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MarkError, match=word) as caught:
        read_mark(path)
    assert name in str(caught.value)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(MarkError, match="No such file"):
        read_mark(tmp_path / "none.svg")
    with pytest.raises(MarkError, match="directory"):
        read_mark(tmp_path)


def test_a_file_larger_than_any_mark_is_not_read(tmp_path):
    path = tmp_path / "huge.svg"
    path.write_bytes(b" " * 8_000_001)
    with pytest.raises(MarkError, match="larger than"):
        read_mark(path)


def test_in_one_colour_the_parts_of_a_mark_can_still_be_told_apart(tmp_path):
    """A light letter on a dark disc is no dark disc; a mark of one colour is black, or white."""
    letter = DISC.replace("</svg>", '<rect x="11" y="6" width="2" height="6" fill="#fff"/></svg>')
    _, _, black, white = views(read_mark(svg(tmp_path, letter)), 96)
    assert black[48, 30].max() < 40
    assert black[48, 48].min() > 200
    assert white[48, 30].max() < 140
    assert white[48, 48].min() > 200
    _, _, black, white = views(read_mark(svg(tmp_path, DISC)), 96)
    assert black[48, 48].max() < 10
    assert white[48, 48].min() > 245


def test_a_white_mark_is_black_on_white(tmp_path):
    _, _, black, white = views(read_mark(svg(tmp_path, DISC.replace("#d00000", "#fff"))), 96)
    assert black[48, 48].max() == 0
    assert white[48, 48].min() == 255
