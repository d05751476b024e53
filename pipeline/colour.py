"""Names for the colours inside of a mask.

The eleven basic colour terms (Berlin and Kay, 1969) plus beige and navy, which shops use. Each
pixel is named by a table over coarse RGB; the garment takes the name most of its pixels have.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.yuv import Rgb

NAMES = (
    "black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink",
    "brown", "beige", "navy",
)  # fmt: skip
_INDEX = {name: i for i, name in enumerate(NAMES)}
#: Hue in degrees below which a colour has the name, read in order.
_HUES = ((14, "red"), (42, "orange"), (70, "yellow"), (165, "green"), (255, "blue"),
         (290, "purple"), (338, "pink"), (361, "red"))  # fmt: skip
_BITS = 5


def _grey_name(lightness: float) -> str:
    return "black" if lightness < 25 else "white" if lightness > 78 else "grey"


def _light_warm_name(hue: float, chroma: float, lightness: float) -> str | None:
    """Beige and brown: the muted or dark side of red, orange and yellow."""
    if not 10 <= hue < 70:
        return None
    if lightness > 62 and chroma < 30:
        return "beige"
    if lightness < 58 and (chroma < 55 or lightness < 42) and hue < 55:
        return "brown"
    return None


def name_of(lightness: float, chroma: float, hue: float) -> str:
    """Name of one colour: CIE L* (0 to 100), chroma in the a*b* plane, HSV hue in degrees."""
    if lightness < 6 or chroma < 6 or (chroma < 12 and lightness < 35):
        return _grey_name(lightness)
    if chroma < (16 if lightness > 80 else 11) and not 10 <= hue < 70:
        return _grey_name(lightness)  # shadows and sky tint white cloth
    warm = _light_warm_name(hue, chroma, lightness)
    if warm is not None:
        return warm
    name = next(name for limit, name in _HUES if hue < limit)
    if name == "blue" and lightness < 28:
        return "navy"
    if name in ("red", "purple") and lightness > 65:
        return "pink"
    if name == "pink" and lightness < 42:
        return "red" if hue > 325 else "purple"
    return name


@lru_cache(maxsize=1)
def colour_table() -> npt.NDArray[np.uint8]:
    """Colour index for every RGB value of 5 bits a channel, (32768,) uint8."""
    steps = ((np.arange(1 << _BITS) + 0.5) * (256 >> _BITS)).astype(np.uint8)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=3).reshape(1, -1, 3)
    scaled = rgb.astype(np.float32) / 255
    lab = cv2.cvtColor(scaled, cv2.COLOR_RGB2Lab)[0]
    hue = cv2.cvtColor(scaled, cv2.COLOR_RGB2HSV)[0, :, 0]
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    rows = zip(lab[:, 0].tolist(), chroma.tolist(), hue.tolist(), strict=True)
    return np.array([_INDEX[name_of(*row)] for row in rows], np.uint8)


def colour_name(rgb: Rgb, mask: npt.NDArray[np.bool_]) -> tuple[str, float]:
    """Name of the colour most pixels under ``mask`` have, and their share (0 to 1).

    Args:
        rgb: uint8 (h, w, 3).
        mask: bool (h, w) with at least one pixel set.
    """
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if np.count_nonzero(eroded) >= 0.3 * np.count_nonzero(mask):
        mask = eroded  # edges mix the garment with what is behind it
    pixels = rgb[mask].astype(np.uint32) >> (8 - _BITS)
    codes = (pixels[:, 0] << (2 * _BITS)) | (pixels[:, 1] << _BITS) | pixels[:, 2]
    votes = np.bincount(colour_table()[codes], minlength=len(NAMES))
    best = int(votes.argmax())
    return NAMES[best], float(votes[best] / votes.sum())
