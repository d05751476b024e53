"""From FFmpeg's decoded pictures to planes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.picture.yuv import Planes, rotate
from pipeline.sources.nvdec import ON_GPU, Nvdec
from pipeline.types import Picture, Plane

#: Pixel formats that are used as they are; all others are first turned into yuv420p.
_USABLE = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", ON_GPU}
)
_JPEG_RANGE = 2
_BT709 = 1
_UNSPECIFIED = 2
#: Height from which a picture that does not tell is taken to be BT.709.
_HD_HEIGHT = 720


def _plane(plane: Any, width: int, height: int) -> Plane:
    """View of a decoder's plane, without its row padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :width]


def turns_of(frame: Any) -> int:
    """Quarter turns, counterclockwise, by which a decoded PyAV frame stands upright."""
    return round((getattr(frame, "rotation", 0) or 0) / 90) % 4


def to_planes(frame: Any, nvdec: Nvdec | None = None) -> Picture:
    """The picture of a decoded PyAV frame, sharing its memory unless its format has to change."""
    turns = turns_of(frame)  # before it is lost with the format
    if frame.format.name not in _USABLE:
        frame = frame.reformat(format="yuv420p")
    name = frame.format.name
    full = "j4" in name or int(frame.color_range) == _JPEG_RANGE
    space = int(frame.colorspace)
    hd = space == _BT709 or (space == _UNSPECIFIED and frame.height >= _HD_HEIGHT)
    matrix = "bt709" if hd else "bt601"
    if nvdec is not None and name == ON_GPU:
        there = nvdec.planes(frame, matrix, full)
        return rotate(there.host(), turns) if turns else there
    y = _plane(frame.planes[0], frame.width, frame.height)
    if name == "gray":
        planes = Planes(y, full_range=full)
    else:
        u, v = (_plane(p, p.width, p.height) for p in frame.planes[1:3])
        planes = Planes(y, u, v, matrix, full)
    return rotate(planes, turns) if turns else planes
