"""Pictures for people to see: the only place where a frame becomes one, heads hidden first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.picture.heads import head_region, pixelate
from pipeline.types import Box, TaggedFrame, Window

Bgr = npt.NDArray[np.uint8]


def heads(tagged: TaggedFrame) -> list[Box]:
    """What is hidden in pictures of a frame: the heads of everybody in it, followed or not; nothing
    where they are to be kept. Boxes in frame pixels, which may reach beyond the picture."""
    if tagged.heads == "keep":
        return []
    return [*(head_region(track.box, track.head) for track in tagged.tracks), *tagged.others]


def shown(
    tagged: TaggedFrame, window: Window | None = None, size: tuple[int, int] | None = None
) -> Bgr:
    """The frame, or a window inside of it, as BGR (h, w, 3) that may be written and shown.

    Args:
        size: width and height to which the whole frame is resampled; with it, no window.
    """
    frame = tagged.frame
    if size is not None:
        image = np.ascontiguousarray(frame.rgb(size)[:, :, ::-1])
        across, down = size[0] / frame.width, size[1] / frame.height
        pixelate(
            image,
            [(x0 * across, y0 * down, x1 * across, y1 * down) for x0, y0, x1, y1 in heads(tagged)],
        )
        return image
    window = window or (0, 0, frame.width, frame.height)
    image = np.ascontiguousarray(frame.crop(window)[:, :, ::-1])
    pixelate(image, heads(tagged), (window[0], window[1]))
    return image
