"""Planar YUV pictures, converted to RGB only where and as large as somebody looks.

Each small plane is resized first and converted last, so a detector's 300 x 300 view of a 1080p
frame converts 90,000 pixels, not two million.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.light import Light, to_sdr
from pipeline.picture.turn import UPRIGHT, Turn
from pipeline.types import Band, Plane, Rgb, Window

#: RGB value of everything outside of the picture.
PAD = 127
#: Luma weights (red, blue) of ITU-R BT.601, BT.709 and BT.2020.
_WEIGHTS = MappingProxyType(
    {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
)
#: Pixels further from square than this are taken for a mistake; nearer than that, for square.
_MOST_BENT = 4
_LEAST_BENT = Fraction(101, 100)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """One decoded picture in ordinary memory.

    Attributes:
        y: luma (H, W) uint8; may be strided, turned or mirrored in memory.
        u, v: chroma uint8 of any subsampling, both of one shape; ``None`` for grey pictures.
        matrix: ``bt601``, ``bt709`` or ``bt2020``.
        full_range: luma spans 0 to 255 (JPEG) instead of 16 to 235 (video).
        light: how numbers stand for light; RGB is always the ordinary way.
    """

    y: Plane
    u: Plane | None = None
    v: Plane | None = None
    matrix: str = "bt601"
    full_range: bool = False
    light: Light = "sdr"

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    def rgb(self, window: Window | None = None, size: tuple[int, int] | None = None) -> Rgb:
        return to_rgb(self, window, size)

    def points(self, window: Window, step: int) -> Plane:
        x0, y0, x1, y1 = window
        return self.y[y0:y1:step, x0:x1:step]

    def means(self, bands: Sequence[Band]) -> list[tuple[float, float, float]]:
        return [self._means(band) for band in bands]

    def _means(self, band: Band) -> tuple[float, float, float]:
        scale = self.width, self.height
        chroma = [128.0 if p is None else _mean(p, band, scale) for p in (self.u, self.v)]
        return _mean(self.y, band, scale), chroma[0], chroma[1]


@lru_cache(maxsize=6)
def to_rgb_matrix(matrix: str, full_range: bool) -> npt.NDArray[np.float32]:
    """3 x 4 affine map from (Y, U, V) bytes to (R, G, B) bytes: ITU-R BT.601, 709, 2020."""
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    luma, chroma = (1.0, 1.0) if full_range else (255 / 219, 255 / 224)
    r_v, b_u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    rows = np.array(
        [
            [luma, 0, r_v],
            [luma, -b_u * blue / green, -r_v * red / green],
            [luma, b_u, 0],
        ]
    )
    offset = np.array([0.0 if full_range else 16.0, 128.0, 128.0])
    return np.hstack([rows, (-rows @ offset)[:, None]]).astype(np.float32)


def from_bgr(image: npt.NDArray[np.uint8]) -> Planes:
    """Full-range 4:4:4 planes of a BGR (H, W, 3) or grey (H, W) picture."""
    if image.ndim == 2:
        return Planes(np.ascontiguousarray(image), full_range=True)
    y, v, u = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb))
    return Planes(
        np.asarray(y, np.uint8), np.asarray(u, np.uint8), np.asarray(v, np.uint8), full_range=True
    )


def turned(planes: Planes, turn: Turn) -> Planes:
    """A view of a picture, upright."""
    if turn == UPRIGHT:
        return planes
    u, v = (None if plane is None else turn(plane) for plane in (planes.u, planes.v))
    return replace(planes, y=turn(planes.y), u=u, v=v)


def believable(pixel: Fraction) -> Fraction:
    """The shape of pixels, width by height, that a file declares: 1 where they are nearly square,
    and where they cannot be like that."""
    bent = max(pixel, 1 / pixel) if pixel > 0 else 0
    return pixel if _LEAST_BENT < bent <= _MOST_BENT else Fraction(1)


def square_size(width: int, height: int, pixel: Fraction) -> tuple[int, int]:
    """Width and height of a picture in square pixels, none of them lost."""
    if pixel >= 1:
        return round(width * pixel), height
    return width, round(height / pixel)


def square(planes: Planes, pixel: Fraction) -> Planes:
    """A picture in square pixels. Chroma stays: it has a size of its own anyway."""
    size = square_size(planes.width, planes.height, pixel)
    if size == (planes.width, planes.height):
        return planes
    y = cv2.resize(planes.y, size, interpolation=cv2.INTER_LINEAR)
    return replace(planes, y=np.asarray(y, np.uint8))


def _resize(
    plane: Plane, window: tuple[float, float, float, float], size: tuple[int, int]
) -> Plane:
    """Resample a window of one plane, given in that plane's own pixels."""
    height, width = plane.shape
    x0, y0 = min(math.floor(window[0]), width - 1), min(math.floor(window[1]), height - 1)
    x1 = min(max(math.ceil(window[2]), x0 + 1), width)
    y1 = min(max(math.ceil(window[3]), y0 + 1), height)
    return _resample(plane[y0:y1, x0:x1], size)


