"""Colours of marks as evidence: embeddings of marks hardly tell colours apart, since one mark is
printed in many; but a mark of several colours is most often printed in its own."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.logos.exemplars import ROOM
from pipeline.tagging.logos.marks import Rgba
from pipeline.types import Box, Rgb

F32 = npt.NDArray[np.float32]

#: Hues told apart, a circle.
HUES = 24
#: Saturation, of 255, from which a pixel of a picture, and of a crop in whatever light, has a hue;
#: and its least value.
SATURATED = 76
SATURATED_SEEN = 38
LEAST_VALUE = 40
#: Mean difference of a mark's colours from their mean, of 255, from which it has several, and the
#: share of it that must have a hue.
SEVERAL = 12.0
COLOURED = 0.15
#: Share of a colour that must be seen: the mark is only a part of its box.
ENOUGH = 0.3
#: Agreement that tells nothing.
NEUTRAL = 0.7


def own_hues(mark: Rgba) -> list[int]:
    """How much (per mille) of a mark's picture has each of the ``HUES``; empty for a photo and for
    a mark of one colour or of none, which are printed in any."""
    inside = mark[..., 3] > 127
    if bool((mark[..., 3] > 247).all()) or not inside.any():
        return []
    colours = mark[inside][:, :3].astype(np.float32)
    if float(np.abs(colours - colours.mean(axis=0)).max(axis=1).mean()) < SEVERAL:
        return []
    found = _hues(np.ascontiguousarray(mark[..., :3]), inside, SATURATED)
    shares = (1000 * found).round().astype(int).tolist()
    return shares if float(found.sum()) > COLOURED else []


def seen_hues(crop: Rgb, box: Box) -> F32:
    """How much of the box of a mark has each hue (``HUES``,): on a square crop with the room of a
    gallery's picture around it."""
    width, height = box[2] - box[0], box[3] - box[1]
    share = len(crop) / ((1 + 2 * ROOM) * max(width, height, 1.0))
    x, y = (max(round(v * share / 2), 1) for v in (width, height))
    middle = len(crop) // 2
    part = crop[max(middle - y, 0) : middle + y + 1, max(middle - x, 0) : middle + x + 1]
    return _hues(np.ascontiguousarray(part), np.ones(part.shape[:2], bool), SATURATED_SEEN)


def _hues(rgb: Rgb, inside: npt.NDArray[np.bool_], saturated: int) -> F32:
    """Shares of what is ``inside`` (H, W) that have each hue."""
    hue, saturation, value = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV))
    coloured = inside & (saturation > saturated) & (value > LEAST_VALUE)
    counts = np.bincount(hue[coloured].astype(int) * HUES // 180, minlength=HUES)
    return np.asarray(counts / max(int(inside.sum()), 1), np.float32)


def agreement(own: F32, seen: F32) -> float:
    """How much of a mark's own colours (``HUES``,), per mille of it, is among those seen
    (``HUES``,), shares of a box: 0 to 1. Neighbouring hues are alike: light moves them."""
    shares = own / 1000
    wanted, there = (hues + np.roll(hues, 1) + np.roll(hues, -1) for hues in (shares, seen))
    enough = np.minimum(there / np.maximum(ENOUGH * wanted, 1e-6), 1.0)
    return float((own * enough).sum() / max(float(own.sum()), 1e-6))
