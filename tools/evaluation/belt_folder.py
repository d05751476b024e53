"""Made belts as a folder in AutoFish's layout: pictures, and COCO JSON with masks and lengths.

A group is a belt of its own (a seed): what is tested on lay on no belt that was learnt from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from evaluation.belt_scenes import BeltScene, belt_camera

#: Groups that are learnt from, chosen by and tested on, as AutoFish's authors split them.
GROUPS = (2, 3, 4, 5, 1, 10, 14)
#: Pictures of a belt, cm that it moves between two, cm of it, and pixels.
PICTURES = 6
STEP = 24.0
LENGTH = 240.0
SIZE = (960, 540)
#: Share of the objects that another one is laid across.
OVERLAP = 0.5
#: Smallest share of an object that is in view of those that are listed.
_SEEN = 0.4


def belt_folder(folder: Path, seed: int, groups: Sequence[int] = GROUPS) -> Path:
    """Write pictures and a list of every group, and the camera's calibration, whose path is
    returned. Objects that the edge cuts, or that are mostly hidden, are in the pictures and not in
    the list."""
    for group in groups:
        place = folder / f"group_{group:02d}"
        place.mkdir(parents=True)
        scene = BeltScene(1000 * seed + group, belt_camera(SIZE), LENGTH, OVERLAP)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number in range(PICTURES):
            name, key = f"belt_{number}.png", 100 * group + number
            cv2.imwrite(str(place / name), scene.picture(STEP * number)[..., ::-1])
            images.append({"id": key, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
            for own in _objects(scene, STEP * number):
                number_of = len(annotations) + 1000 * group
                annotations.append({**own, "id": number_of, "image_id": key, "group": group})
                annotations[-1]["fish_id"] += 1000 * group
        content = {"images": images, "annotations": annotations}
        (place / "annotations.json").write_text(json.dumps(content))
    plane = belt_camera(SIZE).plane(30, 20, 60, 25).model_dump(mode="json")
    settings = folder / "belt.yaml"
    settings.write_text(
        yaml.safe_dump({"cameras": [{"url": "belt.mp4", "measures": {"plane": plane}}]})
    )
    return settings


def _objects(scene: BeltScene, offset: float) -> list[dict[str, Any]]:
    """What a list says of the objects in a picture: those painted later lie on top."""
    size = (SIZE[1], SIZE[0])
    top = np.zeros(size, np.uint8)
    masks: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    seen = scene.seen(offset)
    for _, outline in reversed(seen):
        mask = np.zeros(size, np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1, shift=4)
        whole = int(mask.sum())
        mask[top > 0] = 0
        top |= mask
        low, high = outline.min(0), outline.max(0)
        inside = bool((low > 2).all() and (high < np.array(SIZE) - 3).all())
        masks.append(mask if inside and mask.sum() > _SEEN * whole else np.zeros(size, np.uint8))
    found = []
    for i, ((thing, _), mask) in enumerate(zip(seen, reversed(masks), strict=True)):
        if mask.any():
            flat = mask.T.ravel()
            ends = np.flatnonzero(np.diff(flat)) + 1
            counts = np.diff([0, *ends, len(flat)])
            if flat[0]:
                counts = np.concatenate([[0], counts])
            runs = {"size": list(size), "counts": counts.tolist()}
            found.append({"segmentation": runs, "length": round(thing.length, 2), "fish_id": i})
    return found
