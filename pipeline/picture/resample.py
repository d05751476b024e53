"""Pictures made smaller or larger exactly as Pillow does it: separable filters, widened where the
picture shrinks, in fixed-point numbers. Published models were trained on such pictures; OpenCV's
filters of the same names do not blur before they shrink.
"""

from __future__ import annotations

import math
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipeline.types import Rgb

#: Bits after the point of a weight: 8 of a pixel and 2 of headroom are left of 32.
BITS = 22

I32 = npt.NDArray[np.int32]


def _bilinear(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def _bicubic(x: float) -> float:
    """Keys' kernel with a = -0.5."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def _lanczos(x: float) -> float:
    """A sinc under the middle of one three times as wide."""
    if not -3 <= x < 3:
        return 0.0
    return float(np.sinc(x) * np.sinc(x / 3))


#: Name -> kernel and how far it reaches at the original size.
KERNELS = MappingProxyType(
    {"bilinear": (_bilinear, 1.0), "bicubic": (_bicubic, 2.0), "lanczos": (_lanczos, 3.0)}
)


@lru_cache(maxsize=256)
def weights(length: int, wanted: int, name: str) -> tuple[I32, I32]:
    """Which pixels of a row of ``length`` make each of ``wanted``, and by which weights: indices
    and fixed-point weights, both (taps, wanted) int32."""
    kernel, reach = KERNELS[name]
    scale = length / wanted
    stretch = max(scale, 1.0)
    support = reach * stretch
    rows = []
    for i in range(wanted):
        centre = (i + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), length)
        shares = [kernel((x - centre + 0.5) / stretch) for x in range(first, last)]
        total = sum(shares)
        rows.append((first, [share / total if total else 0.0 for share in shares]))
    taps = max(len(shares) for _, shares in rows)
    index: I32 = np.zeros((taps, wanted), np.int32)
    weight: I32 = np.zeros((taps, wanted), np.int32)
    for i, (first, shares) in enumerate(rows):
        for k, share in enumerate(shares):
            index[k, i] = first + k
            weight[k, i] = math.floor(abs(share) * (1 << BITS) + 0.5) * (1 if share > 0 else -1)
    index.setflags(write=False)
    weight.setflags(write=False)
    return index, weight


def _along(picture: npt.NDArray[np.uint8], wanted: int, name: str) -> npt.NDArray[np.uint8]:
    """Resample the second axis of (rows, length, channels)."""
    if picture.shape[1] == wanted:
        return picture
    index, weight = weights(picture.shape[1], wanted, name)
    total: I32 = np.full((picture.shape[0], wanted, picture.shape[2]), 1 << (BITS - 1), np.int32)
    for own, share in zip(index, weight, strict=True):
        total += picture[:, own].astype(np.int32) * share[None, :, None]
    return np.asarray(np.clip(total >> BITS, 0, 255), np.uint8)


def resample(rgb: Rgb, size: tuple[int, int], name: str) -> Rgb:
    """A picture uint8 (h, w, 3) at ``size`` (width, height), by the filter ``bilinear``,
    ``bicubic`` or ``lanczos``; bit for bit what Pillow's ``resize`` gives, across and then down.

    Pillow 13 goes down first where that is cheaper, as in pictures of people; what published models
    were trained with did not.
    """
    wide = _along(rgb, size[0], name)
    return np.ascontiguousarray(_along(wide.swapaxes(0, 1), size[1], name).swapaxes(0, 1))


def squared(rgb: Rgb, side: int) -> Rgb:
    """A picture (h, w, 3) in the middle of a black square, resampled to (side, side, 3) by a
    bilinear filter with antialiasing."""
    h, w = rgb.shape[:2]
    longest = max(h, w)
    out = np.zeros((longest, longest, 3), np.uint8)
    y, x = (longest - h) // 2, (longest - w) // 2
    out[y : y + h, x : x + w] = rgb
    return resample(out, (side, side), "bilinear")
