"""Masks of objects as COCO JSON keeps them, and which of them touch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
#: A mask (h, w) of 0 and 1, and x, y of its first pixel.
Placed = tuple[Mask, tuple[int, int]]
#: How much finer polygons are filled.
_FINE = 4


def mask_of(segmentation: Any, size: tuple[int, int]) -> Placed | None:
    """A mask and where it begins, of COCO polygons or run lengths (compressed or not), in a picture
    of width and height ``size``; ``None`` where nothing is in it."""
    if not segmentation:
        return None
    whole = np.zeros((size[1], size[0]), np.uint8)
    if isinstance(segmentation, Mapping):
        height, width = segmentation["size"]
        counts = segmentation["counts"]
        runs = _unpacked(counts) if isinstance(counts, str) else list(counts)
        values = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
        whole = np.ascontiguousarray(values.reshape(width, height).T)
    else:
        for polygon in segmentation:
            _fill(whole, np.array(polygon, float).reshape(-1, 2))
    x, y, w, h = cv2.boundingRect(whole)
    return (whole[y : y + h, x : x + w].copy(), (x, y)) if w and h else None


def _fill(mask: Mask, corners: npt.NDArray[np.float64]) -> None:
    """Fill a polygon, whose corners count from the edges of pixels. OpenCV fills every pixel that
    an edge touches; so it is done at a finer scale, and pixels more than half full count."""
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, None)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, mask.shape[::-1])
    if (high <= low).any():
        return
    w, h = (int(v) for v in high - low)
    fine = np.zeros((h * _FINE, w * _FINE), np.uint8)
    cv2.fillPoly(fine, [np.round((corners - low) * _FINE - 0.5).astype(np.int32)], 255)
    part = cv2.resize(fine, (w, h), interpolation=cv2.INTER_AREA) > 127
    mask[low[1] : high[1], low[0] : high[0]] |= part.view(np.uint8)


def _unpacked(text: str) -> list[int]:
    """Run lengths of COCO's compressed text: five bits a character, differences to the last but
    one."""
    runs: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            at, shift = at + 1, shift + 5
            if not more and bits & 16:
                value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def widened(mask: Mask, at: tuple[int, int]) -> Placed:
    """A mask and what is within two pixels of it."""
    wide = cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.dilate(wide, np.ones((5, 5), np.uint8)), np.uint8), (at[0] - 2, at[1] - 2)


def touch(one: Placed, other: Placed) -> bool:
    """Whether two masks have a pixel in common."""
    (a, (ax, ay)), (b, (bx, by)) = one, other
    x0, y0 = max(ax, bx), max(ay, by)
    x1, y1 = min(ax + a.shape[1], bx + b.shape[1]), min(ay + a.shape[0], by + b.shape[0])
    if x0 >= x1 or y0 >= y1:
        return False
    shared = a[y0 - ay : y1 - ay, x0 - ax : x1 - ax] & b[y0 - by : y1 - by, x0 - bx : x1 - bx]
    return bool(shared.any())
