"""Pictures that are nearly the same: copies, frames of one moment, a photo saved twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
#: Thumbnails at least this alike show the same thing in the same place.
TWIN = 0.97
#: Pictures compared with all others at a time.
_ROWS = 1024


def thumbnail(rgb: Image) -> npt.NDArray[np.float32]:
    """A picture's coarse look as a unit vector: near duplicates have a product close to 1."""
    small = cv2.resize(rgb, (16, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
    flat = (small - small.mean()).ravel()
    unit: npt.NDArray[np.float32] = flat / max(float(np.linalg.norm(flat)), 1e-6)
    return unit


def twins(pictures: Iterable[Image], alike: float = TWIN) -> list[tuple[int, int]]:
    """Pairs of pictures RGB (H, W, 3) that are nearly the same, the lower index first."""
    looks = [thumbnail(rgb) for rgb in pictures]
    if not looks:
        return []
    table = np.stack(looks)
    found: list[tuple[int, int]] = []
    for start in range(0, len(table), _ROWS):
        close = table[start : start + _ROWS] @ table.T >= alike
        for row, column in np.argwhere(np.triu(close, start + 1)).tolist():
            found.append((start + row, column))
    return found


def groups(count: int, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """For each of ``count`` things, the lowest index of those it is paired with, also through
    others."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(i) for i in range(count)], np.int64)
