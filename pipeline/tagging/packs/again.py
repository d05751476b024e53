"""A second look at a part of somebody, where the first left a doubt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engines.base import Array, Arrays, Engine
from engines.packs import Pack
from engines.packs.again import FIRST, PART, SCORES, TOKEN, WHOLE
from pipeline.types import Window


class TwoLooks:
    """Runs a pack that says of one look whether and where it needs another
    (``engines.packs.again``)."""

    def __init__(self, engine: Engine, pack: Pack) -> None:
        assert pack.tagger is not None
        self._engine = engine
        self._below = pack.tagger.again_below
        self._picture = next(tensor.name for tensor in pack.inputs if tensor.layout)
        [width] = next(tensor.shape[1:] for tensor in pack.inputs if tensor.name == WHOLE)
        self._nothing = np.zeros((1, int(width)), np.float32)

    def run(self, picture: Array, part_of: Callable[[Array], Array]) -> Arrays:
        """Scores float32 (1, labels) of a picture as the model takes it.

        Args:
            part_of: makes the picture of a part, float32 (4,) xyxy in shares of this one.
        """
        look = self._engine.infer({self._picture: picture, WHOLE: self._nothing})
        if float(look[FIRST].max()) >= self._below:
            return {SCORES: look[FIRST]}
        token = np.array(look[TOKEN])  # until the next run alone it is what it is
        again = self._engine.infer({self._picture: part_of(look[PART][0].copy()), WHOLE: token})
        return {SCORES: again[SCORES]}


def part_window(window: Window, part: Array) -> Window:
    """The part, xyxy in shares, of a window: whole pixels of the frame, one at least."""
    x0, y0, x1, y1 = window
    shares = np.clip(np.nan_to_num(part), 0, 1)
    left, right = (round(x0 + float(share) * (x1 - x0)) for share in shares[[0, 2]])
    top, bottom = (round(y0 + float(share) * (y1 - y0)) for share in shares[[1, 3]])
    return left, top, max(right, left + 1), max(bottom, top + 1)
