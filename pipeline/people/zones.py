"""A camera's areas: where people count, where they do not, and where they are far away."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.yuv import Window
from pipeline.types import Box

#: Left, top, right and bottom as shares of the picture's width and height.
Rectangle = tuple[float, float, float, float]
#: Corners (x, y) as shares of the picture's width and height, from its top left.
Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Zones:
    """A camera's areas. Without any, everything counts; what is excluded never does. ``tiles`` are
    looked at at a larger scale than the rest."""

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()
    tiles: tuple[Rectangle, ...] = ()

    def counts(self, box: Box, width: int, height: int) -> bool:
        """Whether somebody with this box (frame pixels) stands in an area that counts: the middle
        of the lower edge, where the feet are, decides."""
        at = ((box[0] + box[2]) / 2 / width, min(box[3] / height, 1.0))
        if any(_inside(polygon, at) for polygon in self.exclude):
            return False
        return not self.include or any(_inside(polygon, at) for polygon in self.include)

    def windows(self, width: int, height: int) -> list[Window]:
        """The tiles in frame pixels."""
        return [
            (int(x0 * width), int(y0 * height), round(x1 * width), round(y1 * height))
            for x0, y0, x1, y1 in self.tiles
        ]

    def left_out(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
        """Cells (h, w) of a grid over the picture in which movement does not count; ``None`` if it
        counts everywhere. Only excluded areas: a head moves above the area its feet are in."""
        if not self.exclude:
            return None
        mask = np.zeros(shape[:2], np.uint8)
        size = np.array([shape[1], shape[0]])
        for polygon in self.exclude:
            cv2.fillPoly(mask, [np.round(np.array(polygon) * size).astype(np.int32)], (1,))
        return mask.astype(bool)


def _inside(polygon: Polygon, at: tuple[float, float]) -> bool:
    """Whether a point lies in a polygon or on its edge."""
    corners = np.array(polygon, np.float32)
    return cv2.pointPolygonTest(corners, at, False) >= 0
