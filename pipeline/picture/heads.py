"""Heads: where they are in a box around a person, and how they are made unrecognisable.

No face is searched. A head is the upper part of a person, and what a parsing shows of hair and skin
there; all of that is hidden, with a margin, so that a box a little wrong hides it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Box

#: Cells across what is hidden, at most: a head is narrower than that, and has fewer.
CELLS = 8
#: Share of a person's height that is the head with a margin, if it is not known better, and if a
#: parsing showed hair or skin there.
SHARE = 0.25
SHARE_SEEN = 0.22
#: Width by height from which a box is no upright person seen whole: cut off, seated, bent, lying.
WIDE = 0.55
#: Of those, the share of the width that reaches down to the chin: shoulders are two heads wide.
CHIN = 0.6
#: Margin on every side, as a share of the height of what is hidden.
MARGIN = 0.15


def head_region(box: Box, seen: Box | None = None) -> Box:
    """Where a person's head is, and some room around; may reach beyond the picture.

    Args:
        box: the person, in frame pixels.
        seen: hair and skin in the upper part of the person, where a parsing shows them.
    """
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    down = (SHARE if seen is None else SHARE_SEEN) * height
    if width > WIDE * height:
        down = min(max(down, CHIN * width), height)
    region = (x0, y0, x1, y0 + down)
    if seen is not None:
        region = (
            min(x0, seen[0]),
            min(y0, seen[1]),
            max(x1, seen[2]),
            max(region[3], min(seen[3], y1)),
        )
    margin = MARGIN * (region[3] - region[1])
    return region[0] - margin, region[1] - margin, region[2] + margin, region[3] + margin


def upper_part(box: Box) -> float:
    """How far down, in frame pixels, hair and skin belong to the head."""
    width, height = box[2] - box[0], box[3] - box[1]
    return box[1] + (CHIN * width if width > WIDE * height else height / 3)


def pixelate(
    image: npt.NDArray[np.uint8], regions: Iterable[Box], corner: tuple[int, int] = (0, 0)
) -> None:
    """Replace parts of a picture uint8 (h, w, 3) by the means of at most ``CELLS`` x ``CELLS``
    square cells each, in place.

    Args:
        regions: in frame pixels; of one that reaches beyond the picture, cells are as large as if
            all of it were there.
        corner: left and top of the picture in frame pixels.
    """
    height, width = image.shape[:2]
    for x0, y0, x1, y1 in regions:
        side = max(ceil(max(x1 - x0, y1 - y0) / CELLS), 2)
        left, top = max(int(x0) - corner[0], 0), max(int(y0) - corner[1], 0)
        right, bottom = min(ceil(x1) - corner[0], width), min(ceil(y1) - corner[1], height)
        if left >= right or top >= bottom:
            continue
        part = image[top:bottom, left:right]
        cells = min(ceil((right - left) / side), CELLS), min(ceil((bottom - top) / side), CELLS)
        means = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
        size = (right - left, bottom - top)
        part[:] = cv2.resize(means, size, interpolation=cv2.INTER_NEAREST)
