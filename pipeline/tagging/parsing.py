"""Model outputs to boxes and tags. Pure functions over arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from engines.anchors import CENTRE, SIZE, ssd_anchors
from engines.boxes import nms, overlaps
from pipeline.picture.yuv import Window, inside
from pipeline.types import Box, Parsing

F32 = npt.NDArray[np.float32]


def iou_matrix(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Intersection over union of every box in ``a`` (n, 4) with every box in ``b`` (m, 4)."""
    return overlaps(a, b)[0]


def ssd_detections(
    boxes: F32, scores: F32, size: tuple[int, int], threshold: float, iou: float
) -> tuple[F32, F32]:
    """Decode one picture's SSD output.

    Args:
        boxes: encoded boxes (n, 4) as y, x, height, width offsets.
        scores: (n,) in 0 to 1.
        size: width and height of the model's input.

    Returns:
        boxes (k, 4) xyxy in shares of the picture (0 to 1), and their scores (k,), best first.
    """
    keep = np.flatnonzero(scores >= threshold)
    code, anchor, kept = boxes[keep], ssd_anchors(*size)[keep], scores[keep]
    centre = anchor[:, :2] + code[:, [1, 0]] / CENTRE * anchor[:, 2:]
    half = np.exp(np.clip(code[:, [3, 2]] / SIZE, -10, 10)) * anchor[:, 2:] / 2
    xyxy = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, 1)
    chosen = nms(xyxy.astype(np.float32), kept, iou)
    return xyxy[chosen].astype(np.float32), np.array(kept[chosen])


Decoder = Callable[[F32, F32, tuple[int, int], float, float], tuple[F32, F32]]
#: Detector families by ``ModelSpec.decoder``.
DETECTION_DECODERS: dict[str, Decoder] = {"ssd": ssd_detections}


def cells_of(labels: npt.NDArray[np.uint8], members: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Where labels (h, w) are one of ``members``."""
    if len(members) == 1:
        return np.asarray(labels == members[0])
    table = np.zeros(256, bool)
    table[list(members)] = True
    return table[labels]


def around(mask: npt.NDArray[np.bool_], margin: int = 1) -> tuple[slice, slice]:
    """Rows and columns of a mask (h, w) around what is set in it, of which there is one cell."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(ys[0]) - margin, 0), int(ys[-1]) + 1 + margin),
        slice(max(int(xs[0]) - margin, 0), int(xs[-1]) + 1 + margin),
    )


def large_pieces(mask: npt.NDArray[np.bool_], least: float = 0.25) -> npt.NDArray[np.bool_]:
    """A mask (h, w) without connected pieces smaller than ``least`` of its largest: strays."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.concatenate([[False], areas >= least * areas.max()])
    found: npt.NDArray[np.bool_] = keep[pieces]
    return found


def mask_box(window: Window, mask: npt.NDArray[np.bool_]) -> Box:
    """Box in frame pixels around the cells (h, w) set in a window's mask, of which there is one."""
    rows, columns = around(mask, 0)
    height, width = mask.shape
    x0, y0, x1, y1 = window
    sx, sy = (x1 - x0) / width, (y1 - y0) / height
    return (
        float(x0 + columns.start * sx),
        float(y0 + rows.start * sy),
        float(x0 + columns.stop * sx),
        float(y0 + rows.stop * sy),
    )


def paste_labels(canvas: npt.NDArray[np.uint8], parsing: Parsing) -> None:
    """Write a parsing's garment labels (not its background) into a whole-picture mask, in place."""
    x0, y0, x1, y1 = inside(parsing.window, canvas.shape[1], canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    height, width = parsing.labels.shape
    wx0, wy0, wx1, wy1 = parsing.window
    sx, sy = width / (wx1 - wx0), height / (wy1 - wy0)
    # Pixel centre x + 0.5 of the picture lies in cell (x + 0.5 - wx0) * sx, rounded down.
    matrix = np.array([[sx, 0, (x0 + 0.5 - wx0) * sx - 0.5], [0, sy, (y0 + 0.5 - wy0) * sy - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    border = cv2.BORDER_REPLICATE
    part = cv2.warpAffine(
        parsing.labels, matrix, (x1 - x0, y1 - y0), flags=flags, borderMode=border
    )
    target = canvas[y0:y1, x0:x1]
    np.copyto(target, part.astype(np.uint8), where=part > 0)
