"""How much of a picture changed, from the luma plane alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Picture

Grid = npt.NDArray[np.uint8]

#: Longest side of the grid in cells.
CELLS = 160
#: Luma steps by which a cell must differ to count; above the noise of a lit camera.
NOISE = 14


def luma_grid(picture: Picture) -> Grid:
    """A small grid of the luma, every so many pixels one, lightly blurred."""
    width, height = picture.width, picture.height
    grid = picture.points((0, 0, width, height), max(max(width, height) // CELLS, 1))
    return np.asarray(cv2.blur(np.ascontiguousarray(grid), (3, 3)), np.uint8)


def changed_cells(
    before: Grid, now: Grid, left_out: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Cells (h, w) of two grids of one size that differ by more than noise, but for those
    ``left_out``."""
    changed: npt.NDArray[np.bool_] = cv2.absdiff(before, now) > NOISE
    if left_out is not None:
        changed &= ~left_out
    return changed
