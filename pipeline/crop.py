"""Where to look: windows around people, and how well a frame shows them."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Box, Frame
from pipeline.yuv import Window

#: Margin around a person on each side, as a share of the box.
MARGIN = 0.10
#: Laplacian variance at which a person counts as fully sharp.
SHARP = 150.0


def person_window(box: Box, size: tuple[int, int], margin: float = MARGIN) -> Window:
    """Widen a box by the margin, then to the aspect ratio of ``size`` about its centre.

    Whole pixels; may reach beyond the frame, so that the person keeps place and proportion.
    """
    x0, y0, x1, y1 = box
    width, height = (x1 - x0) * (1 + 2 * margin), (y1 - y0) * (1 + 2 * margin)
    aspect = size[0] / size[1]
    width, height = max(width, height * aspect, 1.0), max(height, width / aspect, 1.0)
    left, top = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    return round(left), round(top), round(left) + round(width), round(top) + round(height)


def visible_share(box: Box, width: int, height: int) -> float:
    """Share of the box's area that lies inside of the frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    inside_w = min(box[2], width) - max(box[0], 0)
    inside_h = min(box[3], height) - max(box[1], 0)
    return max(inside_w, 0) * max(inside_h, 0) / area if area > 0 else 0.0


def sharpness(frame: Frame, box: Box) -> float:
    """0 to 1, from the variance of the Laplacian of the person's luma at 96 px height."""
    x0, y0 = max(int(box[0]), 0), max(int(box[1]), 0)
    part = frame.luma[y0 : max(int(box[3]), 0), x0 : max(int(box[2]), 0)]
    if part.shape[0] < 8 or part.shape[1] < 8:
        return 0.0
    step = max(part.shape[0] // 96, 1)
    small = np.ascontiguousarray(part[::step, ::step])
    return min(float(cv2.Laplacian(small, cv2.CV_16S).astype(np.float32).var()) / SHARP, 1.0)


def quality(frame: Frame, box: Box) -> float:
    """Height in pixels (up to 400) x visible share x sharpness (0.3 to 1)."""
    height = min(box[3] - box[1], 400.0)
    share = visible_share(box, frame.width, frame.height)
    return height * share * (0.3 + 0.7 * sharpness(frame, box))
