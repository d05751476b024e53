"""A mask of one object on a plane: length, width and area in cm, and what speaks against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pipeline.tagging.measures.axis import Axis, Mask, axis_of
from pipeline.tagging.measures.plane import Plane, Points, along, lengths_of, spread_of

#: ``whole``: all of one object. ``cut``: the picture ends there. ``overlapping``: several objects
#: touch or hide each other, or lie too close to tell.
State = Literal["whole", "cut", "overlapping"]
#: Share of a shape that its axis must explain; of two that cross, it explains one.
_EXPLAINED = 0.88
#: Holes of this share lie between objects, not in one.
_HOLES = 0.04
#: A shape that narrows to this share of the widest place on both sides of it is two that touch.
_NECK = 0.62
#: Share of the axis's length on either side of a neck.
_APART = 0.22
#: Turn in radians, over a length of two radii, that an object does not make but two that meet do.
_KINK = 1.0
#: An axis this many times longer than wide is one; of rounder shapes the rectangle counts.
_SLENDER = 1.7


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """What one look at one object gives.

    Attributes:
        length_cm: along the axis; of round objects the longer side of the smallest rectangle.
        error_cm: standard error of the length by the plane's calibration.
        box_cm: sides of the smallest rectangle around it, the longer first.
        width_cm: the widest place across the axis.
        area_cm2: area on the plane.
        line: (N, 2) the axis in pixels of the picture.
    """

    state: State
    length_cm: float
    error_cm: float
    box_cm: tuple[float, float]
    width_cm: float
    area_cm2: float
    line: Points


def measure(mask: Mask, at: tuple[int, int], plane: Plane, holes: float = 0.0) -> Measure | None:
    """Measure a connected mask (H, W) of 0 and 1, whose first pixel is at x, y of the picture.
    ``None`` where there is nothing to measure, or it is not on the plane: above the horizon.

    ``holes`` is the share of it through which the plane can be seen.
    """
    outline = outline_of(mask)
    if outline is None:
        return None
    outline = cv2.convexHull(outline.astype(np.float32)).reshape(-1, 2).astype(float)
    offset = np.array(at, float)
    ground = plane.to_ground(outline + offset)
    if not np.isfinite(ground).all():
        return None
    sides = rectangle_sides(ground)
    axis = axis_of(mask)
    line = None if axis is None else axis.points + offset
    width = sides[1]
    if axis is not None and line is not None:
        width = _width(axis, offset, plane)
    slender = axis is not None and _length(line, plane) > _SLENDER * width
    if slender and line is not None:
        lengths = lengths_of(plane.to_ground(line, every=True))
    else:
        every = plane.to_ground(outline + offset, every=True)
        lengths = np.array([rectangle_sides(one)[0] for one in every])
        line, width = np.zeros((0, 2)), sides[1]
    if not np.isfinite(lengths).all():
        return None
    state = _state(mask, at, axis if slender else None, plane.size, outline)
    return Measure(
        "overlapping" if state == "whole" and holes > _HOLES else state,
        float(lengths[0]),
        spread_of(lengths),
        sides,
        width,
        _area(mask, offset, plane),
        line,
    )


def outline_of(mask: Mask) -> Points | None:
    """The outline (N, 2) of the largest piece of a mask, half a pixel outside of its outermost
    pixels' centres."""
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return None
    points = np.asarray(max(found, key=len), float).reshape(-1, 2)
    if len(points) < 8:
        return None
    ahead, behind = np.roll(points, -3, 0), np.roll(points, 3, 0)
    step = ahead - behind
    outward = np.stack([step[:, 1], -step[:, 0]], 1)
    outward /= np.maximum(np.hypot(*outward.T), 1e-9)[:, None]
    # Contours run one way round, by OpenCV's version; the sign of the area says which.
    x, y = points.T
    turn = np.sign((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) or 1.0
    return np.asarray(points + 0.5 * turn * outward)


def rectangle_sides(points: Points) -> tuple[float, float]:
    """Sides of the smallest rectangle around points (N, 2), the longer first."""
    if not np.isfinite(points).all():
        return float("nan"), float("nan")
    _, (one, other), _ = cv2.minAreaRect(points.astype(np.float32))
    return max(one, other), min(one, other)


def _length(line: Points | None, plane: Plane) -> float:
    return 0.0 if line is None else along(plane.to_ground(line))


def _width(axis: Axis, offset: Points, plane: Plane) -> float:
    """The widest place across the axis, in cm."""
    points = axis.points[1:-1]
    step = np.gradient(axis.points, axis=0)[1:-1]
    step /= np.maximum(np.hypot(*step.T), 1e-9)[:, None]
    across = np.stack([-step[:, 1], step[:, 0]], 1) * axis.radii[1:-1, None]
    sides = np.concatenate([points + across, points - across])
    one, other = plane.to_ground(sides + offset).reshape(2, -1, 2)
    return float(np.hypot(*(one - other).T).max())


def _area(mask: Mask, offset: Points, plane: Plane) -> float:
    """Area in square cm: pixels counted by cells of a coarse grid, each at its own scale."""
    step = max(round(max(mask.shape) / 16), 1)
    padded = cv2.copyMakeBorder(
        mask, 0, -mask.shape[0] % step, 0, -mask.shape[1] % step, cv2.BORDER_CONSTANT, value=0
    )
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    counts = padded.reshape(rows, step, columns, step).sum((1, 3), dtype=np.int64)
    y, x = np.nonzero(counts)
    centres = np.stack([x, y], 1) * step + (step - 1) / 2 + offset
    return float((counts[y, x] * np.nan_to_num(plane.scale(centres))).sum())


def _state(
    mask: Mask, at: tuple[int, int], axis: Axis | None, size: tuple[int, int], outline: Points
) -> State:
    low, high = outline.min(0) + at, outline.max(0) + at
    if (low < 1).any() or (high > np.array(size) - 2).any():
        return "cut"
    if axis is not None and (axis.explained < _EXPLAINED or _has_neck(axis) or _has_kink(axis)):
        return "overlapping"
    if axis is None and _solidity(mask) < _EXPLAINED:
        return "overlapping"
    return "whole"


def _solidity(mask: Mask) -> float:
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(max(found, key=len)))
    return float(mask.sum()) / max(hull, 1.0)


def _has_neck(axis: Axis) -> bool:
    radii = axis.radii[1:-1]
    edge = max(round(_APART * len(radii)), 2)
    inside = range(edge, len(radii) - edge)
    return any(radii[i] < _NECK * min(radii[:i].max(), radii[i:].max()) for i in inside)


def _has_kink(axis: Axis) -> bool:
    points = axis.points[1:-1]
    step = np.diff(points, axis=0)
    angles = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    length = float(np.hypot(*step.T).mean())
    reach = max(round(2 * float(axis.radii.max()) / max(length, 1e-9)), 1)
    if reach >= len(angles):
        return False
    return float(np.abs(angles[reach:] - angles[:-reach]).max()) > _KINK
