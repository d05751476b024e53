"""High dynamic range and wide colours, shown as ordinary ones: BT.709 colours, sRGB's curve.

HLG (ITU-R BT.2100) is taken as light of the scene, PQ (SMPTE ST 2084) as light of the screen, both
with white at 203 cd/m2 (ITU-R BT.2408); what is brighter is pressed together below white.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Rgb

#: How the numbers of a picture stand for light: as usual; HLG or PQ; as usual, in BT.2020 colours.
Light = Literal["sdr", "hlg", "pq", "wide"]

#: Codes of ITU-T H.273.
_BT2020 = 9
_CURVES: Mapping[int, Light] = MappingProxyType({16: "pq", 18: "hlg"})
#: Linear BT.2020 to BT.709 (ITU-R BT.2087).
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
#: cd/m2 of white.
_WHITE = 203.0
#: Linear light, of white, from which it is pressed together, and from which on all is white.
_KNEE = 0.8
_MOST = 8.0
_STEPS = 4096
#: Rows that are worked on at a time.
_ROWS = 256


def light_of(primaries: int, transfer: int) -> Light:
    """By the codes of colours and curve that a file declares (ITU-T H.273)."""
    return _CURVES.get(transfer, "wide" if primaries == _BT2020 else "sdr")


def to_sdr(rgb: Rgb, light: Light) -> Rgb:
    """RGB uint8 (h, w, 3) as an ordinary camera would have shown it."""
    if light == "sdr" or not rgb.size:
        return rgb
    out, shown = np.empty_like(rgb), _shown(pressed=light != "wide")
    for row in range(0, len(rgb), _ROWS):
        part = np.ascontiguousarray(rgb[row : row + _ROWS])
        linear = cv2.transform(cv2.LUT(part, _linear(light)), _TO_BT709)
        # Steps of the root are fine in the dark, where the curve is steep.
        place = np.sqrt(np.clip(linear, 0, _MOST) / _MOST) * (_STEPS - 1) + 0.5
        out[row : row + _ROWS] = shown[place.astype(np.uint16)]
    return out


@lru_cache(maxsize=4)
def _linear(light: Light) -> npt.NDArray[np.float32]:
    """Linear light, of white, for every value (256,)."""
    value = np.arange(256) / 255
    if light == "hlg":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
        found = scene / ((np.exp((0.75 - c) / a) + b) / 12)  # white is at three quarters
    elif light == "pq":
        root = value ** (32 / 2523)
        c1, c2, c3 = 107 / 128, 2413 / 128, 2392 / 128
        found = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (8192 / 1305) * 10_000 / _WHITE
    else:
        found = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(found, np.float32)


@lru_cache(maxsize=2)
def _shown(pressed: bool) -> npt.NDArray[np.uint8]:
    """Values for the roots of linear light from 0 to ``_MOST``, (``_STEPS``,)."""
    linear = np.linspace(0, 1, _STEPS) ** 2 * _MOST
    if pressed:
        rest = 1 - _KNEE
        linear = np.minimum(linear, _KNEE) + rest * -np.expm1(-np.maximum(linear - _KNEE, 0) / rest)
    linear = np.minimum(linear, 1)
    value = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * value), np.uint8)
