"""Areas of a picture: polygons whose corners are shares of its width and height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

from pipeline.settings.section import Share

#: Corners (x, y) as shares of the picture's width and height, from its top left.
Polygon = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=64)]
#: Share of the picture that an area must have: a ten thousandth is 14 x 14 pixels of 1080p.
LEAST = 1e-4
#: Steps to a side of the picture in which an area's size is measured.
_STEPS = 1000


def listed(areas: Any, depth: int = 2) -> Any:
    """A single area, which has ``depth`` lists around its first number, may stand without the list
    around it."""
    found, inner = 0, areas
    while isinstance(inner, list | tuple) and inner:
        found, inner = found + 1, inner[0]
    return [areas] if found == depth else areas


def inside(polygon: Polygon, at: tuple[float, float]) -> bool:
    """Whether a point lies in a polygon or on its edge; where one crosses itself, what is enclosed
    an odd number of times is inside."""
    return cv2.pointPolygonTest(np.array(polygon, np.float32), at, False) >= 0


def cells_in(polygons: Sequence[Polygon], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The cells (h, w) of a grid over the picture that polygons touch."""
    mask = np.zeros(shape[:2], np.uint8)
    size = np.array([shape[1], shape[0]])
    for polygon in polygons:
        cv2.fillPoly(mask, [np.round(np.array(polygon) * size).astype(np.int32)], (1,))
    return mask.astype(bool)


def _enclosing(polygon: Polygon) -> Polygon:
    """A polygon that encloses something.

    Raises:
        ValueError: it does not.
    """
    mask = np.zeros((_STEPS, _STEPS), np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(polygon) * _STEPS).astype(np.int32)], (1,))
    # Its outline is drawn as well, and encloses nothing.
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1)
    if np.count_nonzero(inner) < LEAST * mask.size:
        raise ValueError(
            "encloses nothing, or less than a ten thousandth of the picture; give corners around "
            "an area, such as [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0], [0.1, 1.0]]"
        )
    return polygon


#: A polygon that has to enclose something.
Area = Annotated[Polygon, AfterValidator(_enclosing)]
