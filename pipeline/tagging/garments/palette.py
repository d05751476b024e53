"""Names of the colours on one parsed crop."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engines.packs import Label
from pipeline.picture.colour import (
    BEYOND,
    colour_map,
    colour_names,
    evenly_lit,
    is_grey,
    lab_of,
    shares_of,
)
from pipeline.picture.colour_sense import features, likelihood
from pipeline.tagging.garments.parts import COVERS, PARTS
from pipeline.tagging.parsing import Mask, cells_of
from pipeline.types import Rgb

#: Cells from which a garment's colour is also judged by what is around it.
LEAST_CELLS = 40
#: Cells that are enough to tell of a region.
ENOUGH = 200


class Palette:
    """A crop's colours, and what it shows beside a garment: the other garments, skin, hair and
    the ground."""

    def __init__(self, crop: Rgb, labels: npt.NDArray[np.uint8], known: tuple[Label, ...]) -> None:
        size = (labels.shape[1], labels.shape[0])
        small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
        self.grey = is_grey(small)
        self._colours = colour_map(evenly_lit(small))
        self._labels = labels
        self._small = small
        self._beside: list[npt.NDArray[np.float32]] = []
        covered = [COVERS.get(label.category or "", ()) for label in known]
        self._worn = {p: [i for i, own in enumerate(covered) if own == (p,)] for p in PARTS}
        self._bare = [
            [i for i, k in enumerate(known) if k.name == name] for name in ("skin", "hair")
        ]

    def names(self, mask: Mask, covers: tuple[str, ...]) -> tuple[str, ...]:
        """One or two colours of the cells in a mask; none of a picture without colours.

        Args:
            covers: the parts of the body that are covered; what covers none is judged by its own
                pixels alone.
        """
        if self.grey:
            return ()
        sensed = None
        _, inner = shares_of(self._colours, mask)
        if covers and inner.sum() >= LEAST_CELLS:
            other = [i for part in PARTS if part not in covers for i in self._worn[part]]
            sensed = likelihood(features(self._cells(inner), self._around(other)))
        return tuple(name for name, _ in colour_names(self._colours, mask, sensed))

    def _around(self, other: list[int]) -> list[npt.NDArray[np.float32]]:
        if not self._beside:
            ground = (self._labels == 0) & (self._small != BEYOND).any(axis=2)
            bare = [cells_of(self._labels, members) for members in self._bare]
            self._beside = [self._cells(cells) for cells in (*bare, ground)]
        return [self._cells(cells_of(self._labels, other)), *self._beside]

    def _cells(self, cells: Mask) -> npt.NDArray[np.float32]:
        """Pixels of some cells in CIELAB (n, 3), evenly chosen."""
        pixels = self._small[cells]
        pixels = pixels[:: max(len(pixels) // ENOUGH, 1)]
        return lab_of(pixels.astype(np.float64)) if len(pixels) else np.zeros((0, 3), np.float32)
