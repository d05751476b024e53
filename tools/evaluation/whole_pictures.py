"""Whole pictures shown to a pack, out of proportion, as authors of published models show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines import Engine, Pack
from pipeline.picture.resample import resample
from pipeline.tagging.packs.cutting import as_input
from pipeline.types import Rgb


def stretched(path: Path, pack: Pack) -> Rgb:
    """A picture file of a pack's size, RGB uint8 (h, w, 3)."""
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise SystemExit(f"{path} is no picture")
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    if pack.tagger is None or pack.tagger.filter == "area":
        return np.asarray(cv2.resize(rgb, pack.size, interpolation=cv2.INTER_AREA), np.uint8)
    return resample(rgb, pack.size, pack.tagger.filter)


def shown(engine: Engine, pack: Pack, path: Path) -> dict[str, Any]:
    """A model's outputs for a picture file."""
    tensor = next(own for own in pack.inputs if own.layout)
    answer = engine.infer({tensor.name: as_input([stretched(path, pack)], tensor)})
    return {name: np.array(values) for name, values in answer.items()}
