"""Where people stand: the middle of the lower edge of their boxes; a grid of where feet were."""

from __future__ import annotations

from collections import defaultdict

from pipeline.types import Box

#: Columns and rows of the grid over a picture.
GRID = (48, 27)
#: Longest time between two sights that counts as presence, in seconds: nothing is known of more.
MOST_STEP_S = 2.5

Point = tuple[float, float]


def feet(box: Box, width: int, height: int) -> Point:
    """Where somebody stands, in frame pixels. Of a box that is cut by the picture's lower edge, or
    reaches beyond it, the feet are taken to be on that edge."""
    return (box[0] + box[2]) / 2, min(box[3], float(height))


class PresenceGrid:
    """Seconds for which feet were in each cell of one camera's picture."""

    def __init__(self) -> None:
        self._cells: defaultdict[tuple[int, int], float] = defaultdict(float)

    def add(self, at: Point, size: tuple[int, int], seconds: float) -> None:
        """Count somebody at a point of a picture of ``size`` (width, height)."""
        x, y = (
            min(max(int(value / length * count), 0), count - 1)
            for value, length, count in zip(at, size, GRID, strict=True)
        )
        self._cells[x, y] += min(max(seconds, 0.0), MOST_STEP_S)

    def take(self) -> list[list[float]]:
        """``[x, y, seconds]`` of every cell with any, row by row; begins anew."""
        found = [
            [x, y, round(seconds, 1)]
            for (x, y), seconds in sorted(self._cells.items(), key=lambda cell: cell[0][::-1])
            if round(seconds, 1) > 0
        ]
        self._cells.clear()
        return found
