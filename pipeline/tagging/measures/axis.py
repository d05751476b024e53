"""The axis of a shape: the longest path along its skeleton, from tip to tip."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float64]
#: Largest radius, in pixels, of what is thinned: the axis needs no finer pixels than that.
_THIN = 5.0
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
#: What stands for 1 where a mask is softened, and where the outline is then.
_FULL = 250
_EDGE = 125.0
_HALF = 0.5
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
    left: Mask = mask
    while True:
        before = cv2.countNonZero(left)
        for table in _removable():
            around = cv2.filter2D(left, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
            left = np.asarray(cv2.subtract(left, cv2.LUT(around, table)), np.uint8)
        if cv2.countNonZero(left) == before:
            return left


def longest_path(skeleton: Mask) -> _Floats:
    """The longest of the shortest ways through a connected skeleton (H, W): (N, 2) as x, y."""
    # One number a cell; a rim keeps the neighbours of those at the edge apart.
    width = skeleton.shape[1] + 2
    row, column = np.nonzero(skeleton)
    cells = ((row + 1) * width + column + 1).tolist()
    if not cells:
        return np.zeros((0, 2))
    steps = [(y * width + x, float(np.hypot(y, x))) for y, x in _AROUND]
    inside = set(cells)
    near = {
        cell: [(cell + step, far) for step, far in steps if cell + step in inside] for cell in cells
    }
    far, _ = _furthest(near, cells[0])
    end, back = _furthest(near, far)
    path = [end]
    while path[-1] != far:
        path.append(back[path[-1]])
    y, x = np.divmod(np.array(path), width)
    return np.stack([x - 1, y - 1], 1).astype(float)


def _furthest(
    near: Mapping[int, Sequence[tuple[int, float]]], start: int
) -> tuple[int, dict[int, int]]:
    """The cell furthest from another, and every cell's neighbour on the way there; ``near``: the
    neighbours of every cell and how far they are."""
    known = {start: 0.0}
    back: dict[int, int] = {}
    waiting = [(0.0, start)]
    last = start
    while waiting:
        far, at = heapq.heappop(waiting)
        if far > known[at]:
            continue
        last = at
        for other, step in near[at]:
            cost = far + step
            if other not in known or cost < known[other]:
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
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_3)  # about: 3 % at worst
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
    soft = cv2.GaussianBlur(padded * _FULL, (3, 3), 0)
    radius = float(depth.max())
    points = _to_tips(_smooth(path)[0], soft, radius)
    for margin in _MARGINS:
        inner = _centred(_inner(points, max(2.0, margin * radius)), soft, radius)
        points = _to_tips(_smooth(inner)[0], soft, radius / 2)
    radii = _radii(padded, points)
    return Axis(points - 2, radii, _explained(padded, points, radii))


def _radii(mask: Mask, points: _Floats) -> _Floats:
    """How far from points (N, 2) a mask's outline is; 0 outside of it, and at both tips."""
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    edge = np.asarray(cv2.findNonZero(cv2.subtract(mask, inner)), np.float32).reshape(-1, 2)
    x, y = (points[:, i, None].astype(np.float32) - edge[:, i] for i in range(2))
    radii = np.asarray(np.sqrt((x * x + y * y).min(1)), float) + 0.5
    radii[_at(mask, points) < _HALF] = 0
    radii[[0, -1]] = 0
    return radii


def _without_forks(path: _Floats, depth: npt.NDArray[np.float32]) -> _Floats:
    """A path without its ends, as far as they may lead into corners."""
    if len(path) < 3:
        return path
    gone = _gone(path)
    reach = _FORKED * _at(depth, path)
    inside = np.flatnonzero((gone >= reach) & (gone[-1] - gone >= reach))
    return path[inside[0] : inside[-1] + 1] if len(inside) else path[:0]


def _at(values: npt.NDArray[np.uint8] | npt.NDArray[np.float32], points: _Floats) -> _Floats:
    """Values (H, W) between pixels at points (N, 2)."""
    places = points.astype(np.float32)[None]
    return np.asarray(cv2.remap(values, places, None, cv2.INTER_LINEAR), float).reshape(-1)


