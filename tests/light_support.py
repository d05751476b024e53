"""Ordinary colours as high dynamic range has them: the standards' formulas, forwards."""

from __future__ import annotations

import numpy as np

#: RGB (n, 3).
PATCHES = np.array(
    [[200, 60, 40], [40, 80, 170], [200, 200, 200], [30, 30, 30], [60, 120, 60], [120, 80, 50]]
)
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def linear(rgb):
    value = np.asarray(rgb) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def hlg(light):
    """ITU-R BT.2100 table 5, white at three quarters."""
    scene = light * 0.26496
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    )


def pq(light):
    """SMPTE ST 2084, white at 203 cd/m2."""
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def wide(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def as_seen(curve, light):
    """Linear BT.709 (n, 3) as RGB uint8 (1, n, 3) in BT.2020 colours."""
    return np.rint(255 * np.clip(curve(light @ TO_BT2020.T), 0, 1)).astype(np.uint8)[None]
