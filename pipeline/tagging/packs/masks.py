"""What a segmenter's outputs mean: boxes, labels, scores and a mask of every object.

Two layouts are read. With ``boxes = "xyxy"`` that of Mask R-CNN (He et al., ICCV 2017) as
torchvision exports it: boxes (n, 4) in pixels of the input, labels (n,), scores (n,), and masks
(n, 1, h, w) of the input's size, from 0 to 1. With ``boxes = "yolo"`` that of YOLO with masks:
(1, 4 + labels + c, boxes), and prototypes (1, c, h, w), whose sum by an object's c coefficients is
above 0 inside of it (YOLACT, Bolya et al., ICCV 2019, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engines.base import Array, Arrays
from engines.packs import Pack, PackError
from engines.packs.label_files import F32
from pipeline.tagging.packs.outputs import corners, probabilities, without_doubles
from pipeline.types import Window

Mask = npt.NDArray[np.uint8]
_Indices = npt.NDArray[np.intp]
#: Value above which a pixel of a mask of probabilities is inside, and one of a sum of prototypes.
HALF = 0.5
ZERO = 0.0
#: Most boxes, the surest, among which those of one object are looked for.
MOST_DOUBLED = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """What a segmenter found in one picture, the surest first.

    Attributes:
        boxes: float32 (n, 4) xyxy in shares of the picture; nothing outside of them counts.
        labels: index of each label (n,).
        scores: probability of each (n,).
        maps: of each, numbers (h, w) over the whole picture.
        level: a map is inside of its object where it is above this.
    """

    boxes: F32
    labels: _Indices
    scores: F32
    maps: Sequence[Array]
    level: float

    def __len__(self) -> int:
        return len(self.maps)

    def through(self, i: int, window: Window, view: Window) -> tuple[tuple[int, int], Mask]:
        """One mask in pixels of the frame that ``window`` was cut from, as far as ``view``, a part
        of both, shows it: x, y of its first pixel, and (h, w) of 0 and 1.

        Maps are coarser than frames: they are interpolated by cubics, and their outline is where
        that crosses the level. Lines instead of cubics would round off more of what is narrower
        than two of a map's pixels.
        """
        x0, y0, x1, y1 = window
        height, width = self.maps[i].shape
        left, right = _pixels(self.boxes[i, [0, 2]], (x0, x1), (view[0], view[2]))
        top, bottom = _pixels(self.boxes[i, [1, 3]], (y0, y1), (view[1], view[3]))
        if left >= right or top >= bottom:
            return (left, top), np.zeros((0, 0), np.uint8)
        # Centres of pixels lie half a pixel from their corners.
        sx, sy = width / (x1 - x0), height / (y1 - y0)
        x, y = (left + 0.5 - x0) * sx - 0.5, (top + 0.5 - y0) * sy - 0.5
        column, row = max(int(x) - 1, 0), max(int(y) - 1, 0)
        part = self.maps[i][
            row : int(y + (bottom - top) * sy) + 3, column : int(x + (right - left) * sx) + 3
        ].astype(np.float32)
        low, high = self.level - 1, self.level + 1
        part = np.nan_to_num(part, nan=low, posinf=high, neginf=low)
        there = cv2.warpAffine(
            part,
            np.array([[sx, 0, x - column], [0, sy, y - row]]),
            (right - left, bottom - top),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return (left, top), (there > self.level).astype(np.uint8)


def _pixels(shares: F32, whole: tuple[int, int], seen: tuple[int, int]) -> tuple[int, int]:
    """The first pixel whose centre is between two shares of a side, and the first behind them."""
    ends = whole[0] + shares.astype(float) * (whole[1] - whole[0])
    low, high = (int(np.ceil(end - 0.5)) for end in ends)
    return max(low, seen[0]), min(high, seen[1])


def masks_found(outputs: Arrays, pack: Pack, least: F32) -> Masked:
    """What a segmenter found in a picture.

    Args:
        least: (labels,) probability from which each label counts.

    Raises:
        PackError: the outputs are not those of a segmenter of as many labels.
    """
    table = pack.tagger
    assert table is not None
    every = [outputs[tensor.name] for tensor in pack.outputs]
    read = _by_prototypes if table.boxes == "yolo" else _whole_masks
    return read(every, pack, least)


def _whole_masks(every: Sequence[Array], pack: Pack, least: F32) -> Masked:
    def only(fits: Sequence[Array], what: str) -> Array:
        if len(fits) != 1:
            raise PackError(f"pack '{pack.name}' has no output {what}, or several")
        return fits[0]

    width, height = pack.size
    flat = [values for values in every if values.ndim == 1]
    boxes = only([v for v in every if v.ndim == 2 and v.shape[1] == 4], "(n, 4): boxes")
    labels = only([v for v in flat if v.dtype.kind in "iu"], "(n,) of whole numbers: labels")
    scores = only([v for v in flat if v.dtype.kind == "f"], "(n,): scores")
    masks = only(
        [v for v in every if v.ndim == 4 and v.shape[1:] == (1, height, width)],
        f"(n, 1, {height}, {width}): masks",
    )
    if not len(boxes) == len(labels) == len(scores) == len(masks):
        raise PackError(f"pack '{pack.name}': its outputs are not of as many objects")
    index = labels.astype(np.intp)
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < len(least):
        raise PackError(
            f"pack '{pack.name}' found labels {index.min()} to {index.max()}, and its list has "
            f"0 to {len(least) - 1}; 0 often is the background"
        )
    sides = np.array([*pack.size, *pack.size], np.float32)
    shares = np.asarray(boxes.astype(np.float32) / sides, np.float32)
    order = _chosen(shares, index, scores.astype(np.float32), pack, least)
    maps = [masks[i, 0] for i in order]
    around = np.array([_around(one > HALF) for one in maps], np.float32).reshape(-1, 4)
    return Masked(around, index[order], scores[order].astype(np.float32), maps, HALF)


def _by_prototypes(every: Sequence[Array], pack: Pack, least: F32) -> Masked:
    table = pack.tagger
    assert table is not None
    count = len(least)
    for prototypes in (values for values in every if values.ndim == 4 and len(values) == 1):
        wanted = 4 + count + prototypes.shape[1]
        for rows in (v[0] for v in every if v.ndim == 3 and v.shape[:2] == (1, wanted)):
            chances = probabilities(rows[4 : 4 + count].T, table)
            label = chances.argmax(axis=1)
            scores = chances[np.arange(len(label)), label]
            sides = np.array([*pack.size, *pack.size], np.float32)
            with np.errstate(invalid="ignore"):  # boxes that are no numbers are left out
                boxes = np.asarray(corners(rows[:4].T.astype(np.float32)) / sides, np.float32)
            order = _chosen(boxes, label, scores, pack, least)
            coefficients = rows[4 + count :, order].T.astype(np.float32)
            maps = np.tensordot(coefficients, prototypes[0].astype(np.float32), 1)
            boxes = np.clip(boxes[order], 0, 1)
            return Masked(boxes, label[order], scores[order], list(maps), ZERO)
    raise PackError(
        f"pack '{pack.name}' has no outputs (1, {4 + count} + c, boxes) and (1, c, h, w)"
    )


def _chosen(boxes: F32, labels: _Indices, scores: F32, pack: Pack, least: F32) -> _Indices:
    """Indices of what counts, the surest first: within the picture, and once each."""
    table = pack.tagger
    assert table is not None
    inside = np.clip(boxes, 0, 1)
    good = (
        np.isfinite(boxes).all(1)
        & (inside[:, :2] < inside[:, 2:]).all(1)
        & (scores >= least[labels])
    )
    order = np.argsort(-scores, kind="stable")
    order = order[good[order]][:MOST_DOUBLED]
    if table.overlap:
        order = without_doubles(inside, scores, labels, order, table.overlap)
    return order[: table.most]


def _around(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The box around a mask (h, w), a pixel wider, in shares; an empty one of an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    height, width = mask.shape
    return (
        max(columns[0] - 1, 0) / width,
        max(rows[0] - 1, 0) / height,
        min(columns[-1] + 2, width) / width,
        min(rows[-1] + 2, height) / height,
    )
