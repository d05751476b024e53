"""Geometry of boxes xyxy, and what detectors put out made into boxes. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engines.packs import Pack, PackError

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


def overlaps(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[F64, F64]:
    """Intersection over union of every box in ``a`` (n, 4) with every box in ``b`` (m, 4), and
    the share of each ``a`` that lies inside of each ``b``; both (n, m), 0 for empty boxes."""
    # Few and small NumPy calls: mostly there are less than fifty boxes, many times a second.
    ax0, ay0, ax1, ay1 = np.asarray(a, np.float64).reshape(-1, 4).T[:, :, None]
    bx0, by0, bx1, by1 = np.asarray(b, np.float64).reshape(-1, 4).T[:, None]
    width = np.minimum(ax1, bx1) - np.maximum(ax0, bx0)
    height = np.minimum(ay1, by1) - np.maximum(ay0, by0)
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    area_a = np.maximum(ax1 - ax0, 0) * np.maximum(ay1 - ay0, 0)
    area_b = np.maximum(bx1 - bx0, 0) * np.maximum(by1 - by0, 0)
    union = area_a + area_b - inter
    return inter / np.where(union > 0, union, 1.0), inter / np.where(area_a > 0, area_a, 1.0)


def iou_matrix(a: npt.ArrayLike, b: npt.ArrayLike) -> F64:
    """Intersection over union (n, m) of all boxes in ``a`` (n, 4) with all in ``b`` (m, 4)."""
    return overlaps(a, b)[0]


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


def peak_detections(
    boxes: F32, scores: F32, size: tuple[int, int], threshold: float, iou: float
) -> tuple[F32, F32]:
    """What a model found in one picture, without doubles.

    Args:
        boxes: (n, 4) xyxy in pixels of the model's input, one for each of its cells.
        scores: (n,) in 0 to 1; a model that knows which cells are peaks has 0 in the others.
        size: width and height of the model's input.
        threshold: least score of a box.
        iou: overlap above which two boxes are one.

    Returns:
        boxes (k, 4) xyxy in shares of the picture (0 to 1), and their scores (k,), best first.
    """
    keep = np.flatnonzero(scores >= threshold)
    inside = np.clip(boxes[keep] / np.array([*size, *size]), 0, 1).astype(np.float32)
    kept = scores[keep]
    chosen = nms(inside, kept, iou)
    return inside[chosen], np.array(kept[chosen])


BoxReader = Callable[[F32, F32, tuple[int, int], float, float], tuple[F32, F32]]
#: What reads the outputs ``boxes`` and ``scores`` of one picture, by ``Pack.post``.
BOX_READERS: Mapping[str, BoxReader] = MappingProxyType({"peaks": peak_detections})


def box_reader(pack: Pack) -> BoxReader:
    """What makes boxes of a pack's outputs.

    Raises:
        PackError: nothing does.
    """
    if pack.post not in BOX_READERS:
        raise PackError(
            f"model '{pack.name}': its outputs ('{pack.post}') are no boxes that can be read; "
            f"known: {', '.join(BOX_READERS)}"
        )
    return BOX_READERS[pack.post]
