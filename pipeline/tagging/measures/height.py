"""How tall somebody is who stands on a calibrated floor, and how long what they wear.

A plane alone says nothing about what stands on it. It takes the camera's place above the plane, and
with that its focal length: of a lens that is known, or, with square pixels and the optical axis in
the middle of the picture, of the homography itself. The latter is well posed only where the camera
looks at the floor aslant and the rectangle is seen in perspective; straight from above, and where
the error would be too large, no height is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.tagging.measures.plane import Plane, Points
from pipeline.types import Box

#: How far the toes that a box ends with are in front of the middle of the body, in cm.
TOES_CM = 9.0
#: Standard error of a box's upper and lower edge, as a share of its height.
BOX_ERROR = 0.01
#: Heights that people have, in cm, and the largest error, as a share, that is worth telling.
_PEOPLE = (80.0, 230.0)
_MOST_ERROR = 0.12
#: A focal length, in picture widths, that cameras have.
_FOCAL = (0.25, 8.0)


@dataclass(frozen=True, slots=True)
class Height:
    """A height and its standard error in cm."""

    cm: float
    error_cm: float


@dataclass(frozen=True, slots=True)
class End:
    """A place on somebody.

    Attributes:
        row: of the picture, in pixels.
        behind: how far it is behind the toes, cm: the front of the body is above them, the top of
            shoulders and head above the middle.
        wrong: standard error of the row, pixels.
        deep: standard error of ``behind``, cm.
    """

    row: float
    behind: float
    wrong: float
    deep: float = 0.0


def focal_of(homography: Points, centre: Points) -> float | None:
    """Focal length in pixels by a homography (3, 3) from cm to straightened pixels, for square
    pixels; ``None`` where it does not tell."""
    shifted = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, 1.0]]) @ homography
    one, other = shifted[:, 0], shifted[:, 1]
    near = np.array(
        [one[0] * other[0] + one[1] * other[1], one[:2] @ one[:2] - other[:2] @ other[:2]]
    )
    far = np.array([one[2] * other[2], one[2] ** 2 - other[2] ** 2])
    if far @ far < 1e-18 * (one @ one) ** 2:
        return None
    square = -float(near @ far) / float(far @ far)
    return float(np.sqrt(square)) if square > 0 else None


def cameras(plane: Plane) -> list[Points | None]:
    """Projections (3, 4) from cm, z up from the plane, to straightened pixels, one of each variant
    of the plane; ``None`` where the camera's place is not known."""
    matrix = plane.matrix
    found: list[Points | None] = []
    for inverse in plane.maps:
        homography = np.linalg.inv(inverse)
        inner = matrix
        if inner is None:
            centre = np.array(plane.size) / 2
            focal = focal_of(homography, centre)
            if focal is None or not _FOCAL[0] < focal / plane.size[0] < _FOCAL[1]:
                found.append(None)
                continue
            inner = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])
        found.append(_projection(homography, inner))
    return found


def _projection(homography: Points, matrix: Points) -> Points:
    columns = np.linalg.inv(matrix) @ homography
    columns /= np.sqrt(np.linalg.norm(columns[:, 0]) * np.linalg.norm(columns[:, 1]))
    if columns[2, 2] < 0:  # the plane is in front of the camera
        columns = -columns
    across, down = columns[:, 0], columns[:, 1]
    u, _, v = np.linalg.svd(np.stack([across, down, np.cross(across, down)], 1))
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    up = rotation[:, 2]
    if (-rotation.T @ columns[:, 2])[2] < 0:  # the camera is above it
        up = -up
    return np.asarray(matrix @ np.stack([across, down, up, columns[:, 2]], 1), float)


def rise(camera: Points, feet: Points, head: Points, behind: float = TOES_CM) -> float:
    """Height in cm above the plane of what is seen at ``head``, upright above what is ``behind`` cm
    behind what is seen at ``feet``, somebody's toes; both straightened pixels."""
    flat = camera[:, [0, 1, 3]]
    ground = np.linalg.solve(flat, np.array([*feet, 1.0]))
    ground = ground[:2] / ground[2]
    inverse = np.linalg.inv(camera[:, :3])
    eye = -inverse @ camera[:, 3]
    away = ground - eye[:2]
    ground = ground + behind * away / max(float(np.hypot(*away)), 1e-6)
    base, step = camera @ np.array([*ground, 0, 1.0]), camera[:, 2]
    # (base + h step) is seen at the head: two equations, one unknown.
    slope = step[:2] - head * step[2]
    return float(-(slope @ (base[:2] - head * base[2])) / (slope @ slope))


@lru_cache(maxsize=64)
def _cameras_of(plane: Plane) -> tuple[Points | None, ...]:
    return tuple(cameras(plane))


def height_of(plane: Plane, box: Box) -> Height | None:
    """The height of somebody whose box is in pixels, all of them in view and upright; ``None``
    where the calibration does not tell, or no person is as tall."""
    wrong = BOX_ERROR * (box[3] - box[1])
    found = _seen(plane, box, (End(box[1], TOES_CM, wrong),))
    return found if found is not None and _PEOPLE[0] < found.cm < _PEOPLE[1] else None


def span_of(plane: Plane, box: Box, upper: End, lower: End) -> Height | None:
    """How far apart two places of somebody upright are, in the middle of their box (pixels);
    ``None`` where the calibration does not tell, or the error would be too large."""
    found = _seen(plane, box, (upper, lower))
    return found if found is not None and 0 < found.cm < _PEOPLE[1] else None


def _seen(plane: Plane, box: Box, ends: tuple[End, ...]) -> Height | None:
    """How high above the floor the first end is, or how high above the second."""
    every = [camera for camera in _cameras_of(plane) if camera is not None]
    if len(every) < len(plane.maps) or box[3] <= box[1]:
        return None
    middle = (box[0] + box[2]) / 2
    points = plane.straight(np.array([[middle, row] for row in (box[3], *(e.row for e in ends))]))
    if (plane.maps[0] @ [*points[0], 1.0])[2] <= 1e-9:  # above the horizon
        return None
    behind = np.array([end.behind for end in ends])
    best, *variants = (_apart(camera, points, behind) for camera in every)
    moved = [*np.subtract(variants[::2], variants[1::2])]
    wrong = (BOX_ERROR * (box[3] - box[1]), *(end.wrong for end in ends))
    for step in np.diag(wrong):
        down = np.stack([np.zeros(len(points)), step], 1)
        more, less = (_apart(every[0], points + s * down, behind) for s in (1, -1))
        moved.append(more - less)
    for deep in np.diag([end.deep for end in ends]):
        more, less = (_apart(every[0], points, behind + s * deep) for s in (1, -1))
        moved.append(more - less)
    error = float(np.sqrt((np.square(moved) / 4).sum()))
    return Height(best, error) if error < _MOST_ERROR * best else None


def _apart(camera: Points, points: Points, behind: npt.NDArray[np.float64]) -> float:
    """Height of the second of some points (feet, upper, lower), above the third if there is one;
    so far ``behind`` the toes they are."""
    feet, *ends = points
    upper, *lower = (rise(camera, feet, p, b) for p, b in zip(ends, behind.tolist(), strict=True))
    return upper - sum(lower)
