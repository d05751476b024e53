"""From FFmpeg's decoded pictures to planes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.picture.light import Light, light_of
from pipeline.picture.turn import UPRIGHT, Turn, matrix_turn
from pipeline.picture.yuv import Planes, believable, square, square_size, turned
from pipeline.sources.nvdec import ON_GPU, Nvdec
from pipeline.types import Picture, Plane

#: Pixel formats that are used as they are; all others are first turned into yuv420p.
_USABLE = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", ON_GPU}
)
#: Codes of ITU-T H.273, and of FFmpeg where it has its own.
_VIDEO_RANGE = 1
_JPEG_RANGE = 2
_BT709 = frozenset({1, 7})
_BT2020 = frozenset({9, 10})
_UNSPECIFIED = frozenset({0, 2})
_ITU601 = 5
#: Height from which a picture that does not tell is taken to be BT.709.
_HD_HEIGHT = 720


@dataclass(frozen=True, slots=True)
class Shown:
    """How the pictures of a stream are shown, as far as they do not tell themselves.

    Attributes:
        pixel: width of a pixel by its height.
        light: how numbers stand for light.
        turn: how the camera is mounted; comes after what pictures tell.
    """

    pixel: Fraction = Fraction(1)
    light: Light = "sdr"
    turn: Turn = UPRIGHT

    def size(self, width: int, height: int, told: Turn = UPRIGHT) -> tuple[int, int]:
        """Width and height at which a decoded picture is shown, which tells how it is turned."""
        return self.turn.size(*told.size(*square_size(width, height, self.pixel)))

    def __call__(self, planes: Planes, told: Turn = UPRIGHT) -> Planes:
        """A decoded picture, which tells how it is turned, as it is shown."""
        return turned(turned(square(planes, self.pixel), told), self.turn)


def shown_by(stream: Any, turn: Turn) -> Shown:
    """What a PyAV stream and its decoder declare."""
    context = stream.codec_context
    pixel = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    return Shown(believable(pixel), light_of(context.color_primaries, context.color_trc), turn)


def _plane(plane: Any, width: int, height: int) -> Plane:
    """View of a decoder's plane, without its row padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :width]


def told_turn(frame: Any) -> Turn:
    """How a decoded PyAV frame has to be turned to stand upright."""
    told = frame.side_data.get("DISPLAYMATRIX")
    return UPRIGHT if told is None else matrix_turn(bytes(told))


class Told:
    """How the pictures of one stream have to be turned to stand upright.

    A picture whose side data was asked for is freed late: PyAV makes it a part of a cycle. So only
    the first one is asked, and those whose rotation is another.
    """

    def __init__(self) -> None:
        self._rotation: float | None = None
        self._turn = UPRIGHT

    def by(self, frame: Any) -> Turn:
        """What a decoded PyAV frame tells."""
        rotation = frame.rotation or 0
        if rotation != self._rotation:
            self._rotation, self._turn = rotation, told_turn(frame)
        return self._turn


def to_planes(
    frame: Any, nvdec: Nvdec | None = None, shown: Shown | None = None, told: Turn = UPRIGHT
) -> Picture:
    """The picture of a decoded PyAV frame, which tells how it is turned, sharing its memory unless
    its format or the shape of its pixels has to change."""
    shown = shown or Shown()
    matrix, full = _coding(frame, shown.light)
    if frame.format.name not in _USABLE:
        if frame.format.is_rgb or frame.format.has_palette:
            matrix, full = "bt601", False
            frame = frame.reformat(
                format="yuv420p", dst_colorspace=_ITU601, dst_color_range=_VIDEO_RANGE
            )
        else:
            kept = _JPEG_RANGE if full else _VIDEO_RANGE
            frame = frame.reformat(format="yuv420p", src_color_range=kept, dst_color_range=kept)
    if nvdec is not None and frame.format.name == ON_GPU:
        there = nvdec.planes(frame, matrix, full)
        if (told, shown) == (UPRIGHT, Shown()):
            return there
        return shown(replace(there.host(), light=shown.light), told)
    y = _plane(frame.planes[0], frame.width, frame.height)
    if frame.format.name == "gray":
        return shown(Planes(y, full_range=full, light=shown.light), told)
    u, v = (_plane(p, p.width, p.height) for p in frame.planes[1:3])
    return shown(Planes(y, u, v, matrix, full, shown.light), told)


def _coding(frame: Any, light: Light) -> tuple[str, bool]:
    """The matrix of a decoded frame of Y, U and V, and whether it is of full range."""
    full = "j4" in frame.format.name or int(frame.color_range) == _JPEG_RANGE
    space = int(frame.colorspace)
    if space in _BT2020 or (space in _UNSPECIFIED and light != "sdr"):
        return "bt2020", full
    hd = space in _BT709 or (space in _UNSPECIFIED and frame.height >= _HD_HEIGHT)
    return "bt709" if hd else "bt601", full
