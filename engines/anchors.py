"""SSD anchors of the person detectors. NumPy only: ``boxes`` decodes on the host what
any engine returns."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

#: Variance of box centres that the encoding was trained with (Liu et al., SSD, ECCV 2016).
CENTRE = 10.0
#: Variance of box sizes.
SIZE = 5.0
#: Strides of the maps with heads: a picture of 300 px has 19, 10, 5, 3, 2 and 1 cells a side.
_STRIDES = (16, 32, 64, 128, 256, 512)
_RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
#: Side of the picture, in pixels, for which anchor scales are shares.
_BASE = 300.0


@lru_cache(maxsize=16)
def ssd_anchors(width: int, height: int) -> F32:
    """Anchors (n, 4) of a picture as centre x, centre y, width, height in shares of it.

    Scales rise evenly from 0.2 to 0.95 of 300 px; each scale but the first has five aspect ratios
    and one square between it and the next (Liu et al., SSD, ECCV 2016, section 2.2). The finest
    map has three anchors only, one of them half-sized, as in the TensorFlow detection models.
    Sizes are fixed in pixels, so that a larger picture shows farther people, not larger anchors.
    """
    scales = [*np.linspace(0.2, 0.95, len(_STRIDES)), 1.0]
    picture = np.array([width, height])
    rows = []
    for level, stride in enumerate(_STRIDES):
        scale = scales[level]
        if level == 0:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            between = float(np.sqrt(scale * scales[level + 1]))
            shapes = [(scale, ratio) for ratio in _RATIOS] + [(between, 1.0)]
        sizes = np.array([(s * np.sqrt(r), s / np.sqrt(r)) for s, r in shapes]) * _BASE / picture
        columns, lines = -(-width // stride), -(-height // stride)
        ys, xs, _ = np.meshgrid(
            (np.arange(lines) + 0.5) / lines,
            (np.arange(columns) + 0.5) / columns,
            np.arange(len(shapes)),
            indexing="ij",
        )
        whs = np.broadcast_to(sizes, (lines, columns, len(shapes), 2))
        rows.append(np.concatenate([xs[..., None], ys[..., None], whs], axis=3).reshape(-1, 4))
    anchors: F32 = np.concatenate(rows).astype(np.float32)
    anchors.setflags(write=False)
    return anchors
