"""Whether a camera still looks where it did: its still background against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Rgb

#: ``unknown``: the picture is too plain to tell.
Stand = Literal["steady", "moved", "unknown"]
#: Width in pixels at which pictures are compared.
_WIDTH = 640
#: Side in pixels of the cells of which each has one place that is compared, how distinct that must
#: be (smallest eigenvalue of its gradients), and how many places it takes to tell.
_CELL = 24
_DISTINCT = 2e-4
_LEAST = 12
#: Share of the places that must be where they were. Of a camera that moved none is; a belt and what
#: lies on it move under one that did not.
_STILL = 0.06
#: A place is found again if the way back from it ends within this many pixels.
_RETURN = 0.7
#: Looks in a row that must agree before it is said.
_AGREE = 3


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the background is from the reference.

    Attributes:
        px: median distance, in pixels of the full picture, of the places that are found again.
        still: share of all places that are where they were.
        places: how many were looked for.
    """

    px: float
    still: float
    places: int


class Steadiness:
    """Compares pictures of one camera with a reference.

    Most places may be on a belt that moves, or on objects that are gone: it is enough that some
    are still where they were.
    """

    def __init__(self, reference: Rgb, most_px: float) -> None:
        """``most_px`` is how far the background may be off, in pixels of the full picture."""
        self._most_px = most_px
        self._grey, self._scale = _small(reference)
        self._places = _distinct(self._grey)
        self._moved = 0
        self._steady = 0
        self.stand: Stand = "unknown" if len(self._places) < _LEAST else "steady"

    def shift(self, picture: Rgb) -> Shift:
        """How far a picture is from the reference."""
        grey, _ = _small(picture)
        count = len(self._places)
        if not count or grey.shape != self._grey.shape:
            return Shift(float("inf"), 0.0, count)
        # At one scale alone: at coarse ones, a belt that moves takes its still surroundings along.
        there, ok, _ = cv2.calcOpticalFlowPyrLK(self._grey, grey, self._places, None, maxLevel=0)
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, self._grey, there, None, maxLevel=0)
        apart = np.linalg.norm(back - self._places, axis=2).ravel()
        found = (ok.ravel() == 1) & (ok_back.ravel() == 1) & (apart < _RETURN)
        if not found.any():
            return Shift(float("inf"), 0.0, count)
        step = (there - self._places)[found].reshape(-1, 2)
        distance = np.hypot(*step.T) / self._scale
        still = float((distance <= self._most_px).sum()) / count
        return Shift(float(np.median(distance)), still, count)

    def look(self, picture: Rgb) -> Stand:
        """Take in a picture: what is to be believed now."""
        if len(self._places) < _LEAST:
            return self.stand
        shift = self.shift(picture)
        off = shift.still < _STILL
        self._moved, self._steady = (self._moved + 1, 0) if off else (0, self._steady + 1)
        if self._moved >= _AGREE:
            self.stand = "moved"
        elif self._steady >= _AGREE:
            self.stand = "steady"
        return self.stand


def _distinct(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The most distinct place of each cell of a picture: (N, 1, 2). What is most distinct in the
    whole picture may all lie on the belt."""
    values = cv2.cornerMinEigenVal(grey, 5)
    rows, columns = grey.shape[0] // _CELL, grey.shape[1] // _CELL
    cells = values[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    cells = cells.swapaxes(1, 2).reshape(rows, columns, _CELL * _CELL)
    best = cells.argmax(2)
    y, x = np.nonzero(cells.max(2, initial=0) > _DISTINCT)
    places = np.stack([x * _CELL + best[y, x] % _CELL, y * _CELL + best[y, x] // _CELL], 1)
    return places.astype(np.float32).reshape(-1, 1, 2)


def _small(picture: Rgb) -> tuple[npt.NDArray[np.uint8], float]:
    """Grey at the common width, and the scale; contrast is evened out against other light."""
    scale = min(_WIDTH / picture.shape[1], 1.0)
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    even = cv2.createCLAHE(2.0, (8, 8)).apply(grey)
    return np.asarray(even, np.uint8), scale
