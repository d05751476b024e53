"""A calibration to look at: the plane's grid, drawn as the camera sees it."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from pipeline.tagging.measures.plane import Plane
from pipeline.types import Rgb

#: Lines of the grid on either side of the rectangle, in cells, and cells along its longer side.
_AROUND = 4
_CELLS = 4
#: Colours (RGB) of the grid, and of the rectangle.
_GRID = (0, 190, 255)
_RECTANGLE = (255, 60, 60)


def cell_cm(longest: float) -> float:
    """Side of a grid's cells: 1, 2 or 5 times a power of ten cm."""
    wanted = longest / _CELLS
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= 0.999 * wanted))


def with_grid(picture: Rgb, plane: Plane) -> Rgb:
    """A picture (H, W, 3) with the plane's grid, the calibrated rectangle, and the cells' side."""
    out: Rgb = picture.copy()
    width, height = (float(side) for side in plane.ground[2])
    cell = cell_cm(max(width, height))
    thick = max(out.shape[1] // 900, 1)
    for axis, other in ((0, 1), (1, 0)):
        ends = np.array([width, height])[[axis, other]]
        low, high = -_AROUND * cell, ends + _AROUND * cell
        for at in np.arange(low, high[0] + cell / 2, cell):
            line = np.empty((60, 2))
            line[:, axis] = at
            line[:, other] = np.linspace(low, high[1], len(line))
            _draw(out, plane, line, _GRID, thick)
    corners = plane.ground[[0, 1, 2, 3, 0]]
    for one, end in pairwise(corners):
        side = one + np.linspace(0, 1, 20)[:, None] * (end - one)
        _draw(out, plane, side, _RECTANGLE, 2 * thick)
    text = f"cells {cell:g} cm, rectangle {width:g} x {height:g} cm"
    scale = out.shape[1] / 1600
    place = (round(14 * scale) + 4, out.shape[0] - round(18 * scale) - 4)
    for colour, more in (((0, 0, 0), 3), ((255, 255, 255), 0)):
        cv2.putText(out, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thick + more, 16)
    return out


def _draw(
    out: Rgb, plane: Plane, line: np.ndarray, colour: tuple[int, int, int], thick: int
) -> None:
    """A line (N, 2) on the plane, where it is in front of the camera and in view."""
    there = plane.to_picture(line)
    limit = np.array(plane.size)
    seen = (np.isfinite(there).all(1)) & (there > -limit).all(1) & (there < 2 * limit).all(1)
    # Behind the horizon points come back on the wrong side: they are no longer where they were.
    seen &= np.hypot(*(plane.to_ground(np.nan_to_num(there)) - line).T) < 0.01 * np.ptp(line)
    for i in np.flatnonzero(seen[:-1] & seen[1:]):
        one, other = (tuple(int(v) for v in np.rint(there[j])) for j in (i, i + 1))
        cv2.line(out, one, other, colour, thick, cv2.LINE_AA)
