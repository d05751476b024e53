"""What of a picture nobody may see: areas painted out before anything else happens to it, and
whether heads are hidden in what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from pipeline.picture.area import Area, Polygon, cells_in, listed
from pipeline.picture.nv12 import Nv12Planes
from pipeline.picture.yuv import Planes
from pipeline.settings.section import Section
from pipeline.types import Heads, Picture, Plane

#: Luma of what is painted out: dark, and black in no range of luma, so that it is seen to be there.
MASKED = 40
#: Rows and columns around some cells of a plane, and which of those they are.
_Part = tuple[slice, slice, npt.NDArray[np.bool_]]


class PrivacySettings(Section):
    """What is hidden in pictures of people."""

    heads: Heads = Field(
        "pixelate", description="heads in every picture that is written; keep: as they are"
    )
    video: Literal["operators", "nobody"] = Field(
        "operators",
        description="who may see the camera's own video in the window, heads as they are",
    )
    teach: bool = Field(
        False,
        description="whether pictures of people, heads hidden, may be kept to teach with where "
        "a tag was marked wrong",
    )
    mask: Annotated[tuple[Area, ...], BeforeValidator(listed)] = Field(
        (), max_length=32, description="areas painted out before anything is analysed or kept"
    )


def masked(picture: Picture, areas: Sequence[Polygon]) -> Picture:
    """A picture in which areas are painted out, in ordinary memory; itself if there are none."""
    if not areas:
        return picture
    if isinstance(picture, Nv12Planes):
        picture = picture.host()
    assert isinstance(picture, Planes)
    size = (picture.height, picture.width)
    planes = [
        None if plane is None else _painted(plane, _hidden(tuple(areas), size, plane.shape), value)
        for plane, value in ((picture.y, MASKED), (picture.u, 128), (picture.v, 128))
    ]
    assert planes[0] is not None
    return replace(picture, y=planes[0], u=planes[1], v=planes[2])


@lru_cache(maxsize=64)
def _hidden(areas: tuple[Polygon, ...], size: tuple[int, int], shape: tuple[int, ...]) -> _Part:
    """The part of a plane of ``shape`` that is hidden in a picture of ``size`` (both h, w), also
    what only touches an area."""
    cells: Plane = cells_in(areas, size).astype(np.uint8) * np.uint8(255)
    cells = np.asarray(cv2.dilate(cells, np.ones((3, 3), np.uint8)), np.uint8)
    if size != shape:  # chroma: a sample that is hidden in part is hidden
        cells = np.asarray(cv2.resize(cells, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    part = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return part[0], part[1], np.asarray(cells[part] > 0)


def _painted(plane: Plane, hidden: _Part, value: int) -> Plane:
    """A copy of a plane with a part of it painted: the decoder still needs its own."""
    rows, columns, cells = hidden
    out: Plane = np.array(plane)
    np.copyto(out[rows, columns], np.uint8(value), where=cells)
    return out
