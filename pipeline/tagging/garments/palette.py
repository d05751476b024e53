"""Names of the colours on one parsed crop."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engines.packs import Label
from pipeline.picture.colour import (
    colour_map,
    evenly_lit,
    is_grey,
    lab_of,
    names_of,
    shares_of,
    within,
)
from pipeline.picture.colour_sense import beside, features, likelihood
from pipeline.tagging.garments.parts import COVERS, PARTS
from pipeline.tagging.parsing import Mask, cells_of
from pipeline.types import Rgb

#: Cells from which a garment's colour is also judged by what is around it.
LEAST_CELLS = 40
#: Cells that are enough to tell of a region.
ENOUGH = 200
#: Rows and columns of a crop.
Part = tuple[slice, slice]
WHOLE: Part = (slice(None), slice(None))


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
        self._around_parts: dict[tuple[str, ...], npt.NDArray[np.float32]] = {}
        covered = [COVERS.get(label.category or "", ()) for label in known]
        self._worn = {p: [i for i, own in enumerate(covered) if own == (p,)] for p in PARTS}
        self._bare = [
            [i for i, k in enumerate(known) if k.name == name] for name in ("skin", "hair")
        ]

    def names(self, mask: Mask, covers: tuple[str, ...], part: Part = WHOLE) -> tuple[str, ...]:
        """One or two colours of the cells in a mask; none of a picture without colours.

        Args:
            covers: the parts of the body that are covered; what covers none is judged by its own
                pixels alone.
            part: rows and columns with all cells of the mask and a rim of one cell.
        """
        if self.grey:
            return ()
        sensed = None
        shares, inner = shares_of(self._colours[part], mask[part])
        if covers and np.count_nonzero(inner) >= LEAST_CELLS:
            garment = _evenly(self._small[part][inner])
            sensed = likelihood(features(garment, self._around(covers)))
        return tuple(name for name, _ in names_of(shares, sensed))

    def _around(self, covers: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """What is told of the colours around what covers those parts."""
        if not self._beside:
            ground = (self._labels == 0) & within(self._small)
            bare = [cells_of(self._labels, members) for members in self._bare]
            self._beside = [_evenly(self._small[cells]) for cells in (*bare, ground)]
        if covers not in self._around_parts:
            other = [i for part in PARTS if part not in covers for i in self._worn[part]]
            worn = _evenly(self._small[cells_of(self._labels, other)])
            self._around_parts[covers] = beside([worn, *self._beside])
        return self._around_parts[covers]


def _evenly(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Some of the pixels (n, 3) RGB, evenly chosen, in CIELAB."""
    pixels = pixels[:: max(len(pixels) // ENOUGH, 1)]
    return lab_of(pixels.astype(np.float64)) if len(pixels) else np.zeros((0, 3), np.float32)
