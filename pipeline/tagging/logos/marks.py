"""Pictures of brand marks, from files nobody has checked: SVG, PNG, JPEG.

SVG is drawn by resvg, which runs no script and fetches nothing. A file whose text openly asks for
either, or for other files, is refused all the same: it would not look as its maker meant.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.header import read_header

#: RGBA picture (H, W, 4) uint8, colours not multiplied by coverage.
Rgba = npt.NDArray[np.uint8]

#: Largest file that is read, in bytes, and largest picture, in pixels.
MOST_BYTES = 8_000_000
MOST_PIXELS = 40_000_000
#: The same, times how often the picture is gone through to unpack it (progressive JPEG).
MOST_WORK = 16 * MOST_PIXELS
#: Longest side in pixels at which a mark is kept.
SIDE = 192
#: Most elements of an SVG.
MOST_ELEMENTS = 20_000
#: Most ``<use>`` among them: this many, nested, expand to about 7,000 copies.
MOST_USES = 24
#: Coverage under which a pixel counts as empty.
_EMPTY = 8
_ACTIVE = re.compile(r"<!DOCTYPE|<!ENTITY|<\?xml-stylesheet|<script|<foreignObject|@import", re.I)
_OUTSIDE = re.compile(r"""(?:href\s*=\s*["']\s*(?!#|data:image/)|url\(\s*["']?(?!#|data:image/))""")
_USE = re.compile(r"<(?:\w+:)?use\b")


class MarkError(ValueError):
    """A file is no usable picture of a mark; says what, where and the remedy."""


def read_mark(path: Path) -> Rgba:
    """The mark in a file, cut to what is drawn, its longest side at most ``SIDE`` pixels.

    A picture without transparency is taken as it is: a photo of the mark, cut out by hand.

    Raises:
        MarkError: the file is missing, too large, broken, empty, or not only a picture.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MarkError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB; export it smaller")
        content = path.read_bytes()
    except OSError as error:
        raise MarkError(f"{path}: {error.strerror or error}") from None
    if not content:
        raise MarkError(f"{path}: an empty file")
    try:
        mark = _drawn(content) if path.suffix.lower() == ".svg" else _decoded(content)
        return _cut(mark)
    except MarkError as error:
        raise MarkError(f"{path}: {error}") from None


def _drawn(content: bytes) -> Rgba:
    import resvg_py

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MarkError("no UTF-8 text; save it as plain SVG") from None
    found = _ACTIVE.search(text) or _OUTSIDE.search(text)
    if found:
        raise MarkError(
            f"holds {found.group().strip()!r}: scripts, entities and other files are not followed; "
            "save it as plain SVG"
        )
    if len(_USE.findall(text)) > MOST_USES or text.count("<") > MOST_ELEMENTS:
        raise MarkError("too many elements; simplify it")
    try:
        packed = resvg_py.svg_to_bytes(
            svg_string=text, width=2 * SIDE, height=2 * SIDE, skip_system_fonts="<text" not in text
        )
    except ValueError as error:
        raise MarkError(f"cannot be drawn: {error}") from None
    return _decoded(bytes(packed))


def _decoded(content: bytes) -> Rgba:
    header = read_header(io.BytesIO(content))
    picture = None
    if header is not None and header.kind in ("PNG", "JPEG"):
        pixels = header.width * header.height
        if pixels > MOST_PIXELS or pixels * header.passes > MOST_WORK:
            raise MarkError(
                f"{header.width} x {header.height} pixels are too many; export it smaller"
            )
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise MarkError("no picture that can be read; use SVG, PNG or JPEG")
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    if picture.dtype != np.uint8:
        raise MarkError("no picture of 8 or 16 bits a channel; export it as PNG")
    codes = {2: cv2.COLOR_GRAY2RGBA, 3: cv2.COLOR_BGR2RGBA, 4: cv2.COLOR_BGRA2RGBA}
    channels = 2 if picture.ndim == 2 else picture.shape[2]
    if channels not in codes:
        raise MarkError("neither grey nor colour; export it as PNG")
    return np.asarray(cv2.cvtColor(picture, codes[channels]), np.uint8)


def _cut(mark: Rgba) -> Rgba:
    ys, xs = np.nonzero(mark[..., 3] > _EMPTY)
    if len(xs) == 0:
        raise MarkError("nothing is drawn in it")
    mark = mark[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    opaque = mark[mark[..., 3] > _EMPTY][:, :3]
    if bool((mark[..., 3] > 247).all()) and int(np.ptp(opaque, axis=0).max()) < _EMPTY:
        raise MarkError("one colour all over; nothing could be recognised by it")
    scale = SIDE / max(mark.shape[:2])
    if scale < 1:
        size = (max(round(mark.shape[1] * scale), 1), max(round(mark.shape[0] * scale), 1))
        mark = np.asarray(cv2.resize(mark, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(mark)
