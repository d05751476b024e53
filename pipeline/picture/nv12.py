"""Decoded pictures that stay on the GPU: only the parts somebody asks for are copied from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.picture.yuv import Planes, pixels, to_rgb_matrix
from pipeline.types import Band, Plane, Rgb, Window

if TYPE_CHECKING:  # most machines have no use for it
    from engines.trt.regions import Nv12, Region, Regions

Rows = npt.NDArray[np.float32]

#: Map from (Y, U, V, 1) to Y, U and V: a kernel's colours as they are.
_ASIS = np.eye(3, 4, dtype=np.float32)
#: Pixels a part is resampled to before its mean is taken.
_MEAN = (8, 8)


@lru_cache(maxsize=4)
def _rows(matrix: str, full_range: bool) -> Rows:
    return np.ascontiguousarray(to_rgb_matrix(matrix, full_range), np.float32)


def _region(picture: Nv12, window: Window, rows: Rows) -> Region:
    from engines.trt.regions import Region

    return Region(picture, window, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Nv12Planes:
    """One decoded picture on the GPU; a ``Picture`` as ``Planes`` is.

    Attributes:
        picture: where it lies.
        regions: what reads it.
        owner: whoever keeps that memory; held on to.
        matrix, full_range: as in ``Planes``.
    """

    picture: Nv12
    regions: Regions
    owner: object
    matrix: str = "bt601"
    full_range: bool = False

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height

    @property
    def y(self) -> Plane:
        return self.points(self._whole, 1)

    @property
    def _whole(self) -> Window:
        return 0, 0, self.width, self.height

    def rgb(self, window: Window | None = None, size: tuple[int, int] | None = None) -> Rgb:
        x0, y0, x1, y1 = window = window or self._whole
        only: Rgb = cut([self], [window], size or (x1 - x0, y1 - y0))[0]
        return only

    def points(self, window: Window, step: int) -> Plane:
        return self.regions.points(_region(self.picture, window, _ASIS), step)

    def means(self, bands: Sequence[Band]) -> list[tuple[float, float, float]]:
        windows = [pixels(band, self.width, self.height) for band in bands]
        wanted = [_region(self.picture, window, _ASIS) for window in windows]
        found = self.regions(wanted, _MEAN).mean(axis=(1, 2)).tolist()
        return [(y, u, v) for y, u, v in found]

    def host(self) -> Planes:
        """A copy in ordinary memory, with as much chroma as luma."""
        [yuv] = self.regions([_region(self.picture, self._whole, _ASIS)], (self.width, self.height))
        y, u, v = (np.ascontiguousarray(yuv[..., i]) for i in range(3))
        return Planes(y, u, v, self.matrix, self.full_range)


def cut(pictures: Sequence[Nv12Planes], windows: Sequence[Window], size: tuple[int, int]) -> Rgb:
    """One window of each picture as RGB uint8 (n, h, w, 3): one kernel call."""
    wanted = [
        _region(p.picture, window, _rows(p.matrix, p.full_range))
        for p, window in zip(pictures, windows, strict=True)
    ]
    return pictures[0].regions(wanted, size)
