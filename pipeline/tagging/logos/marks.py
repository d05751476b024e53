"""Pictures of brand marks, from files nobody has checked: SVG, PNG, JPEG."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.header import read_header
from pipeline.tagging.logos.svg import drawn, letters_of
from pipeline.tagging.logos.svg_apart import SvgError, in_another_font

#: RGBA picture (H, W, 4) uint8, colours not multiplied by coverage.
Rgba = npt.NDArray[np.uint8]

#: Largest file that is read, in bytes, and largest picture, in pixels.
MOST_BYTES = 8_000_000
MOST_PIXELS = 40_000_000
#: The same, times how often the picture is gone through to unpack it (progressive JPEG).
MOST_WORK = 16 * MOST_PIXELS
#: Longest side in pixels at which a mark is kept.
SIDE = 192
#: Coverage under which a pixel counts as empty.
_EMPTY = 8
#: Difference, of 255, up to which a ground is of one colour, and from which something is on it.
_EVEN = 12
_CLEAR = 40
#: Share of the border that must be of the ground's colour; and of a drawing cut to its edge, whose
#: ground has nearly no noise: a mean difference, of 255.
_SURE = 0.97
_CUT = 0.5
_NOISE = 1.0


class MarkError(ValueError):
    """A file is no usable picture of a mark; says what, where and the remedy."""


def read_mark(path: Path) -> Rgba:
    """The mark in a file, cut to what is drawn, its longest side at most ``SIDE`` pixels.

    A ground of one colour around it is taken away. Another picture without transparency is taken as
    it is: a photo of the mark, cut out by hand.

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
        if path.suffix.lower() == ".svg":
            return _cut(_drawn(content))
        return _cut(_without_ground(_decoded(content)))
    except MarkError as error:
        raise MarkError(f"{path}: {error}") from None


def doubtful(path: Path) -> str:
    """What may be wrong with the mark that ``read_mark`` read from a file; nothing, mostly."""
    if path.suffix.lower() != ".svg":
        return ""
    text = letters_of(path.read_text(encoding="utf-8-sig"))
    try:
        doubt = bool(text) and in_another_font(text)
    except SvgError:  # it could be drawn, but not twice more
        doubt = True
    return "its text may be in another font than it names; convert text to paths" if doubt else ""


def _drawn(content: bytes) -> Rgba:
    try:
        return _decoded(drawn(content.decode("utf-8-sig"), 2 * SIDE))
    except UnicodeDecodeError:
        raise MarkError("no UTF-8 text; save it as plain SVG") from None
    except SvgError as error:
        raise MarkError(str(error)) from None


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


def _without_ground(mark: Rgba) -> Rgba:
    """A picture whose border is of one colour, with that colour transparent: all of it, if the rest
    has one colour as well; else what of it is reached from the border."""
    if int(mark[..., 3].min()) < 255 or min(mark.shape[:2]) < 8:
        return mark
    rgb = mark[..., :3].astype(np.int16)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    ground = np.median(border, axis=0)
    off = np.abs(border - ground).max(axis=1)
    even = off <= _EVEN
    drawing = even.mean() >= _CUT and off[even].mean() <= _NOISE
    if even.mean() < _SURE and not drawing:
        return mark
    apart = np.abs(rgb - ground).max(axis=2)
    inside = rgb[apart > _CLEAR]
    if not len(inside):
        return mark
    full = max(float(np.quantile(apart[apart > _CLEAR], 0.5)), 1.0)
    cover = np.clip(apart / full, 0.0, 1.0)
    cover[apart <= _EVEN] = 0.0
    if float(inside.std(axis=0).max()) > _CLEAR:  # of several colours
        empty = np.pad((apart <= _CLEAR).astype(np.uint8), 1, constant_values=1)
        cv2.floodFill(empty, None, (0, 0), 2)
        cover[empty[1:-1, 1:-1] != 2] = 1.0
    # What is partly covered shows the ground as well: its own colour is what is left.
    share = np.maximum(cover, 0.05)[..., None]
    own = np.clip((rgb - ground * (1 - share)) / share, 0, 255)
    return np.dstack([own, 255 * cover]).astype(np.uint8)


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
