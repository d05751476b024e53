"""Marks from files nobody has checked."""

from __future__ import annotations

import base64
import os
import struct
import time
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest

from pipeline.tagging.logos.exemplars import views
from pipeline.tagging.logos.marks import SIDE, MarkError, doubtful, read_mark

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


SHAPE = '<path d="M2 2L14 2L18 10L10 18Z" {}/></svg>'
GRADIENT = '<linearGradient id="g"><stop stop-color="#c00"/><stop offset="1"/></linearGradient>'


@pytest.mark.parametrize(
    "text",
    [
        HEAD + 'viewBox="0 0 20 20">' + SHAPE.format('fill="currentColor"'),
        HEAD + 'viewBox="0 0 20 20"><style>.a{fill:#c00}</style>' + SHAPE.format('class="a"'),
        HEAD + f'viewBox="0 0 20 20">{GRADIENT}' + SHAPE.format("""fill="url('#g')\""""),
        HEAD + f'viewBox="0 0 20 20">{GRADIENT}' + SHAPE.format('style="fill:url(&quot;#g&quot;)"'),
        HEAD + f'viewBox="0 0 20 20">{GRADIENT}<style>.a{{fill:url("#g")}}</style>'
        + SHAPE.format('class="a"'),
        HEAD + 'width="5mm" height="5mm">' + SHAPE.format(""),
        HEAD + 'width="2in" height="2in" viewBox="0 0 20 20">' + SHAPE.format(""),
        HEAD + 'width="20" height="20">' + SHAPE.format(""),
        HEAD[:-1] + ">" + SHAPE.format(""),
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">' + HEAD + 'viewBox="0 0 20 20">'
        + SHAPE.format(""),
        '<!DOCTYPE svg [<!ENTITY of_svg "http://www.w3.org/2000/svg">]>'
        + '<svg xmlns="&of_svg;" viewBox="0 0 20 20">' + SHAPE.format(""),
        HEAD + 'viewBox="0 0 20 20"><metadata><x/></metadata><filter id="f"/>'
        + SHAPE.format('filter="url(#f)"'),
        HEAD + 'viewBox="0 0 20 20">' + SHAPE.format('fill="#fff"'),
        HEAD + 'viewBox="0 0 20 20"><clipPath id="c"><circle cx="9" cy="9" r="9"/></clipPath>'
        + SHAPE.format('clip-path="url(#c)"'),
    ],
    ids=[
        "currentColor", "class", "url in quotes", "url in entities", "url in a style", "mm", "in",
        "pixels", "no size", "doctype", "names as entities", "filter", "white", "clip path",
    ],
)  # fmt: skip
def test_svgs_as_programs_write_them_are_drawn(tmp_path, text):
    mark = read_mark(svg(tmp_path, text))
    assert max(mark.shape) == SIDE
    assert 0.3 < (mark[..., 3] > 127).mean() < 0.8


def nested(levels, body):
    """An SVG in an SVG in an SVG."""
    for _ in range(levels):
        packed = base64.b64encode(body.encode()).decode()
        image = f'<image width="9" height="9" xlink:href="data:image/svg+xml;base64,{packed}"/>'
        body = HEAD + f'viewBox="0 0 9 9">{image * 3}</svg>'
    return body


def doubled(count, link):
    """Groups of which each holds the one before twice."""
    return "".join(
        f'<g id="a{i}">{link.format(i - 1)}{link.format(i - 1)}</g>' for i in range(1, count)
    )


