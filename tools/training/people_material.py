"""Everything the person detector learns from, gathered from the data folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from engines.boxes import overlaps
from training.garment_data import Image, person_box, read_index, read_rgb, split_ids
from training.people_data import (
    F64,
    Cutout,
    Scene,
    coco_cutouts,
    coco_scene,
    coco_split,
    cut_out,
    garment_photos,
)
from training.people_scenes import Material
from training.people_teacher import Find, seen_in_tiles

#: How often a COCO picture is drawn against a street photo: there are few, and all different.
COCO_SHARE = 12
#: Score above which a teacher sees a person in a photo that should show clothes alone.
SOMEBODY = 0.25


def street_scene(rgb: Image, mask: Image, boxes: F64, scores: F64) -> Scene:
    """A street photo: the person of the mask, passers-by the teacher is sure of, doubts apart."""
    wearer = person_box(mask)[None]
    iou, share = (table[:, 0] for table in overlaps(boxes, wearer))
    other = (iou <= 0.4) & (share <= 0.6)
    sure = other & (scores > 0.6) & (share < 0.2)
    return Scene(rgb, np.concatenate([wearer, boxes[sure]]), boxes[other & ~sure])


def _beside(scene: Scene) -> list[Image]:
    """Empty street left and right of a lone person."""
    if len(scene.people) != 1 or len(scene.ignore):
        return []
    x0, _, x1, _ = scene.people[0]
    width = scene.rgb.shape[1]
    sides = ((0, int(x0 * 0.9)), (int(x1 + (width - x1) * 0.1), width))
    return [np.ascontiguousarray(scene.rgb[:, a:b]) for a, b in sides if b - a > 90]


def _street(root: Path, pseudo: Path, teacher: Find) -> tuple[list[Scene], list[Cutout]]:
    """Street photos outside of the garment parser's validation split, and their people cut out.

    Photos without a mask use that of ``pseudo``, where there is one.
    """
    held = set(split_ids(root, 0)[1])
    scenes, cutouts = [], []
    for row in read_index(root):
        name = row["id"]
        folder = root / "masks" if row["level"] == "pixel" else pseudo
        rgb = read_rgb(root / "photos" / f"{name}.jpg")
        mask = cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        if name in held or rgb is None or mask is None or np.count_nonzero(mask) < 500:
            continue
        scenes.append(street_scene(rgb, np.asarray(mask), *seen_in_tiles(teacher, rgb)))
        cutout = cut_out(rgb, np.asarray(mask))
        if cutout is not None:
            cutouts.append(cutout)
    return scenes, cutouts


def gather(data: Path, pseudo: Path, places: Iterable[Path], teacher: Find) -> Material:
    """Real scenes, empty places, clothes without people, and people cut out.

    Args:
        data: folder with ``coco_train128``, ``street_fashion`` and ``clothing``.
        pseudo: masks of street photos that have tags only, ``ID.png``.
        places: more pictures without people.
        teacher: a person detector that knows far passers-by.
    """
    coco = data / "coco_train128"
    stems, _ = coco_split(coco, 0)
    pictures = [coco_scene(coco, stem) for stem in stems]
    street, cutouts = _street(data / "street_fashion", pseudo, teacher)
    empty = [scene.rgb for scene in pictures if not len(scene.people)]
    empty += [side for scene in street for side in _beside(scene)]
    empty += [rgb for rgb in map(read_rgb, places) if rgb is not None]
    clothes = [
        photo
        for photo in garment_photos(data / "clothing")
        if teacher(photo)[1].max(initial=0.0) < SOMEBODY
    ]
    cutouts = coco_cutouts(coco, stems) + cutouts
    return Material(pictures * COCO_SHARE + street, empty, clothes, cutouts)
