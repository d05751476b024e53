"""Geometry of boxes xyxy. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def overlaps(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[F64, F64]:
    """Intersection over union of every box in ``a`` (n, 4) with every box in ``b`` (m, 4), and
    the share of each ``a`` that lies inside of each ``b``; both (n, m), 0 for empty boxes."""
    first = np.asarray(a, np.float64).reshape(-1, 4)
    second = np.asarray(b, np.float64).reshape(-1, 4)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a = np.prod(np.clip(first[:, 2:] - first[:, :2], 0, None), axis=1)[:, None]
    area_b = np.prod(np.clip(second[:, 2:] - second[:, :2], 0, None), axis=1)[None, :]
    union = area_a + area_b - inter
    return inter / np.where(union > 0, union, 1.0), inter / np.where(area_a > 0, area_a, 1.0)


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression of boxes (n, 4); indices kept, best first."""
    every = np.asarray(boxes)
    order = np.argsort(-np.asarray(scores), kind="stable")
    overlap, _ = overlaps(every[order], every[order])
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= overlap[i, i + 1 :] <= iou
    kept: npt.NDArray[np.intp] = order[alive]
    return kept
