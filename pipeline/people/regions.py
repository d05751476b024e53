"""The parts of a picture worth a detector's time, and how they share its input.

Most of a street does not move. Instead of whole pictures the detector is shown what changed since
it last looked, at the scale of the whole picture, packed onto one canvas: parts of several cameras
side by side. What did not change is where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Box, Window

Size = tuple[int, int]

#: Grey pixels between two parts on a canvas.
GAP = 4
#: Connected cells that must change to be looked at.
LEAST_CELLS = 4
#: Room around what changed, as a share of its height.
ROOM = 0.15
#: Least room around it, in cells.
ROOM_CELLS = 1.0
#: Room to both sides of people known, as a share of their height.
SIDE_ROOM = 0.2
#: Room above and below them.
END_ROOM = 0.12
#: Growth of area up to which two parts are made one.
MERGE = 1.1
#: Share of the picture from which it is looked at as a whole.
WHOLE = 0.6
#: A person counts as missed only if this share of the box was searched.
SEEN = 0.8
#: Share of the picture's width on both sides through which people leave it.
SIDE = 0.03
#: Pixels from the picture's upper and lower edge within which somebody is cut off by it.
CUT = 2


def _touches(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _widened(box: Box, x: float, y: float) -> Box:
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def _area(box: Box | Window) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def searched(box: Box, windows: Sequence[Window]) -> bool:
    """Whether most of somebody was looked at."""
    x0, y0, x1, y1 = box
    return any(
        max(min(x1, w[2]) - max(x0, w[0]), 0.0) * max(min(y1, w[3]) - max(y0, w[1]), 0.0)
        > SEEN * max(_area(box), 1.0)
        for w in windows
    )


def inside(box: Box, size: Size) -> bool:
    """Whether somebody is away from the edges of a picture (width, height)."""
    side = SIDE * size[0]
    return side < box[0] and box[2] < size[0] - side and box[1] > CUT and box[3] < size[1] - CUT


def _pieces(changed: npt.NDArray[np.bool_]) -> list[Box]:
    """Boxes, in cells, around connected changes."""
    joined = cv2.dilate(changed.view(np.uint8), np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    # Dilation adds a ring: a single cell becomes nine, two neighbours twelve.
    least = 9 + 3 * (LEAST_CELLS - 1)
    return [
        (float(x), float(y), float(x + w), float(y + h))
        for x, y, w, h, area in stats[1:count].tolist()
        if area >= least
    ]


def _merged(boxes: Sequence[Box]) -> list[Box]:
    """Pairs of boxes joined into one where that costs little more area than both."""
    done: list[Box] = []
    waiting = list(boxes)
    while waiting:
        box = waiting.pop()
        for other in done:
            both = _around(box, other)
            if _area(both) <= MERGE * (_area(box) + _area(other)):
                done.remove(other)
                waiting.append(both)
                break
        else:
            done.append(box)
    return done


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Somebody, or what may be somebody: the box when last seen, and the one expected now."""

    seen: Box
    expected: Box
    certain: bool = True


def _cells(box: Box, shape: tuple[int, ...], size: Size) -> tuple[slice, slice]:
    """Rows and columns of a grid over a picture that a box touches."""
    sx, sy = shape[1] / size[0], shape[0] / size[1]
    x0, y0, x1, y1 = box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy
    return slice(max(int(y0), 0), max(ceil(y1), 0)), slice(max(int(x0), 0), max(ceil(x1), 0))


