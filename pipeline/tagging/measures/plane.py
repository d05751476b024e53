"""A plane seen by a camera: from pixels to centimetres, and how far off that may be.

Four corners of a rectangle of known size fix the homography. Where the corners are uncertain, every
result is too: each of their eight coordinates is moved by its standard error, both ways, and what
that does to a result is what is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from pipeline.errors import ConfigError
from pipeline.settings.section import Section

Points = npt.NDArray[np.float64]
#: A corner this near to the line through two others, as a share of their distance, lies on it.
_FLAT = 0.02
#: Pictures whose sides differ by more than this from the calibration's proportions are others.
_SAME_SHAPE = 0.01


class Lens(Section):
    """A camera's lens, in pixels of the picture it was calibrated with."""

    focal: tuple[float, float] = Field(description="focal lengths in pixels, across and down")
    centre: tuple[float, float] = Field(description="where the optical axis meets the picture")
    distortion: tuple[float, ...] = Field(
        (0.0,) * 5, min_length=5, max_length=5, description="k1, k2, p1, p2, k3 as of OpenCV"
    )

    @property
    def matrix(self) -> Points:
        """Camera matrix (3, 3)."""
        (fx, fy), (cx, cy) = self.focal, self.centre
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


class PlaneSettings(Section):
    """A rectangle on the plane and where the camera sees it, as ``threadline measure calibrate``
    writes it."""

    picture: tuple[int, int] = Field(description="width and height of the picture, pixels")
    corners: tuple[tuple[float, float], ...] = Field(
        min_length=4, max_length=4, description="the rectangle's corners in turn, in pixels"
    )
    size_cm: tuple[float, float] = Field(
        description="length of the side from the first corner to the second, and of the next"
    )
    error_px: float = Field(ge=0, description="standard error of each corner's x and y, pixels")
    lens: Lens | None = Field(None, description="the lens, where it is known")

    @model_validator(mode="after")
    def _possible(self) -> PlaneSettings:
        check_corners(self.corners, self.picture, self.size_cm)
        return self


def check_corners(
    corners: tuple[tuple[float, float], ...], picture: tuple[int, int], size: tuple[float, float]
) -> None:
    """Raise ConfigError (a ValueError) unless points are the corners of a rectangle in view."""
    points = np.array(corners, float)
    if len(points) != 4:
        raise ConfigError(f"a rectangle has four corners x,y; {len(points)} are given")
    if not np.isfinite(points).all():
        raise ConfigError("a corner's x or y is no number")
    if min(size) <= 0 or not np.isfinite(size).all():
        raise ConfigError(f"size {size[0]:g}x{size[1]:g}: both sides must be longer than 0")
    if (points < 0).any() or (points > np.array(picture)).any():
        raise ConfigError(f"a corner is outside of the picture ({picture[0]} x {picture[1]})")
    turns = []
    for i in range(4):
        before, at, after = points[i - 1], points[i], points[(i + 1) % 4]
        one, other, across = at - before, after - at, points[i - 2] - at
        sides = max(np.hypot(*one), np.hypot(*other), np.hypot(*across), 1e-9)
        turns.append((one[0] * other[1] - one[1] * other[0]) / sides**2)
    if min(map(abs, turns)) < _FLAT:
        raise ConfigError("three corners lie on a line; mark four corners of a rectangle")
    if len({turn > 0 for turn in turns}) > 1:
        raise ConfigError("the rectangle crosses itself; name its corners in turn, going round")


