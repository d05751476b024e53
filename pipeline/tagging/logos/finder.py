"""Finding brand marks: where on a crop one is, not whose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.base import Engine
from engines.boxes import nms
from pipeline.picture.crop import crops
from pipeline.tagging.logos.gallery_file import F32
from pipeline.types import Box, Frame, Window

#: Marks of a crop that are recognised, the surest first.
MOST_MARKS = 4
#: Longer side in pixels of the frame below which nobody could tell brands apart.
LEAST_SIDE = 16.0
#: Overlap above which two boxes are one mark.
DOUBLE = 0.4


class Finder:
    """A detection model and the size (width, height) of what it is shown."""

    def __init__(self, engine: Engine, size: tuple[int, int]) -> None:
        self.engine = engine
        self.size = size

    def __call__(
        self, frame: Frame, windows: Sequence[Window], least: float
    ) -> tuple[list[Box], list[float]]:
        """Boxes in frame pixels of what may be marks in windows of the proportions of ``size``, the
        surest first, each once, and their scores of at least ``least``."""
        out = self.engine.infer({"images": crops([(frame, w) for w in windows], self.size)})
        parts = [
            self._surest(boxes, scores, window, least)
            for boxes, scores, window in zip(out["boxes"], out["scores"], windows, strict=True)
        ]
        boxes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) >= LEAST_SIDE
        boxes, scores = boxes[large], scores[large]
        kept = nms(boxes, scores, DOUBLE)
        return [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes[kept].tolist()], scores[kept].tolist()

    def _surest(self, boxes: F32, scores: F32, window: Window, least: float) -> tuple[F32, F32]:
        """Boxes in frame pixels and scores of the surest few."""
        sure = np.flatnonzero(scores >= least)
        boxes, scores = boxes[sure], scores[sure]
        kept = nms(boxes, scores, DOUBLE)[:MOST_MARKS]
        x0, y0, x1, y1 = window
        scale = np.array([(x1 - x0) / self.size[0], (y1 - y0) / self.size[1]] * 2)
        return (boxes[kept] * scale + (x0, y0, x0, y0)).astype(np.float32), scores[kept]