PATTERNS = "".join(
    f'<pattern id="p{i}" width=".01" height=".01"><rect fill="url(#p{i + 1})" width="9" '
    'height="9"/></pattern>' for i in range(40)
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        nested(4, DISC),
        HEAD + 'viewBox="0 0 9 9"><g id="a0"/>' + doubled(11, '<use href="#a{}"/>') + "</svg>",
        HEAD + 'viewBox="0 0 9 9"><g id="a"><use href="#a"/><use href="#a"/></g></svg>',
        HEAD + 'viewBox="0 0 9 9"><mask id="m" mask="url(#m)"/><rect mask="url(#m)"/></svg>',
        HEAD + 'viewBox="0 0 9 9">' + "<g>" * 3000 + "</g>" * 3000 + "</svg>",
        HEAD + f'viewBox="0 0 9 9">{PATTERNS}<rect width="9" height="9" fill="url(#p0)"/></svg>',
        HEAD + 'viewBox="0 0 9 9"><path d="M0 0H9" stroke="red" stroke-dasharray="1e-7"/></svg>',
        HEAD + 'viewBox="0 0 1e30 1e30"><circle r="1e29"/></svg>',
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + DISC,
    ],
    ids=[
        "nested images", "use", "use of itself", "mask of itself", "depth", "patterns", "dashes",
        "huge", "entities",
    ],
)  # fmt: skip
def test_bombs_end_soon(tmp_path, text):
    before = time.process_time() + sum(os.times()[2:4])
    with suppress(MarkError):
        read_mark(svg(tmp_path, text))
    assert time.process_time() + sum(os.times()[2:4]) - before < 8


def test_text_that_no_font_here_draws_is_not_dropped_silently(tmp_path, monkeypatch):
    text = HEAD + 'viewBox="0 0 60 20"><text y="16" font-size="16">Acme</text>'
    text += '<circle cx="50" cy="9" r="6"/></svg>'
    monkeypatch.setattr("pipeline.tagging.logos.svg_apart.FONTS", False)
    with pytest.raises(MarkError, match="convert text to paths"):
        read_mark(svg(tmp_path, text))


@pytest.mark.parametrize(
    ("family", "told"),
    [
        ("No Such Font", True),
        ("No Such Font, sans-serif", True),
        ("sans-serif", False),
        (None, False),
    ],
)
def test_text_in_a_font_that_is_not_here_is_doubtful(tmp_path, family, told):
    named = "" if family is None else f' font-family="{family}"'
    text = HEAD + f'viewBox="0 0 60 20"><text y="16" font-size="16"{named}>Acme</text></svg>'
    try:
        read_mark(path := svg(tmp_path, text))
    except MarkError:
        pytest.skip("no font on this machine")
    assert ("another font" in doubtful(path)) == told


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


@pytest.mark.parametrize("ground", [(255, 255, 255), (10, 40, 90)])
def test_a_ground_of_one_colour_is_taken_away(tmp_path, ground):
    """A ring, its hole included; in a mark of several colours, what is enclosed belongs to it."""
    picture = np.full((120, 160, 3), ground, np.uint8)
    cv2.circle(picture, (80, 60), 40, (0, 0, 200), 16)
    path = tmp_path / "mark.png"
    cv2.imwrite(str(path), picture)
    ring = read_mark(path)
    assert ring.shape[:2] == (97, 97)
    assert ring[48, 48, 3] == 0
    assert ring[0, 0, 3] == 0
    assert tuple(ring[48, 8]) == (200, 0, 0, 255)
    cv2.circle(picture, (80, 100), 12, (0, 220, 220), -1)
    cv2.imwrite(str(path), picture)
    several = read_mark(path)
    assert several[48, 48, 3] == 255
    assert several[0, 0, 3] == 0


def test_a_photo_of_a_mark_keeps_its_ground(tmp_path):
    picture = np.random.default_rng(0).integers(60, 120, (80, 80, 3), dtype=np.uint8)
    cv2.circle(picture, (40, 40), 20, (250, 250, 250), -1)
    path = tmp_path / "mark.png"
    cv2.imwrite(str(path), picture)
    assert (read_mark(path)[..., 3] == 255).all()


def test_a_large_picture_is_made_smaller(tmp_path):
    picture = np.random.default_rng(0).integers(0, 90, (900, 1200, 3), dtype=np.uint8)
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
