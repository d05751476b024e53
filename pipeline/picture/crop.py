"""Where to look: windows around people, and how well a frame shows them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.picture.nv12 import Nv12Planes, cut
from pipeline.picture.yuv import inside
from pipeline.types import Box, Frame, Rgb, Window

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


def clip_box(box: Box, frame: Frame) -> Box:
    """The part of a box inside of the frame, at least a pixel large."""
    x0, y0 = min(max(box[0], 0.0), frame.width - 1.0), min(max(box[1], 0.0), frame.height - 1.0)
    return x0, y0, max(min(box[2], frame.width), x0 + 1.0), max(min(box[3], frame.height), y0 + 1.0)


def moved_along(part: Box, before: Box, now: Box) -> Box:
    """A part of somebody, by where their box was and where it is now."""
    sx, sy = ((now[i + 2] - now[i]) / max(before[i + 2] - before[i], 1.0) for i in (0, 1))
    x0, y0 = now[0] + (part[0] - before[0]) * sx, now[1] + (part[1] - before[1]) * sy
    return x0, y0, x0 + (part[2] - part[0]) * sx, y0 + (part[3] - part[1]) * sy


def middle_in(box: Box, outer: Box) -> bool:
    """Whether a box's middle lies in another."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return outer[0] <= x < outer[2] and outer[1] <= y < outer[3]


def nearer(part: Box, one: Box, other: Box) -> bool:
    """Whether a part of two people's boxes is nearer to the middle of one than of the other: boxes
    of people side by side cover each other's edges."""

    def off(box: Box) -> float:
        return abs(part[0] + part[2] - box[0] - box[2]) / max(box[2] - box[0], 1.0)

    return middle_in(part, one) and off(one) < off(other)


def visible_share(box: Box, width: int, height: int) -> float:
    """Share of the box's area that lies inside of the frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    inside_w = min(box[2], width) - max(box[0], 0)
    inside_h = min(box[3], height) - max(box[1], 0)
    return max(inside_w, 0) * max(inside_h, 0) / area if area > 0 else 0.0


def sharpness(frame: Frame, box: Box) -> float:
    """0 to 1, from the variance of the Laplacian of the person's luma at 96 px height."""
    whole = int(box[0]), int(box[1]), int(box[2]), int(box[3])
    x0, y0, x1, y1 = window = inside(whole, frame.width, frame.height)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return 0.0
    small = np.ascontiguousarray(frame.planes.points(window, max((y1 - y0) // 96, 1)))
    _, spread = cv2.meanStdDev(cv2.Laplacian(small, cv2.CV_16S))
    return min(float(spread[0, 0]) ** 2 / SHARP, 1.0)


def appearance(frame: Frame, box: Box) -> tuple[float, ...]:
    """Mean luma (x 0.5) and chroma (x 1.5) of a person's upper and lower body: six numbers.

    Only the middle of the box is read, to leave the scene out.
    """
    x0, y0, x1, y1 = box
    left, right = x0 + 0.3 * (x1 - x0), x0 + 0.7 * (x1 - x0)
    bands = [
        (left, y0 + top * (y1 - y0), right, y0 + bottom * (y1 - y0))
        for top, bottom in ((0.15, 0.5), (0.5, 0.85))
    ]
    means = frame.planes.means(bands)
    return tuple(value for y, u, v in means for value in (0.5 * y, 1.5 * u, 1.5 * v))


def crops(looks: Sequence[tuple[Frame, Window]], size: tuple[int, int]) -> Rgb:
    """Windows of frames as models take them: RGB uint8 (n, h, w, 3). Those on a GPU are cut there,
    all at once."""
    pictures = [frame.planes for frame, _ in looks]
    on_gpu = [picture for picture in pictures if isinstance(picture, Nv12Planes)]
    if len(on_gpu) == len(looks):
        return cut(on_gpu, [window for _, window in looks], size)
    return np.stack([frame.crop(window, size) for frame, window in looks])


def quality(frame: Frame, box: Box) -> float:
    """Height in pixels (up to 400) x visible share x sharpness (0.3 to 1)."""
    height = min(box[3] - box[1], 400.0)
    share = visible_share(box, frame.width, frame.height)
    return height * share * (0.3 + 0.7 * sharpness(frame, box))
