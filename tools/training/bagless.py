"""People of everyday pictures who carry no bag.

Nearly three in four people of the street photos carry one, so a net that saw nothing else says
"bag" of everybody. COCO's boxes tell who does not; of their clothes they say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.boxes import overlaps
from training.garment_data import IGNORE, Photo
from training.people_data import coco_boxes, coco_scene

#: COCO's backpack, handbag and suitcase.
BAGS = (24, 26, 28)
#: Smallest height of a person, in pixels.
LEAST_HEIGHT = 100


def bagless_people(
    root: Path, stems: Iterable[str], bags: Sequence[int], labels: int
) -> Iterator[Photo]:
    """People without a bag; every label but ``bags`` (label indices) is unknown of them."""
    unknown = tuple(i for i in range(labels) if i not in set(bags))
    for stem in stems:
        scene = coco_scene(root, stem)
        carried = coco_boxes(root, stem, scene.rgb.shape, BAGS)
        mask = np.full(scene.rgb.shape[:2], IGNORE, np.uint8)
        for box in scene.people:
            if box[3] - box[1] >= LEAST_HEIGHT and not touches(box, carried):
                yield Photo(stem, scene.rgb, mask, unknown, box)


def touches(box: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> bool:
    """Whether a box overlaps any of others (n, 4)."""
    return len(others) > 0 and bool(overlaps(others, box[None])[0].max() > 0)
