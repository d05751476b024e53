"""Objects on a plane as a pack's masks show them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.measures.belt import Instance, pieces
from pipeline.tagging.packs.segmenter import Segmented
from pipeline.types import Window

#: Share of two masks together that both have, above which they are of one thing.
_SAME = 0.5
#: Distance of one mask's pixels to another's up to which they touch.
_NEAR = 2
#: Share of a mask that lies apart from the rest of it, from which something is in front.
_TORN = 0.1


def masked(seen: Segmented, size: tuple[int, int], least_px: float) -> list[Instance]:
    """The objects in a picture of ``size`` (width, height), the surest first.

    Of a mask in pieces the largest counts. What touches another, or is in pieces, overlaps; what
    reaches the edge of what was looked at is cut. Of two masks of one thing the surer is taken.

    Args:
        least_px: smaller areas are dirt.
    """
    owners = np.zeros((size[1] + 2 * _NEAR, size[0] + 2 * _NEAR), np.int32)
    found: list[Instance] = []
    touching: set[int] = set()
    for segment in seen.segments:
        parts = pieces(segment.mask, segment.at, least_px) if segment.mask.size else []
        if not parts:
            continue
        areas = [cv2.countNonZero(part.mask) for part in parts]
        one = parts[int(np.argmax(areas))]
        shared = _shared(owners, one, 0)
        if any(n > _SAME * (max(areas) + _area(found[i]) - n) for i, n in shared.items()):
            continue
        if near := _shared(owners, one, _NEAR):
            touching |= {len(found), *near}
        if max(areas) < (1 - _TORN) * sum(areas):
            touching.add(len(found))
        _own(owners, one, len(found) + 1)
        found.append(replace(one, label=segment.label, score=segment.score))
    return [
        replace(one, state="cut")
        if _at_edge(one, seen.view, seen.cell)
        else replace(one, state="overlapping" if i in touching else "whole")
        for i, one in enumerate(found)
    ]


def _area(one: Instance) -> int:
    return cv2.countNonZero(one.mask)


def _room(owners: npt.NDArray[np.int32], one: Instance, more: int) -> npt.NDArray[np.int32]:
    """The part of the owners around an object, with ``more`` pixels on every side."""
    (x, y), (height, width) = one.at, one.mask.shape
    low = _NEAR - more
    return owners[y + low : y + _NEAR + height + more, x + low : x + _NEAR + width + more]


def _shared(owners: npt.NDArray[np.int32], one: Instance, more: int) -> dict[int, int]:
    """Index of another object -> pixels of it that this one, grown by ``more``, covers."""
    grown = cv2.copyMakeBorder(one.mask, more, more, more, more, cv2.BORDER_CONSTANT, value=0)
    grown = cv2.dilate(grown, np.ones((2 * more + 1, 2 * more + 1), np.uint8))
    numbers, counts = np.unique(_room(owners, one, more)[grown == 1], return_counts=True)
    return {int(n) - 1: int(c) for n, c in zip(numbers, counts, strict=True) if n}


def _own(owners: npt.NDArray[np.int32], one: Instance, number: int) -> None:
    """Give an object its pixels that are nobody's yet."""
    room = _room(owners, one, 0)
    room[(one.mask == 1) & (room == 0)] = number


def _at_edge(one: Instance, view: Window, cell: float) -> bool:
    x0, y0, x1, y1 = one.box
    near = x0 < view[0] + cell or y0 < view[1] + cell
    return near or x1 > view[2] - cell or y1 > view[3] - cell