def windows_to_look_at(
    changed: npt.NDArray[np.bool_], people: Sequence[Whereabouts], size: Size
) -> tuple[Window, ...] | None:
    """Windows, in frame pixels, around the people who moved and whatever else changed.

    Args:
        changed: cells (h, w) of a grid over the picture.
        people: those known; the doubtful are looked at in any case.
        size: width and height of the picture.

    Returns:
        windows inside of the picture, which may overlap; ``None`` if they are most of it.
    """
    sx, sy = size[0] / changed.shape[1], size[1] / changed.shape[0]
    unexplained = changed.copy()
    parts: list[Box] = []
    known: list[Box] = []
    for person in people:
        # Where somebody was has changed as well, but only where they are now needs a look.
        moved = _cells(_widened(_around(person.seen, person.expected), sx, sy), changed.shape, size)
        if not person.certain or np.count_nonzero(changed[moved]) >= LEAST_CELLS:
            height = person.expected[3] - person.expected[1]
            known.append(_widened(person.expected, SIDE_ROOM * height, END_ROOM * height))
            unexplained[moved] = False
    for x0, y0, x1, y1 in _pieces(unexplained):
        room = max(ROOM * (y1 - y0), ROOM_CELLS)
        piece = _widened((x0, y0, x1, y1), room, room)
        box: Box = (piece[0] * sx, piece[1] * sy, piece[2] * sx, piece[3] * sy)
        # Where a prediction was wrong, somebody is partly in their window and partly here.
        for other in [part for part in known if _touches(box, part)]:
            known.remove(other)
            box = _around(box, other)
        parts.append(box)
    windows = [
        (max(int(x0), 0), max(int(y0), 0), min(round(x1), size[0]), min(round(y1), size[1]))
        for x0, y0, x1, y1 in _merged(known + parts)
    ]
    windows = [w for w in windows if w[0] < w[2] and w[1] < w[3]]
    return None if sum(map(_area, windows)) > WHOLE * size[0] * size[1] else tuple(windows)


def renew(
    grid: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8], windows: Sequence[Window], size: Size
) -> None:
    """Take over the cells under the windows of a picture of ``size``, in place."""
    for window in windows:
        part = _cells(window, grid.shape, size)
        grid[part] = now[part]


#: The upper edge of what is free on a canvas: (left, top, width) from left to right.
_Skyline = list[tuple[int, int, int]]


def _lowest(skyline: _Skyline, size: Size, canvas: Size) -> tuple[int, int] | None:
    """Where a rectangle reaches down least, leftmost first; ``None`` if it fits nowhere."""
    best: tuple[int, int] | None = None
    for k, (x, _, _) in enumerate(skyline):
        if x + size[0] > canvas[0]:
            break
        y = max(top for left, top, _ in skyline[k:] if left < x + size[0])
        if y + size[1] <= canvas[1] and (best is None or y < best[1]):
            best = (x, y)
    return best


def _raised(skyline: _Skyline, x: int, width: int, top: int) -> _Skyline:
    """The skyline after something of that width at ``x`` took everything above ``top``."""
    out = [(x, top, width)]
    for left, high, wide in skyline:
        if left < x:
            out.append((left, high, min(wide, x - left)))
        if left + wide > x + width:
            start = max(left, x + width)
            out.append((start, high, left + wide - start))
    return sorted(out)


def pack(sizes: Sequence[Size], canvas: Size) -> dict[int, tuple[int, int]]:
    """Top left corners of the rectangles that fit on a canvas (width, height), by index; the
    highest are laid first, each as far up as it goes (skyline packing: Jylanki, A Thousand Ways to
    Pack the Bin, 2010)."""
    corners: dict[int, tuple[int, int]] = {}
    room = (canvas[0] + GAP, canvas[1] + GAP)
    skyline: _Skyline = [(0, 0, room[0])]
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], -sizes[i][0])):
        taken = (sizes[i][0] + GAP, sizes[i][1] + GAP)
        corner = _lowest(skyline, taken, room)
        if corner is not None:
            corners[i] = corner
            skyline = _raised(skyline, corner[0], taken[0], corner[1] + taken[1])
    return corners


def canvases_for(
    sizes: Sequence[Size], canvases: Sequence[Size]
) -> list[tuple[Size, dict[int, tuple[int, int]]]]:
    """Which of the canvases, smallest first, to lay rectangles on, and where each one lies.

    Rectangles too large for all of them are in none.
    """
    out = []
    left = list(range(len(sizes)))
    while left:
        for canvas in canvases:
            placed = pack([sizes[i] for i in left], canvas)
            if len(placed) == len(left):
                break
        if not placed:
            break
        out.append((canvas, {left[i]: corner for i, corner in placed.items()}))
        left = [i for n, i in enumerate(left) if n not in placed]
    return out
