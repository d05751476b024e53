"""Person labels from a detector for pictures nobody labelled: seen larger, twice, or over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engines.boxes import overlaps
from training.garment_data import Image
from training.people_data import F64, Scene, nobody

#: A detector: boxes (n, 4) xyxy in pixels of an RGB picture, and scores (n,).
Find = Callable[[Image], tuple[F64, F64]]
#: A box is one with another above this overlap.
SAME = 0.5


def _fuse(boxes: F64, scores: F64, views: int) -> tuple[F64, F64]:
    """Boxes that several views agree on: the mean box, and the mean score over all views."""
    order = np.argsort(-scores, kind="stable")
    iou, _ = overlaps(boxes[order], boxes[order])
    free = np.ones(len(order), bool)
    fused, certainty = [nobody()], []
    for i in range(len(order)):
        if not free[i]:
            continue
        alike = free & (iou[i] >= SAME)
        free &= ~alike
        members = order[alike & (iou[i] >= 0.6)]
        fused.append(np.average(boxes[members], axis=0, weights=scores[members])[None])
        certainty.append(min(scores[members].sum() / views, 1.0))
    return np.concatenate(fused), np.array(certainty)


def seen_twice(find: Find, rgb: Image) -> tuple[F64, F64]:
    """What a detector finds in a picture and in its mirror image, fused."""
    boxes, scores = find(rgb)
    mirrored, other = find(np.ascontiguousarray(rgb[:, ::-1]))
    width = rgb.shape[1]
    back = mirrored[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1]) + np.array([width, 0, width, 0])
    return _fuse(np.concatenate([boxes, back]), np.concatenate([scores, other]), 2)


def seen_in_tiles(find: Find, rgb: Image) -> tuple[F64, F64]:
    """What a detector for fixed small inputs finds in a picture and in tiles of two thirds of its
    shorter side; boxes cut by a tile's inner edge are left out."""
    height, width = rgb.shape[:2]
    side = min(height, width) * 2 // 3
    boxes, scores = find(rgb)
    found, certainty = [boxes], [scores]
    for y in (0, (height - side) // 2, height - side):
        for x in (0, width - side):
            inner, score = find(np.ascontiguousarray(rgb[y : y + side, x : x + side]))
            edge = np.array([x == 0, y == 0, x + side == width, y + side == height])
            away = np.concatenate([inner[:, :2], side - inner[:, 2:]], axis=1) > 3
            whole = (away | edge).all(axis=1)
            found.append(inner[whole] + np.array([x, y, x, y]))
            certainty.append(score[whole])
    return _fuse(np.concatenate(found), np.concatenate(certainty), 1)


def taught(rgb: Image, boxes: F64, scores: F64, sure: float = 0.5, maybe: float = 0.2) -> Scene:
    """A scene by a teacher's boxes: people it is sure of; what may be one is left alone.

    A doubtful box around a person it is sure of is a loose second box, and wrong.
    """
    people, doubt = boxes[scores >= sure], boxes[(scores >= maybe) & (scores < sure)]
    if len(people) and len(doubt):
        _, share = overlaps(people, doubt)
        doubt = doubt[(share <= 0.85).all(axis=0)]
    return Scene(rgb, people, doubt)


def without_fixtures(scenes: Sequence[Scene], most: float = 0.4) -> list[Scene]:
    """Scenes of one fixed camera, without boxes that stay at one place in more than this share of
    them: a sign or a hydrant stays, passers-by do not."""
    all_boxes = [np.concatenate([scene.people, scene.ignore]) for scene in scenes]

    def moving(boxes: F64) -> F64:
        if not len(boxes):
            return boxes
        seen = np.zeros(len(boxes))
        for others in all_boxes:
            if len(others):
                seen += overlaps(boxes, others)[0].max(axis=1) > 0.6
        return boxes[seen / len(scenes) < most]

    return [Scene(s.rgb, moving(s.people), moving(s.ignore)) for s in scenes]
