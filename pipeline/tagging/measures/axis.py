"""The axis of a shape: the longest path along its skeleton, from tip to tip."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float64]
#: Largest radius, in pixels, of what is thinned: the axis needs no finer pixels than that.
_THIN = 7.0
#: A path's ends lead into corners, over this many radii.
_FORKED = 1.5
#: Degree of the polynomials that stand for an axis, and points it is given in.
_DEGREE = 7
_POINTS = 40
#: How near to its tips an axis is moved to the middle, in radii: first where corners mislead it
#: nowhere, then all of it.
_MARGINS = (1.2, 0.4)
#: Places at most that are looked at on a way across.
_RAYS = 36
#: Neighbours of a pixel, clockwise from the one above: (row, column).
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """A shape's axis in pixels of its mask.

    Attributes:
        points: (N, 2) from tip to tip, x and y.
        radii: (N,) distance to the outline; 0 at the tips.
        explained: share of the shape that discs of these radii cover: little where it branches.
    """

    points: _Floats
    radii: _Floats
    explained: float


@lru_cache(maxsize=1)
def _removable() -> tuple[Mask, Mask]:
    """By the eight neighbours of a pixel as bits: whether thinning (Zhang and Suen) takes it away,
    in its first and second half step."""
    tables = np.zeros((2, 256), np.uint8)
    for code in range(256):
        p = [code >> i & 1 for i in range(8)]  # clockwise from above
        turns = sum(p[i] == 0 and p[(i + 1) % 8] == 1 for i in range(8))
        up, right, down, left = p[0], p[2], p[4], p[6]
        if 2 <= sum(p) <= 6 and turns == 1:
            tables[0, code] = not (up and right and down) and not (right and down and left)
            tables[1, code] = not (up and right and left) and not (up and down and left)
    return tables[0], tables[1]


def thinned(mask: Mask) -> Mask:
    """The skeleton of a mask (H, W) of 0 and 1, one pixel wide and as connected as it."""
    kernel = np.zeros((3, 3), np.float32)
    for bit, (row, column) in enumerate(_AROUND):
        kernel[1 + row, 1 + column] = 1 << bit
    left: Mask = mask.copy()
    while True:
        before = int(left.sum())
        for table in _removable():
            around = cv2.filter2D(left, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
            left[table[around] == 1] = 0
        if int(left.sum()) == before:
            return left


def longest_path(skeleton: Mask) -> _Floats:
    """The longest of the shortest ways through a connected skeleton (H, W): (N, 2) as x, y."""
    cells = {(int(y), int(x)) for y, x in np.argwhere(skeleton)}
    if not cells:
        return np.zeros((0, 2))
    far, _ = _furthest(cells, next(iter(sorted(cells))))
    end, back = _furthest(cells, far)
    path = [end]
    while path[-1] != far:
        path.append(back[path[-1]])
    return np.array([(x, y) for y, x in path], float)


def _furthest(
    cells: set[tuple[int, int]], start: tuple[int, int]
) -> tuple[tuple[int, int], dict[tuple[int, int], tuple[int, int]]]:
    """The cell furthest from another, and every cell's neighbour on the way there."""
    known = {start: 0.0}
    back: dict[tuple[int, int], tuple[int, int]] = {}
    waiting = [(0.0, start)]
    last = start
    while waiting:
        far, at = heapq.heappop(waiting)
        if far > known[at]:
            continue
        last = at
        for row, column in _AROUND:
            other = (at[0] + row, at[1] + column)
            cost = far + (1.4142135623730951 if row and column else 1.0)
            if other in cells and cost < known.get(other, np.inf):
                known[other], back[other] = cost, at
                heapq.heappush(waiting, (cost, other))
    return last, back


