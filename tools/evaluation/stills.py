"""Pictures as the pipeline sees them."""

from __future__ import annotations

import numpy as np
from training.garment_data import Image

from pipeline.picture.yuv import from_bgr
from pipeline.types import Frame


def still(rgb: Image) -> Frame:
    """An RGB picture (H, W, 3) as a frame without a time."""
    return Frame("", 0, 0.0, 0.0, 0.0, from_bgr(np.ascontiguousarray(rgb[..., ::-1])))