def _resample(part: Plane, size: tuple[int, int]) -> Plane:
    """A plane at another size. One that is turned in memory is resampled as it lies there and
    turned last, when it is small."""
    down, right = part.strides
    if abs(right) > abs(down):
        return np.asarray(cv2.transpose(_resample(part.T, size[::-1])), np.uint8)
    if down < 0 or right < 0:
        back = Turn(mirrored=right < 0, flipped=down < 0)
        return back(_resample(back(part), size))
    if part.shape == (size[1], size[0]):
        return part
    # Halving is several times faster than one area resize by an odd factor, and as smooth.
    while part.shape[1] >= 2 * size[0] and part.shape[0] >= 2 * size[1]:
        half = (part.shape[1] // 2, part.shape[0] // 2)
        even = part[: 2 * half[1], : 2 * half[0]]
        part = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)
    if part.shape == (size[1], size[0]):
        return part
    # Up to a factor of two, two taps see every pixel: as smooth as areas, at a ninth of the cost.
    shrinks = part.shape[1] > 2 * size[0] or part.shape[0] > 2 * size[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, size, interpolation=how), np.uint8)


def _convert(planes: Planes, window: Window, size: tuple[int, int]) -> Rgb:
    """RGB of a window that lies inside of the picture."""
    y = _resize(planes.y, window, size)
    if planes.u is None or planes.v is None:
        neutral = np.full_like(y, 128)
        merged = cv2.merge([y, neutral, neutral])
    else:
        sx, sy = planes.u.shape[1] / planes.width, planes.u.shape[0] / planes.height
        scaled = (window[0] * sx, window[1] * sy, window[2] * sx, window[3] * sy)
        merged = cv2.merge([y, _resize(planes.u, scaled, size), _resize(planes.v, scaled, size)])
    rgb = cv2.transform(merged, to_rgb_matrix(planes.matrix, planes.full_range))
    return to_sdr(np.asarray(rgb, np.uint8), planes.light)


def _mean(plane: Plane, band: Band, size: tuple[int, int]) -> float:
    """Mean of the part of a plane under a band of a picture of ``size``."""
    sx, sy = plane.shape[1] / size[0], plane.shape[0] / size[1]
    scaled = (band[0] * sx, band[1] * sy, band[2] * sx, band[3] * sy)
    x0, y0, x1, y1 = pixels(scaled, plane.shape[1], plane.shape[0])
    return cv2.mean(plane[y0:y1, x0:x1])[0]


def pixels(band: Band, width: int, height: int) -> Window:
    """The part of a band within a picture, in whole pixels, at least one."""
    x0, y0 = min(max(int(band[0]), 0), width - 1), min(max(int(band[1]), 0), height - 1)
    x1, y1 = min(int(band[2]), width), min(int(band[3]), height)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def inside(window: Window, width: int, height: int) -> Window:
    """The part of a window within a picture; empty (x0 >= x1 or y0 >= y1) if there is none."""
    x0, y0, x1, y1 = window
    return max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)


def to_rgb(
    planes: Planes, window: Window | None = None, size: tuple[int, int] | None = None
) -> Rgb:
    """RGB uint8 (h, w, 3) of a window, resampled to ``size`` (width, height).

    The whole picture and the window's own size are the defaults. What lies outside of the picture
    is grey (``PAD``).
    """
    width, height = planes.width, planes.height
    window = window or (0, 0, width, height)
    x0, y0, x1, y1 = window
    size = size or (x1 - x0, y1 - y0)
    part = inside(window, width, height)
    if part == window:
        return _convert(planes, window, size)
    out = np.full((size[1], size[0], 3), PAD, np.uint8)
    if part[0] >= part[2] or part[1] >= part[3]:
        return out
    sx, sy = size[0] / (x1 - x0), size[1] / (y1 - y0)
    left, top = round((part[0] - x0) * sx), round((part[1] - y0) * sy)
    right, bottom = round((part[2] - x0) * sx), round((part[3] - y0) * sy)
    if left < right and top < bottom:
        out[top:bottom, left:right] = _convert(planes, part, (right - left, bottom - top))
    return out