def axis_of(mask: Mask) -> Axis | None:
    """The axis of a connected mask (H, W) of 0 and 1; ``None`` where it is too round to have one.

    The skeleton's ends, which lead into corners, are cut off, and it goes on straight to the
    outline. Then its points are moved to the middle between the outlines on both sides, found
    between pixels, and smoothed by polynomials.
    """
    padded = cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    scale = min(1.0, _THIN / max(float(depth.max()), 1.0))
    small = padded
    if scale < 1:
        small = cv2.resize(padded * 255, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = cv2.copyMakeBorder((small > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    path = longest_path(thinned(small))
    if scale < 1:  # centres of pixels lie half a pixel from their corners
        path = (path - 1 + 0.5) / scale - 0.5
    path = _without_forks(path, depth)
    if len(path) < _DEGREE + 3:
        return None
    soft = cv2.GaussianBlur(padded.astype(np.float32), (3, 3), 0)
    radius = float(depth.max())
    points = _to_tips(_smooth(path)[0], soft, radius)
    for margin in _MARGINS:
        inner = _centred(_inner(points, max(2.0, margin * radius)), soft, radius)
        points = _to_tips(_smooth(inner)[0], soft, radius / 2)
    radii = np.maximum(_at(depth, points) - 0.5, 0)
    radii[[0, -1]] = 0
    return Axis(points - 2, radii, _explained(padded, points, radii))


def _without_forks(path: _Floats, depth: npt.NDArray[np.float32]) -> _Floats:
    """A path without its ends, as far as they may lead into corners."""
    if len(path) < 3:
        return path
    steps = np.sqrt((np.diff(path, axis=0) ** 2).sum(1))
    gone = np.concatenate([[0.0], np.cumsum(steps)])
    reach = _FORKED * _at(depth, path)
    inside = np.flatnonzero((gone >= reach) & (gone[-1] - gone >= reach))
    return path[inside[0] : inside[-1] + 1] if len(inside) else path[:0]


def _at(values: npt.NDArray[np.float32], points: _Floats) -> _Floats:
    """Values (H, W) between pixels at points (N, 2)."""
    x, y = (points[:, i].astype(np.float32).reshape(1, -1) for i in range(2))
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR), float).reshape(-1)


def _smooth(path: _Floats) -> tuple[_Floats, _Floats]:
    """A path (N, 2) as polynomials of its length: even points on them and unit normals there."""
    steps = np.sqrt((np.diff(path, axis=0) ** 2).sum(1))
    along = np.concatenate([[0.0], np.cumsum(steps)])
    along = 2 * along / along[-1] - 1
    even = np.linspace(-1, 1, _POINTS)
    fits = np.polynomial.chebyshev.chebfit(along, path, min(_DEGREE, len(path) // 4))
    points = np.asarray(np.polynomial.chebyshev.chebval(even, fits)).T
    slope = np.asarray(
        np.polynomial.chebyshev.chebval(even, np.polynomial.chebyshev.chebder(fits))
    ).T
    slope = slope / np.maximum(np.hypot(*slope.T), 1e-9)[:, None]
    return points, np.stack([-slope[:, 1], slope[:, 0]], 1)


def _centred(path: _Floats, soft: npt.NDArray[np.float32], radius: float) -> _Floats:
    """Points of a path, each moved to the middle between the outlines on either side of it."""
    points, normals = _smooth(path)
    reach = np.linspace(0, 2 * radius + 2, min(int(2 * radius) + 3, _RAYS))
    edges = [_first_outside(points, side * normals, reach, soft) for side in (1, -1)]
    shift = np.clip((edges[0] - edges[1]) / 2, -radius / 2, radius / 2)
    return points + shift[:, None] * normals


def _first_outside(
    points: _Floats, directions: _Floats, reach: _Floats, soft: npt.NDArray[np.float32]
) -> _Floats:
    """How far (N,) from points (N, 2) in their directions the shape ends."""
    rays = points[:, None] + reach[:, None] * directions[:, None]
    values = _at(soft, rays.reshape(-1, 2)).reshape(len(points), len(reach))
    values[:, -1] = 0
    end = np.maximum((values < 0.5).argmax(1), 1)
    rows = np.arange(len(points))
    inside, outside = values[rows, end - 1], values[rows, end]
    share = np.clip((inside - 0.5) / np.maximum(inside - outside, 1e-6), 0, 1)
    return np.asarray(reach[end - 1] + share * (reach[1] - reach[0]))


def _to_tips(points: _Floats, soft: npt.NDArray[np.float32], radius: float) -> _Floats:
    """A path, gone on with straight to the outline at both ends."""
    tips = []
    for path in (points, points[::-1]):
        inward = path - path[0]
        back = min(int(np.searchsorted(np.hypot(*inward.T), radius)), len(path) - 1)
        ahead = -inward[back : back + 1] / max(float(np.hypot(*inward[back])), 1e-9)
        reach = np.linspace(0, 6 * radius + 4, min(int(6 * radius) + 5, 4 * _RAYS))
        tips.append(path[:1] + _first_outside(path[:1], ahead, reach, soft)[:, None] * ahead)
    return np.concatenate([tips[0], points, tips[1]])


def _inner(path: _Floats, margin: float) -> _Floats:
    """A path without its ends of this length."""
    steps = np.sqrt((np.diff(path, axis=0) ** 2).sum(1))
    gone = np.concatenate([[0.0], np.cumsum(steps)])
    margin = min(margin, gone[-1] / 4)
    even = np.linspace(margin, gone[-1] - margin, 2 * _POINTS)
    return np.stack([np.interp(even, gone, path[:, i]) for i in range(2)], 1)


def _explained(mask: Mask, points: _Floats, radii: _Floats) -> float:
    covered = np.zeros_like(mask)
    dots = np.rint(points).astype(np.int32).tolist()
    thick = np.maximum(np.rint(2 * np.maximum(radii[:-1], radii[1:])), 1).astype(int).tolist()
    for one, other, width in zip(dots[:-1], dots[1:], thick, strict=True):
        cv2.line(covered, one, other, 1, width)
    return cv2.countNonZero(covered & mask) / max(cv2.countNonZero(mask), 1)
