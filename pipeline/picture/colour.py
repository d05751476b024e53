"""Names for the colours inside of a mask.

Every pixel takes the word of the nearest ISCC-NBS centroid in CIELAB (Kelly and Judd, "Color:
Universal Language and Dictionary of Names", NBS Special Publication 440, 1976), the 267 centroids
put under the thirteen words shops use; the garment takes the words most of its pixels have.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Rgb

NAMES = (
    "black",
    "white",
    "grey",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "beige",
    "navy",
)
#: The eleven basic colour terms (Berlin and Kay, 1969) of the names, as most data sets have them.
BASIC: Mapping[str, str] = MappingProxyType(
    {name: name for name in NAMES} | {"navy": "blue", "beige": "brown"}
)
#: Share of a garment's pixels its second colour needs to be named.
SECOND = 0.25
_BITS = 5
_SQUARE = np.ones((3, 3), np.uint8)
_TABLE = Path(__file__).with_name("colours.csv")


def _lab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """CIELAB (n, 3) of sRGB (n, 3) in 0 to 255."""
    scaled = (rgb / 255).astype(np.float32)
    return np.asarray(cv2.cvtColor(scaled[None], cv2.COLOR_RGB2Lab)[0], np.float32)


@lru_cache(maxsize=1)
def colour_table() -> npt.NDArray[np.uint8]:
    """Colour index for every RGB value of 5 bits a channel, (32768,) uint8."""
    with _TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    codes = [bytes.fromhex(row["srgb"][1:]) for row in rows]
    centroids = _lab(np.array([list(code) for code in codes], np.float64))
    terms = np.array([NAMES.index(row["term"]) for row in rows], np.uint8)
    steps = (np.arange(1 << _BITS) + 0.5) * (256 >> _BITS)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=3).reshape(-1, 3)
    points = _lab(cube)
    # |a - b|^2 without the |a|^2 that all centroids share.
    distance = (centroids**2).sum(axis=1) - 2 * points @ centroids.T
    return np.asarray(terms[distance.argmin(axis=1)], np.uint8)


def colour_map(rgb: Rgb) -> npt.NDArray[np.uint8]:
    """Index into ``NAMES`` of every pixel (h, w) of a picture (h, w, 3)."""
    low = rgb >> (8 - _BITS)
    codes = low[..., 0].astype(np.uint16) << (2 * _BITS)
    codes |= low[..., 1].astype(np.uint16) << _BITS
    codes |= low[..., 2]
    return np.asarray(colour_table()[codes], np.uint8)


def colour_names(
    colours: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]
) -> list[tuple[str, float]]:
    """The colour most pixels under ``mask`` have, and a second one if a quarter has it, with the
    share of each (0 to 1).

    Args:
        colours: as ``colour_map`` gives them, (h, w).
        mask: bool (h, w) with at least one pixel set.
    """
    eroded = cv2.erode(mask.view(np.uint8), _SQUARE).view(np.bool_)
    if np.count_nonzero(eroded) >= 0.3 * np.count_nonzero(mask):
        mask = eroded  # edges mix the garment with what is behind it
    votes = np.bincount(colours[mask], minlength=len(NAMES))
    shares = votes / votes.sum()
    best, second = np.argsort(-shares, kind="stable")[:2].tolist()
    names = [(NAMES[best], float(shares[best]))]
    if shares[second] >= SECOND:
        names.append((NAMES[second], float(shares[second])))
    return names
