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
#: Places that are compared, and how many it takes to tell.
_PLACES = 200
_LEAST = 12
#: Share of the places that must have moved alike, or not be found any more.
_MOST = 0.5
#: A place is found again if the way back from it ends within this many pixels.
_RETURN = 0.7
#: Looks in a row that must agree before it is said.
_AGREE = 3


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the background is from the reference.

    Attributes:
        px: median distance in pixels of the full picture.
        found: share of the places that are found again.
        places: how many were looked for.
    """

    px: float
    found: float
    places: int


class Steadiness:
    """Compares pictures of one camera with a reference.

    Places on objects that lay in the reference and are gone count as not found; half of all places
    may be so.
    """

    def __init__(self, reference: Rgb, most_px: float) -> None:
        """``most_px`` is how far the background may be off, in pixels of the full picture."""
        self._most_px = most_px
        self._grey, self._scale = _small(reference)
        corners = cv2.goodFeaturesToTrack(self._grey, _PLACES, 0.02, 12)
        self._places = np.zeros((0, 1, 2), np.float32) if corners is None else corners
        self._moved = 0
        self._steady = 0
        self.stand: Stand = "unknown" if len(self._places) < _LEAST else "steady"

    def shift(self, picture: Rgb) -> Shift:
        """How far a picture is from the reference."""
        grey, _ = _small(picture)
        count = len(self._places)
        if not count or grey.shape != self._grey.shape:
            return Shift(float("inf"), 0.0, count)
        there, ok, _ = cv2.calcOpticalFlowPyrLK(self._grey, grey, self._places, None)
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, self._grey, there, None)
        apart = np.linalg.norm(back - self._places, axis=2).ravel()
        found = (ok.ravel() == 1) & (ok_back.ravel() == 1) & (apart < _RETURN)
        if not found.any():
            return Shift(float("inf"), 0.0, count)
        step = (there - self._places)[found].reshape(-1, 2)
        distance = float(np.median(np.hypot(*step.T)))
        return Shift(distance / self._scale, float(found.mean()), count)

    def look(self, picture: Rgb) -> Stand:
        """Take in a picture: what is to be believed now."""
        if len(self._places) < _LEAST:
            return self.stand
        shift = self.shift(picture)
        off = shift.px > self._most_px or shift.found < 1 - _MOST
        self._moved, self._steady = (self._moved + 1, 0) if off else (0, self._steady + 1)
        if self._moved >= _AGREE:
            self.stand = "moved"
        elif self._steady >= _AGREE:
            self.stand = "steady"
        return self.stand


def _small(picture: Rgb) -> tuple[npt.NDArray[np.uint8], float]:
    """Grey at the common width, and the scale; contrast is evened out against other light."""
    scale = min(_WIDTH / picture.shape[1], 1.0)
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    even = cv2.createCLAHE(2.0, (8, 8)).apply(grey)
    return np.asarray(even, np.uint8), scale