class Plane:
    """The plane as pictures of one size see it.

    Attributes:
        corners: (4, 2) image points in pixels of these pictures.
        ground: (4, 2) the same in cm.
    """

    def __init__(self, settings: PlaneSettings, size: tuple[int, int]) -> None:
        """``size`` is the pictures' width and height.

        Raises:
            ConfigError: their proportions are others than the calibration's.
        """
        width, height = settings.picture
        across, down = size[0] / width, size[1] / height
        if abs(across / down - 1) > _SAME_SHAPE:
            raise ConfigError(
                f"pictures are {size[0]} x {size[1]}, the calibration is of {width} x {height}: "
                "calibrate again"
            )
        self.settings, self.size = settings, size
        self._scale = scale = np.array([across, down])
        self.corners: Points = np.array(settings.corners) * scale
        w, h = settings.size_cm
        self.ground: Points = np.array([[0, 0], [w, 0], [w, h], [0, h]], float)
        self.error_px = settings.error_px * float(scale.mean())

    @cached_property
    def matrix(self) -> Points | None:
        """Camera matrix (3, 3) in pixels of these pictures, where the lens is known."""
        lens = self.settings.lens
        return None if lens is None else np.diag([*self._scale, 1.0]) @ lens.matrix

    def straight(self, points: Points) -> Points:
        """Image points (N, 2) as a lens without distortion would show them."""
        lens = self.settings.lens
        if lens is None or self.matrix is None or not any(lens.distortion) or not len(points):
            return np.asarray(points, float)
        found = cv2.undistortPoints(
            np.asarray(points, float).reshape(-1, 1, 2),
            self.matrix,
            np.array(lens.distortion),
            P=self.matrix,
        )
        return np.asarray(found, float).reshape(-1, 2)

    def bent(self, points: Points) -> Points:
        """The way back: where the lens shows what a lens without distortion has at (N, 2)."""
        lens = self.settings.lens
        if lens is None or self.matrix is None or not any(lens.distortion):
            return np.asarray(points, float)
        rays = cv2.convertPointsToHomogeneous(np.asarray(points, float)).reshape(-1, 3)
        rays = rays @ np.linalg.inv(self.matrix).T
        found, _ = cv2.projectPoints(
            rays, np.zeros(3), np.zeros(3), self.matrix, np.array(lens.distortion)
        )
        return np.asarray(found, float).reshape(-1, 2)

    @cached_property
    def variants(self) -> Points:
        """Straightened corners (17, 4, 2): as they are, then each coordinate moved by its standard
        error up and down."""
        found = [self.corners]
        for corner in range(4):
            for axis in range(2):
                for step in (self.error_px, -self.error_px):
                    moved = self.corners.copy()
                    moved[corner, axis] += step
                    found.append(moved)
        return np.stack([self.straight(corners) for corners in found])

    @cached_property
    def maps(self) -> Points:
        """Homographies (17, 3, 3) from straightened pixels to cm, one of each variant, positive in
        front of the camera."""
        ground = self.ground.astype(np.float32)
        found = []
        for corners in self.variants:
            h = np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), ground), float)
            found.append(h * np.sign(h[2] @ [*corners.mean(0), 1.0]))
        return np.stack(found)

    def to_ground(self, points: Points, every: bool = False) -> Points:
        """Image points (N, 2) in cm on the plane, or (17, N, 2) by ``every`` variant; those above
        the horizon are NaN."""
        straight = self.straight(points)
        rays = np.concatenate([straight, np.ones((len(straight), 1))], 1)
        found = rays @ (self.maps if every else self.maps[0]).swapaxes(-1, -2)
        depth = found[..., 2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(depth > 1e-9, found[..., :2] / depth, np.nan))

    def to_picture(self, ground: Points) -> Points:
        """Points (N, 2) in cm on the plane in pixels of the picture."""
        rays = (
            np.concatenate([ground, np.ones((len(ground), 1))], 1) @ np.linalg.inv(self.maps[0]).T
        )
        return self.bent(rays[:, :2] / rays[:, 2:])

    def scale(self, points: Points) -> npt.NDArray[np.float64]:
        """Square cm that one pixel at each of the points (N, 2) shows."""
        steps = np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
        around = self.to_ground((points + steps[:, None]).reshape(-1, 2)).reshape(4, -1, 2)
        right, down = around[0] - around[1], around[2] - around[3]
        return np.asarray(np.abs(right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]))

    def with_error(self, points: Points, measure: Callable[[Points], float]) -> tuple[float, float]:
        """What ``measure`` finds on points in cm, and its standard error by the corners'."""
        values = np.array([measure(ground) for ground in self.to_ground(points, every=True)])
        return float(values[0]), spread_of(values)

    def typical_error(self) -> float:
        """Standard error of lengths as a share: the largest of both sides and both diagonals."""
        pairs = ((0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3))
        found = [self.with_error(self.corners[list(pair)], along) for pair in pairs]
        return max(error / max(length, 1e-9) for length, error in found)


def spread_of(values: npt.NDArray[np.float64]) -> float:
    """Standard error of a result, given it by all 17 variants of a plane."""
    return float(np.sqrt((((values[1::2] - values[2::2]) / 2) ** 2).sum()))


def along(points: Points) -> float:
    """Length of a line through points (N, 2)."""
    return float(lengths_of(points))


def lengths_of(lines: Points) -> npt.NDArray[np.float64]:
    """Lengths (...) of lines through points (..., N, 2)."""
    steps = lines[..., 1:, :] - lines[..., :-1, :]
    return np.asarray(np.hypot(steps[..., 0], steps[..., 1]).sum(-1))


def plane_of_rectangle(
    corners: tuple[tuple[float, float], ...],
    size_cm: tuple[float, float],
    picture: tuple[int, int],
    wrong: float,
    lens: Lens | None = None,
) -> PlaneSettings:
    """The plane of a drawn rectangle, whose corners are ``wrong`` by a share of its mean side.

    Raises:
        ConfigError: they are no corners of a rectangle.
    """
    check_corners(corners, picture, size_cm)
    side = along(np.array([*corners, corners[0]], float)) / 4
    return PlaneSettings(
        picture=picture, corners=corners, size_cm=size_cm, error_px=wrong * side, lens=lens
    )
