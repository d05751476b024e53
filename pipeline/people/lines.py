"""Lines that people cross, one way or the other."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.picture.feet import Point
from pipeline.settings.section import Section, Share
from pipeline.types import Direction

#: Unit vectors, y downwards.
_WAYS = MappingProxyType(
    {"up": (0.0, -1.0), "down": (0.0, 1.0), "left": (-1.0, 0.0), "right": (1.0, 0.0)}
)
#: Length of a line, and sine of its angle to the way in, from which both can be told.
_LEAST_LENGTH = 0.01
_LEAST_SINE = 0.1


class Line(Section):
    """A line, and which way across it is in. ``[[0.2, 0.8], [0.6, 0.8]]`` alone means down."""

    points: tuple[tuple[Share, Share], tuple[Share, Share]] = Field(
        description="its two ends (x, y), as shares of the picture"
    )
    into: Literal["up", "down", "left", "right"] = Field(
        "down", description="the way across it, as seen in the picture, that counts as in"
    )

    @classmethod
    def expanded(cls, value: Any) -> Any:
        return {"points": value} if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _crossable(self) -> Line:
        (x0, y0), (x1, y1) = self.points
        length = hypot(x1 - x0, y1 - y0)
        if length < _LEAST_LENGTH:
            raise ValueError(
                "its ends are one point, or nearly; give two ends, such as [[0.2, 0.8], [0.6, 0.8]]"
            )
        way = _WAYS[self.into]
        if abs((x1 - x0) * way[1] - (y1 - y0) * way[0]) < _LEAST_SINE * length:
            other = "left or right" if way[0] == 0 else "up or down"
            raise ValueError(f"nobody crosses it going {self.into}, along it; set into: {other}")
        return self

    def within(self, width: int, height: int) -> Segment:
        """The line in a picture of this size."""
        start, end = ((x * width, y * height) for x, y in self.points)
        way = _WAYS[self.into]
        across = (end[0] - start[0]) * way[1] - (end[1] - start[1]) * way[0]
        return Segment(start, end) if across > 0 else Segment(end, start)


@dataclass(frozen=True, slots=True)
class Segment:
    """A line in pixels; in is to the side on which ``side`` is positive."""

    start: Point
    end: Point

    def side(self, at: Point) -> float:
        """Distance in pixels from the line, endless to both sides: positive on the side in."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        return (dx * (at[1] - self.start[1]) - dy * (at[0] - self.start[0])) / hypot(dx, dy)

    def met(self, before: Point, now: Point) -> bool:
        """Whether a step goes from one side to the other between its ends. What lies on the line
        is on the side in, so that a step which ends there and the next one meet it once."""
        a, b = self.side(before), self.side(now)
        if (a >= 0) == (b >= 0):
            return False
        share = a / (a - b)
        x, y = (p + share * (q - p) for p, q in zip(before, now, strict=True))
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        along = (x - self.start[0]) * dx + (y - self.start[1]) * dy
        return 0 <= along <= dx * dx + dy * dy


class Crossing:
    """One person and one line: who stands on it has not crossed it.

    Counts once the feet are a margin beyond; how often they met the line on the way there tells
    whether they went through it or around its end.
    """

    def __init__(self, line: Segment) -> None:
        self.line = line
        self._side = 0
        self._odd = False
        self._at: Point | None = None

    def step(self, at: Point, margin: float) -> Direction | None:
        """The feet are at a point now; which way the line was crossed by that, if it was.

        Args:
            margin: distance from the line, in pixels, from which somebody is on one side of it.
        """
        if self._at is not None:
            self._odd ^= self.line.met(self._at, at)
        self._at = at
        distance = self.line.side(at)
        if abs(distance) < margin or distance == 0:
            return None
        side = 1 if distance > 0 else -1
        crossed = self._odd and self._side == -side
        self._side, self._odd = side, False
        return ("in" if side > 0 else "out") if crossed else None
