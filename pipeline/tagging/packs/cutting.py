"""What a pack sees of a subject: which part of the frame, and as which numbers."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from engines.base import Array
from engines.packs import Pack, Tensor
from engines.packs.tagger import WHOLE, Background, TaggerTable
from pipeline.picture.background import treat_background
from pipeline.picture.crop import crops, person_window
from pipeline.picture.resample import resample
from pipeline.tagging.garments.parts import COVERS, LOWER, UPPER
from pipeline.tagging.parsing import Mask, Parsing, cells_of, large_pieces
from pipeline.tagging.tagger import Subject
from pipeline.types import Box, Rgb, Window


class Matter(Protocol):
    """Tells what lies in front."""

    def mask(self, rgb: Rgb) -> Mask | None:
        """Where a picture (h, w, 3) shows what lies in front, of any size; ``None``: unsure."""
        ...


#: Subject of a pack -> part of the body.
PARTS = MappingProxyType({"upper": UPPER, "lower": LOWER})


def place(subject: Subject, table: TaggerTable) -> Box | None:
    """Where on a subject a pack looks: all of it, or a garment where a parsing shows it; ``None``
    where the parsing shows none."""
    parsing = subject.given.get("parsing")
    if table.subject in WHOLE or not isinstance(parsing, Parsing):
        return subject.box
    part = PARTS.get(table.subject)
    members = [
        i
        for i, category in enumerate(parsing.categories)
        if category and (category == table.subject or part in COVERS.get(category, ()))
    ]
    mask = cells_of(parsing.labels, members) if members else parsing.labels < 0
    return parsing.box(large_pieces(mask)) if mask.any() else None


def window(box: Box, table: TaggerTable, size: tuple[int, int]) -> Window:
    """The part of a frame that becomes a picture of ``size`` (width, height)."""
    margin = table.margin if table.shown == "person" else 0.0
    if table.resize == "fit":
        return person_window(box, size, margin)
    x0, y0, x1, y1 = box
    width, height = (x1 - x0) * (1 + 2 * margin), (y1 - y0) * (1 + 2 * margin)
    if table.resize == "cover":
        aspect = size[0] / size[1]
        width, height = min(width, height * aspect), min(height, width / aspect)
    left, top = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    wide, high = max(round(width), 1), max(round(height), 1)
    return round(left), round(top), round(left) + wide, round(top) + high


def pictures(
    looks: Sequence[tuple[Subject, Window]],
    pack: Pack,
    behind: Sequence[Background],
    matter: Matter | None = None,
) -> list[Rgb]:
    """Windows of subjects as pictures RGB uint8 (h, w, 3) of a pack's size, and what is done to
    what lies behind each; ``matter`` tells where that is not known from a parsing."""
    table = pack.tagger
    assert table is not None
    where = [(subject.frame, own) for subject, own in looks]
    if table.filter == "area":
        found: list[Rgb] = list(crops(where, pack.size))
    else:
        found = [resample(frame.crop(own), pack.size, table.filter) for frame, own in where]
    return [
        _treated(rgb, subject, own, how, matter)
        for rgb, (subject, own), how in zip(found, looks, behind, strict=True)
    ]


def _treated(
    rgb: Rgb, subject: Subject, own: Window, how: Background, matter: Matter | None
) -> Rgb:
    """A picture of a person with what lies behind them changed, where that is known: by a parsing,
    or by what tells what lies in front."""
    if how == "keep":
        return rgb
    parsing = subject.given.get("parsing")
    if isinstance(parsing, Parsing):
        return treat_background(rgb, parsing.person_through(own), how)
    mask = matter.mask(rgb) if matter is not None and subject.kind == "person" else None
    return rgb if mask is None else treat_background(rgb, mask, how)


def _scale(found: Array, tensor: Tensor) -> Array:
    """By what the numbers of pictures (n, h, w, 3) are divided."""
    largest = found.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray(np.maximum(tensor.scale or largest, 1e-6), np.float32)


def as_input(shown: Sequence[Rgb], tensor: Tensor) -> Array:
    """Pictures as a model takes them, of layout ``chw`` a single one: its colours, numbers and
    layout."""
    found: Array = np.stack(shown)
    if tensor.colour == "bgr":
        found = found[..., ::-1]
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        numbers = found.astype(np.float32) / _scale(found, tensor)
        found = (numbers - np.array(tensor.mean, np.float32)) / np.array(tensor.std, np.float32)
    if tensor.layout != "nhwc":
        found = found.transpose(0, 3, 1, 2)
    if tensor.layout == "chw":
        [found] = found
    return np.ascontiguousarray(found.astype(dtype, copy=False))
