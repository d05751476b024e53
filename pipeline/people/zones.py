"""A camera's areas: where people count, where they do not, where they are far away, and those
with names: zones and lines."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationInfo, field_validator, model_validator

from pipeline.people.lines import Line
from pipeline.picture.area import Area, Polygon, cells_in, inside, listed
from pipeline.picture.feet import feet
from pipeline.settings.section import Section, Share
from pipeline.types import Box, Window

#: Of a zone or a line, as events have it.
Name = Annotated[str, Field(min_length=1, max_length=64)]
#: Left, top, right and bottom as shares of the picture's width and height.
Rectangle = tuple[Share, Share, Share, Share]
#: Least and largest side of a far area, as shares of the picture's.
SMALLEST = 0.02
LARGEST = 0.5


class Zones(Section):
    """A camera's areas. Without any, everything counts; what is excluded never does."""

    include: tuple[Polygon, ...] = Field((), description="areas people count in; none: everywhere")
    exclude: tuple[Polygon, ...] = Field(
        (), description="areas in which neither people nor motion count"
    )
    far: tuple[Rectangle, ...] = Field(
        (), max_length=16, description="areas with people far away, searched at twice the scale"
    )

    zones: dict[Name, Area] = Field(
        {}, max_length=32, description="named areas: who enters, who leaves, for how long"
    )
    lines: dict[Name, Line] = Field(
        {}, max_length=32, description="named lines: who crosses them, and which way"
    )

    @field_validator("include", "exclude", "far", mode="before")
    @classmethod
    def _listed(cls, areas: Any, info: ValidationInfo) -> Any:
        """A single area may stand without the list around it."""
        return listed(areas, 1 if info.field_name == "far" else 2)

    @model_validator(mode="after")
    def _sides(self) -> Zones:
        for x0, y0, x1, y1 in self.far:
            if not (SMALLEST <= x1 - x0 <= LARGEST and SMALLEST <= y1 - y0 <= LARGEST):
                raise ValueError(
                    f"far area [{x0}, {y0}, {x1}, {y1}] must be [left, top, right, bottom] and at "
                    "most half as wide and half as high as the picture; use several"
                )
        return self

    def counts(self, box: Box, width: int, height: int) -> bool:
        """Whether somebody with this box (frame pixels) stands in an area that counts: the middle
        of the lower edge, where the feet are, decides."""
        x, y = feet(box, width, height)
        at = (x / width, y / height)
        if any(inside(polygon, at) for polygon in self.exclude):
            return False
        return not self.include or any(inside(polygon, at) for polygon in self.include)

    def windows(self, width: int, height: int) -> list[Window]:
        """The far areas in frame pixels."""
        return [
            (int(x0 * width), int(y0 * height), round(x1 * width), round(y1 * height))
            for x0, y0, x1, y1 in self.far
        ]

    def left_out(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
        """Cells (h, w) of a grid over the picture in which movement does not count; ``None`` if it
        counts everywhere. Only excluded areas: a head moves above the area its feet are in."""
        if not self.exclude:
            return None
        return cells_in(self.exclude, shape)
