"""Pictures to learn from, read as people keep them: folders, or a list with boxes."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from engines.teach.lesson import Lesson, Picture, TeachError, label_of, make_lesson
from pipeline.errors import SourceRefusedError
from pipeline.picture.still import find_photos, is_hidden, load_image, told
from pipeline.types import Box, Rgb

T = TypeVar("T")
#: Longest side of what is kept of a picture, in pixels: views of it are smaller.
KEPT = 320
#: Shortest side of what is learnt from.
SMALLEST = 16
#: More pictures are not read: they are kept in memory.
MOST = 60_000
#: Larger lists are refused (bytes).
MOST_BYTES = 100_000_000
#: What lists are called.
LISTS = frozenset({".csv", ".jsonl"})
#: Bad pictures that are named; of more, how many.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Example:
    """A picture's file, its label, and the box (x0, y0, x1, y1) in its pixels that is meant;
    ``None``: all of it."""

    path: Path
    label: str
    box: Box | None = None


def read_lesson(place: Path) -> Lesson:
    """Pictures of ``place/CLASS/`` or of a list.

    A list is CSV with the columns ``image``, ``label`` and, if wanted, ``x0``, ``y0``, ``x1``,
    ``y1``, or JSON lines with ``image``, ``label`` and ``box``. Paths are beside the list. Pictures
    that cannot be read are left out and told in the lesson's notes.

    Raises:
        TeachError: there is nothing to learn from, or a list is broken.
    """
    notes: list[str] = []
    if place.is_dir():
        examples = list(_folders(place, notes))
    elif place.suffix.lower() in LISTS and place.is_file():
        examples = list(listed(place, _example))
    else:
        raise TeachError(f"{place}: neither a folder of folders of pictures nor a .csv or .jsonl")
    if len(examples) > MOST:
        raise TeachError(f"{place}: {len(examples)} pictures; more than {MOST} are not read")
    return make_lesson(_pictures(examples, notes, place), notes)


def _folders(place: Path, notes: list[str]) -> Iterator[Example]:
    left_out = Counter[str]()
    classes = sorted(p for p in place.iterdir() if p.is_dir() and not is_hidden(p.name))
    if not classes:
        raise TeachError(f"{place}: no folders in it; put each class's pictures into a folder")
    for folder in classes:
        label = label_of(folder.name)
        try:
            for path in find_photos([folder], left_out):
                yield Example(path, label)
        except SourceRefusedError:
            notes.append(f"left out: {folder.name!a}, in which there is no picture")
    if left_out:
        notes.append(told(left_out))


def listed(path: Path, example: Callable[[Path, Mapping[str, Any]], T]) -> Iterator[T]:
    """What ``example`` makes of each row of a list; it is given the folder, and raises where a row
    is wrong.

    Raises:
        TeachError: the list is broken, with the line.
    """
    if path.stat().st_size > MOST_BYTES:
        raise TeachError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB")
    read = _csv_rows if path.suffix.lower() == ".csv" else _json_rows
    try:
        for line, row in read(path):
            try:
                yield example(path.parent, row)
            except (TeachError, TypeError, ValueError, KeyError) as error:
                reason = f"lacks {error}" if isinstance(error, KeyError) else error
                raise TeachError(f"{path}, line {line}: {reason}") from None
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise TeachError(f"{path}: cannot be read: {error}; save it as UTF-8") from None


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        for row in rows:
            sides = [row.get(side) or "" for side in ("x0", "y0", "x1", "y1")]
            box = {"box": [float(side) for side in sides]} if any(sides) else {}
            yield rows.line_num, {**row, **box}


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    raise TeachError(f"{path}, line {number}: no JSON object") from None
                if not isinstance(row, dict):
                    raise TeachError(f"{path}, line {number}: no JSON object")
                yield number, row


def _example(folder: Path, row: Mapping[str, Any]) -> Example:
    image, label = row["image"], row["label"]
    if not isinstance(image, str) or not isinstance(label, str) or "\0" in image or not image:
        raise TeachError("image and label must be text")
    return Example(folder / image, label_of(label), box_of(row))


def box_of(row: Mapping[str, Any]) -> Box | None:
    """The box of a row, in pixels; ``None`` where all of the picture is meant.

    Raises:
        TeachError: it is none.
    """
    box = row.get("box")
    if box is None:
        return None
    x0, y0, x1, y1 = (float(side) for side in box)
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
        raise TeachError(f"box {box!a}: must be x0, y0, x1, y1 in pixels, x0 < x1 and y0 < y1")
    return x0, y0, x1, y1


def _pictures(examples: list[Example], notes: list[str], place: Path) -> Iterator[Picture]:
    bad: list[str] = []
    for example in examples:
        try:
            rgb = _cut(load_image(example.path)[..., ::-1], example)
        except SourceRefusedError as error:
            bad.append(str(error).replace(f"{place}/", ""))
            continue
        yield Picture(rgb, example.label, f"{example.path.parent.name}/{example.path.name}")
    notes += bad_told(bad)


def bad_told(bad: list[str]) -> list[str]:
    """The note about pictures that were left out, if there are any."""
    if not bad:
        return []
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return [f"left out, {len(bad)} picture(s): {'; '.join(bad[:_NAMED])}{more}"]


def window(rgb: Rgb, box: Box | None) -> tuple[int, int, int, int]:
    """The whole pixels of a picture that a box covers: x0, y0, x1, y1."""
    height, width = rgb.shape[:2]
    if box is None:
        return 0, 0, width, height
    x0, y0 = min(max(int(box[0]), 0), width), min(max(int(box[1]), 0), height)
    x1, y1 = min(math.ceil(box[2]), width), min(math.ceil(box[3]), height)
    return x0, y0, max(x1, x0), max(y1, y0)


def _cut(rgb: Rgb, example: Example) -> Rgb:
    """What is meant of a picture, no larger than is needed."""
    x0, y0, x1, y1 = window(rgb, example.box)
    rgb = rgb[y0:y1, x0:x1]
    if min(rgb.shape[:2]) < SMALLEST:
        raise SourceRefusedError(
            f"{example.path}: {rgb.shape[1]} x {rgb.shape[0]} pixels to learn from; the least is "
            f"{SMALLEST}"
        )
    scale = KEPT / max(rgb.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(rgb)
    size = (max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1))
    found = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    return np.asarray(found, np.uint8)