@lru_cache(maxsize=8)
def _even(degree: int) -> tuple[_Floats, _Floats]:
    """Chebyshev polynomials, and their slopes, at even points: (_POINTS, degree + 1) each."""
    even, every = np.linspace(-1, 1, _POINTS), np.eye(degree + 1)
    values = np.polynomial.chebyshev.chebval(even, every)
    slopes = np.polynomial.chebyshev.chebval(even, np.polynomial.chebyshev.chebder(every))
    return np.asarray(values).T, np.asarray(slopes).T


def _smooth(path: _Floats) -> tuple[_Floats, _Floats]:
    """A path (N, 2) as polynomials of its length: even points on them and unit normals there."""
    gone = _gone(path)
    degree = min(_DEGREE, len(path) // 4)
    # Chebyshev's polynomials are cosines; of few of them the normal equations are exact enough.
    turned = np.arccos(np.clip(2 * gone / gone[-1] - 1, -1, 1))
    basis = np.cos(turned[:, None] * np.arange(degree + 1))
    fits = np.linalg.solve(basis.T @ basis, basis.T @ path)
    values, slopes = _even(degree)
    slope = slopes @ fits
    slope /= np.maximum(np.hypot(slope[:, 0], slope[:, 1]), 1e-9)[:, None]
    return values @ fits, np.stack([-slope[:, 1], slope[:, 0]], 1)


def _gone(path: _Floats) -> _Floats:
    """Length of a path (N, 2) up to each of its points."""
    gone = np.zeros(len(path))
    steps = path[1:] - path[:-1]
    np.cumsum(np.hypot(steps[:, 0], steps[:, 1]), out=gone[1:])
    return gone


def _centred(path: _Floats, soft: Mask, radius: float) -> _Floats:
    """Points of a path, each moved to the middle between the outlines on either side of it."""
    points, normals = _smooth(path)
    reach = np.linspace(0, 2 * radius + 2, min(int(2 * radius) + 3, _RAYS))
    both = np.concatenate([points, points]), np.concatenate([normals, -normals])
    one, other = _first_outside(*both, reach, soft).reshape(2, -1)
    shift = np.clip((one - other) / 2, -radius / 2, radius / 2)
    return points + shift[:, None] * normals


def _first_outside(points: _Floats, directions: _Floats, reach: _Floats, soft: Mask) -> _Floats:
    """How far (N,) from points (N, 2) in their directions the shape ends."""
    rays = points[:, None] + reach[:, None] * directions[:, None]
    values = _at(soft, rays.reshape(-1, 2)).reshape(len(points), len(reach))
    values[:, -1] = 0
    end = np.maximum((values < _EDGE).argmax(1), 1)
    rows = np.arange(len(points))
    inside, outside = values[rows, end - 1], values[rows, end]
    share = np.clip((inside - _EDGE) / np.maximum(inside - outside, 1e-6), 0, 1)
    return np.asarray(reach[end - 1] + share * (reach[1] - reach[0]))


def _to_tips(points: _Floats, soft: Mask, radius: float) -> _Floats:
    """A path, gone on with straight to the outline at both ends."""
    ends, ahead = points[[0, -1]], []
    for path in (points, points[::-1]):
        inward = path - path[0]
        far = np.hypot(inward[:, 0], inward[:, 1])
        back = min(int(np.searchsorted(far, radius)), len(path) - 1)
        ahead.append(-inward[back] / max(float(far[back]), 1e-9))
    reach = np.linspace(0, 6 * radius + 4, min(int(6 * radius) + 5, 4 * _RAYS))
    on = np.array(ahead)
    tips = ends + _first_outside(ends, on, reach, soft)[:, None] * on
    return np.concatenate([tips[:1], points, tips[1:]])


def _inner(path: _Floats, margin: float) -> _Floats:
    """A path without its ends of this length."""
    gone = _gone(path)
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
