"""Objects of known length to learn from: a folder labelled as COCO JSON, or a list with lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engines.teach.lengths import Lengths, Measured, make_lengths
from engines.teach.lesson import TeachError
from pipeline.errors import SourceRefusedError
from pipeline.models.examples import LISTS, MOST, bad_told, box_of, listed, window
from pipeline.models.measured import crop_of, labelled
from pipeline.picture.resample import squared
from pipeline.picture.still import load_image
from pipeline.types import Box, Rgb

#: What says yes in a list's column ``occluded``.
_YES = frozenset({"1", "true", "yes"})


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list: a picture, the box in its pixels that is meant, a length in cm, and the
    group that is never parted."""

    path: Path
    length: float
    box: Box | None
    group: str
    occluded: bool


def read_lengths(place: Path, side: int) -> Lengths:
    """Objects of a folder in AutoFish's layout, or of a list.

    A list is CSV or JSON lines with ``image``, ``length`` in cm and, if wanted, a box as other
    lists have it, ``group`` (what is never parted; else the picture) and ``occluded``. Nothing is
    made black around its objects. Pictures that cannot be read are left out and told.

    Raises:
        TeachError: there is nothing to learn from, or a file is broken.
    """
    bad: list[str] = []
    keys: list[str] = []
    if place.is_dir():
        objects = list(_folder(place, side, bad, keys))
    elif place.suffix.lower() in LISTS and place.is_file():
        objects = list(_rows(list(listed(place, _row)), side, bad))
    else:
        raise TeachError(f"{place}: neither a folder with COCO JSON nor a .csv or .jsonl")
    notes = [note.replace(f"{place}/", "") for note in bad_told(bad)]
    return replace(make_lengths(objects, notes, keys), masked=place.is_dir())


def _folder(place: Path, side: int, bad: list[str], keys: list[str]) -> Iterator[Measured]:
    """Objects whose pictures can be read; ``keys`` are of all, so that whoever reads no pictures
    splits them in the same way."""
    pictures = _Pictures(bad)
    for count, one in enumerate(labelled(place)):
        _few(count, place)
        keys.append(one.key)
        rgb = pictures.of(one.file)
        if rgb is None:
            continue
        try:
            crop = crop_of(rgb, one, side)
        except SourceRefusedError as error:
            bad.append(str(error))
            continue
        yield Measured(crop, one.box, one.length, one.key, one.identity, one.occluded)


def _rows(rows: list[Row], side: int, bad: list[str]) -> Iterator[Measured]:
    pictures = _Pictures(bad)
    for count, row in enumerate(rows):
        _few(count, row.path.parent)
        rgb = pictures.of(row.path)
        if rgb is None:
            continue
        (height, width), (x0, y0, x1, y1) = rgb.shape[:2], window(rgb, row.box)
        if x1 <= x0 or y1 <= y0:
            bad.append(f"{row.path}: nothing of the box is in the picture")
            continue
        box = (x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height)
        crop = squared(np.ascontiguousarray(rgb[y0:y1, x0:x1]), side)
        yield Measured(crop, box, row.length, row.group, f"row {count}", row.occluded)


class _Pictures:
    """RGB pictures, the last one kept: many objects are in one."""

    def __init__(self, bad: list[str]) -> None:
        self._bad = bad
        self._path: Path | None = None
        self._rgb: Rgb | None = None

    def of(self, path: Path) -> Rgb | None:
        """A picture; ``None``, and noted once, where it cannot be read."""
        if path != self._path:
            self._path, self._rgb = path, None
            try:
                self._rgb = np.ascontiguousarray(load_image(path)[..., ::-1])
            except SourceRefusedError as error:
                self._bad.append(str(error))
        return self._rgb


def _few(count: int, place: Path) -> None:
    if count >= MOST:
        raise TeachError(f"{place}: more than {MOST} objects are not read")


def _row(folder: Path, row: Mapping[str, Any]) -> Row:
    image, length = row["image"], float(row["length"])
    if not isinstance(image, str) or "\0" in image or not image:
        raise TeachError("image must be text")
    if not (math.isfinite(length) and length > 0):
        raise TeachError(f"length {row['length']!a}: must be cm, above 0")
    occluded = str(row.get("occluded") or "").strip().lower() in _YES
    group = str(row.get("group") or "").strip() or f"picture {image}"
    return Row(folder / image, length, box_of(row), group, occluded)
