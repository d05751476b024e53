"""A printed board of known squares: the plane it lies on, and the lens that sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.tagging.measures.plane import Lens, PlaneSettings, Points

#: Views of a board that a lens is calibrated from, at least.
LENS_VIEWS = 4
#: Share of a square's side that a marker of a ChArUco board takes.
MARKER = 0.75
_REFINE = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 0.001)


@dataclass(frozen=True, slots=True)
class Board:
    """A chessboard by its inner corners across and down, or with ``markers`` (the name of one of
    OpenCV's dictionaries, e.g. ``4X4_50``) a ChArUco board by its squares."""

    across: int
    down: int
    square_cm: float
    markers: str = ""

    def __post_init__(self) -> None:
        if min(self.across, self.down) < 3 or max(self.across, self.down) > 60:
            raise ConfigError(f"board {self.across}x{self.down}: from 3 to 60 across and down")
        if not 0 < self.square_cm < 1000:
            raise ConfigError(f"square {self.square_cm:g} cm: must be longer than 0")

    def find(self, grey: npt.NDArray[np.uint8]) -> tuple[Points, Points] | None:
        """Corners in a grey picture (H, W) and on the board in cm, each (N, 2); ``None`` where it
        is not in view: a chessboard must be whole."""
        return self._charuco(grey) if self.markers else self._chessboard(grey)

    def _chessboard(self, grey: npt.NDArray[np.uint8]) -> tuple[Points, Points] | None:
        size = (self.across, self.down)
        found, corners = cv2.findChessboardCorners(grey, size, flags=cv2.CALIB_CB_ADAPTIVE_THRESH)
        if not found:
            return None
        image = np.asarray(corners, float).reshape(-1, 2)
        rows = image.reshape(self.down, self.across, 2)
        gap = min(np.linalg.norm(np.diff(rows, axis=axis), axis=2).min() for axis in (0, 1))
        half = max(int(min(gap / 2, 11)) - 1, 2)  # no window reaches the next corner
        refined = cv2.cornerSubPix(
            grey, image.astype(np.float32).reshape(-1, 1, 2), (half, half), (-1, -1), _REFINE
        )
        grid = np.mgrid[: self.across, : self.down].T.reshape(-1, 2)
        return np.asarray(refined, float).reshape(-1, 2), grid * self.square_cm

    def _charuco(self, grey: npt.NDArray[np.uint8]) -> tuple[Points, Points] | None:
        kind = getattr(cv2.aruco, f"DICT_{self.markers}", None)
        if kind is None:
            raise ConfigError(f"{self.markers}: no dictionary of markers; name one such as 4X4_50")
        markers = cv2.aruco.getPredefinedDictionary(kind)
        board = cv2.aruco.CharucoBoard(
            (self.across, self.down), self.square_cm, self.square_cm * MARKER, markers
        )
        corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if ids is None or len(ids) < 8:
            return None
        ground = np.asarray(board.getChessboardCorners(), float)[np.asarray(ids).ravel(), :2]
        if min(np.ptp(ground, axis=0)) < self.square_cm:  # corners of one row alone
            return None
        return np.asarray(corners, float).reshape(-1, 2), ground


def lens_of(views: Sequence[tuple[Points, Points]], picture: tuple[int, int]) -> Lens:
    """The lens that sees a board in several views.

    Raises:
        ConfigError: there are too few, or they do not differ.
    """
    if len(views) < LENS_VIEWS:
        raise ConfigError(
            f"the board was found in {len(views)} pictures; a lens needs it in {LENS_VIEWS} or "
            "more, held in different ways"
        )
    ground = [np.hstack([on, np.zeros((len(on), 1))]).astype(np.float32) for _, on in views]
    image = [seen.astype(np.float32) for seen, _ in views]
    _, matrix, distortion, _, _ = cv2.calibrateCamera(ground, image, picture, None, None)
    if not np.isfinite(matrix).all() or not 0.1 < matrix[0, 0] / max(picture) < 30:
        raise ConfigError("these views do not tell the lens; tilt the board more between them")
    return Lens(
        focal=(float(matrix[0, 0]), float(matrix[1, 1])),
        centre=(float(matrix[0, 2]), float(matrix[1, 2])),
        distortion=tuple(float(v) for v in np.ravel(distortion)[:5]),
    )


def plane_of_board(
    view: tuple[Points, Points], picture: tuple[int, int], lens: Lens | None = None
) -> PlaneSettings:
    """The plane a board lies on in one view.

    Its error is how far the corners found are off the homography through them all, carried over to
    the four outermost ones.
    """
    seen, ground = view
    straight = seen
    if lens is not None:
        straight = np.asarray(
            cv2.undistortPoints(
                seen.reshape(-1, 1, 2), lens.matrix, np.array(lens.distortion), P=lens.matrix
            ),
            float,
        ).reshape(-1, 2)
    (x0, y0), (x1, y1) = ground.min(0), ground.max(0)
    outer = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    forward, _ = cv2.findHomography(ground, straight)
    corners = _through(forward, outer)
    left = straight - _through(forward, ground)
    free = max(2 * len(ground) - 8, 1)
    residual = float(np.sqrt((left**2).sum() / free))
    error = residual * _leverage(outer, corners, ground)
    bent = _bent(corners, lens)
    return PlaneSettings(
        picture=picture,
        corners=tuple((float(x), float(y)) for x, y in bent),
        size_cm=(float(x1 - x0), float(y1 - y0)),
        error_px=error,
        lens=lens,
    )


def _through(matrix: Points, points: Points) -> Points:
    return np.asarray(cv2.perspectiveTransform(points.reshape(-1, 1, 2), matrix), float).reshape(
        -1, 2
    )


def _leverage(outer: Points, corners: Points, ground: Points) -> float:
    """Standard error of the four outer corners for an error of one pixel of each corner found: of
    linear least squares."""
    columns = []
    for i in range(8):
        moved = np.repeat(corners[None], 2, 0)
        moved[0].flat[i] += 0.5
        moved[1].flat[i] -= 0.5
        one, other = (
            _through(
                cv2.getPerspectiveTransform(outer.astype(np.float32), m.astype(np.float32)), ground
            )
            for m in moved
        )
        columns.append((one - other).ravel())
    jacobian = np.stack(columns, 1)
    return float(np.sqrt(np.trace(np.linalg.pinv(jacobian.T @ jacobian)) / 8))


def _bent(points: Points, lens: Lens | None) -> Points:
    """Points of a lens without distortion, where this one shows them."""
    if lens is None:
        return points
    rays = np.hstack([points, np.ones((len(points), 1))]) @ np.linalg.inv(lens.matrix).T
    found, _ = cv2.projectPoints(
        rays, np.zeros(3), np.zeros(3), lens.matrix, np.array(lens.distortion)
    )
    return np.asarray(found, float).reshape(-1, 2)
