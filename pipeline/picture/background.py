"""What a classifier gets to see around a garment: the parsing mask as a matting mask.

Removing the background helps shallow nets trained from scratch and does nothing for, or harms,
pre-trained ones (arXiv 2308.09764; docs/benchmarks.md has the same measured here). The classifiers
of this project are pre-trained, so ``keep`` is the default.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engines.packs.tagger import Background
from pipeline.picture.yuv import PAD
from pipeline.types import Rgb


def treat_background(rgb: Rgb, mask: npt.NDArray[np.bool_], how: Background) -> Rgb:
    """A picture with what lies outside of a mask blurred, dimmed to a third, or made grey.

    Args:
        rgb: uint8 (h, w, 3); not changed.
        mask: bool (h', w') over the same view, of any size; its edge is softened.
    """
    if how == "keep" or not mask.any():
        return rgb
    height, width = rgb.shape[:2]
    cover = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(cover, (0, 0), max(width, height) / 150)[..., None]
    if how == "blur":
        behind = cv2.GaussianBlur(rgb, (0, 0), max(width, height) / 20).astype(np.float32)
    elif how == "dim":
        behind = rgb.astype(np.float32) / 3
    else:
        behind = np.full(rgb.shape, PAD, np.float32)
    return np.asarray(np.rint(alpha * rgb + (1 - alpha) * behind), np.uint8)
