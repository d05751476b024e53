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
#: What lies beyond a picture is this grey in its crops: no part of the scene.
BEYOND = 127
#: Power mean whose colour counts as the light's: between the mean of all and the brightest.
_SHADES = 6
#: Share of the light's colour that is taken out: what is seen may be coloured itself. Chosen on
#: street photos in made light (docs/benchmarks.md).
_DAMPED = 0.75
#: Distance in CIELAB from a picture's middle colour that 2 % of the pixels of any scene in colour
#: exceed. Infrared pictures have one colour throughout.
_CHROMA = 2.5
#: Weight of a garment's own pixels against what else is seen, and the least share of a name.
_PIXELS = 0.5
_FLOOR = 0.05
_BITS = 5
_SQUARE = np.ones((3, 3), np.uint8)
_TABLE = Path(__file__).with_name("colours.csv")


def lab_of(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """CIELAB (n, 3) of sRGB (n, 3) in 0 to 255."""
    scaled = (rgb / 255).astype(np.float32)
    return np.asarray(cv2.cvtColor(scaled[None], cv2.COLOR_RGB2Lab)[0], np.float32)


@lru_cache(maxsize=1)
def colour_table() -> npt.NDArray[np.uint8]:
    """Colour index for every RGB value of 5 bits a channel, (32768,) uint8."""
    with _TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    codes = [bytes.fromhex(row["srgb"][1:]) for row in rows]
    centroids = lab_of(np.array([list(code) for code in codes], np.float64))
    terms = np.array([NAMES.index(row["term"]) for row in rows], np.uint8)
    steps = (np.arange(1 << _BITS) + 0.5) * (256 >> _BITS)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=3).reshape(-1, 3)
    points = lab_of(cube)
    # |a - b|^2 without the |a|^2 that all centroids share.
    distance = (centroids**2).sum(axis=1) - 2 * points @ centroids.T
    return np.asarray(terms[distance.argmin(axis=1)], np.uint8)


def within(rgb: Rgb) -> npt.NDArray[np.bool_]:
    """Where a crop (h, w, 3) shows something of the scene."""
    differs = rgb != BEYOND
    # Several times as fast as any() over three values.
    return np.asarray(differs[..., 0] | differs[..., 1] | differs[..., 2])


def _scene(rgb: Rgb) -> npt.NDArray[np.uint8]:
    """Pixels (n, 3) of a crop that show something: every third row and column is enough."""
    rgb = rgb[::3, ::3]
    shown = rgb[within(rgb)]
    return shown if len(shown) else rgb.reshape(-1, 3)


def is_grey(rgb: Rgb) -> bool:
    """Whether a picture (h, w, 3) has no colours, as those of a camera at night."""
    chroma = lab_of(_scene(rgb).astype(np.float64))[:, 1:]
    away = np.abs(chroma - np.median(chroma, axis=0)).max(axis=1)
    return bool(np.percentile(away, 98) < _CHROMA)


def evenly_lit(rgb: Rgb) -> Rgb:
    """A picture (h, w, 3) with most of its light's colour taken out (shades of grey: Finlayson and
    Trezzi, "Shades of gray and colour constancy", CIC 2004)."""
    scene = _scene(rgb).astype(np.float32) / 255
    unclipped = scene[scene.max(axis=1) < 0.98]
    light = ((unclipped if len(unclipped) else scene) ** _SHADES).mean(axis=0) ** (1 / _SHADES)
    gains = (light.mean() / np.maximum(light, 1e-3)) ** _DAMPED
    table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(rgb, table[None]), np.uint8)


def colour_map(rgb: Rgb) -> npt.NDArray[np.uint8]:
    """Index into ``NAMES`` of every pixel (h, w) of a picture (h, w, 3)."""
    low = rgb >> (8 - _BITS)
    codes = low[..., 0].astype(np.uint16) << (2 * _BITS)
    codes |= low[..., 1].astype(np.uint16) << _BITS
    codes |= low[..., 2]
    return np.asarray(colour_table()[codes], np.uint8)


def shares_of(
    colours: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Share of each name (13,) among the pixels under a mask (h, w) without its rim, where that
    leaves enough, and those pixels as a mask."""
    eroded = cv2.erode(mask.view(np.uint8), _SQUARE).view(np.bool_)
    if np.count_nonzero(eroded) >= 0.3 * np.count_nonzero(mask):
        mask = eroded  # edges mix the garment with what is behind it
    votes = np.bincount(colours[mask], minlength=len(NAMES))
    return votes / votes.sum(), mask


def colour_names(
    colours: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    sensed: npt.NDArray[np.float32] | None = None,
) -> list[tuple[str, float]]:
    """As ``names_of``, of the pixels under ``mask``, bool (h, w) with at least one set; ``colours``
    are as ``colour_map`` gives them, (h, w)."""
    return names_of(shares_of(colours, mask)[0], sensed)


def names_of(
    shares: npt.NDArray[np.float64], sensed: npt.NDArray[np.float32] | None = None
) -> list[tuple[str, float]]:
    """The colour of most pixels, and a second one if a quarter has it, with the share of each (0 to
    1).

    Args:
        shares: of each name among the pixels (13,), as ``shares_of`` gives them.
        sensed: logarithm of how likely each name is by what else is seen, (13,): the first colour
            is the one that pixels and this agree on best.
    """
    first, second = np.argsort(-shares, kind="stable")[:2].tolist()
    best = first if sensed is None else int((sensed + _PIXELS * np.log(shares + _FLOOR)).argmax())
    names = [(NAMES[best], float(shares[best]))]
    if best != first and best != second:  # most pixels were another name of the same cloth
        names[0] = (NAMES[best], float(shares[first]))
    other = first if best == second else second
    if shares[other] >= SECOND:
        names.append((NAMES[other], float(shares[other])))
    return names
