"""Outfits as training samples: garments of street photos, and the split files of Polyvore."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.stills import still
from pipeline.picture.background import treat_background
from pipeline.picture.colour import evenly_lit
from pipeline.picture.crop import crops, person_window
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.outfits.items import inner, masks_of, told
from pipeline.tagging.parsing import Parsing
from pipeline.types import Box
from training.garment_data import NEAR_DUPLICATE, Image, degrade, read_index, read_rgb, thumbnail

F32 = npt.NDArray[np.float32]
Rng = np.random.Generator
#: Features of crops RGB uint8 (n, side, side, 3) of single garments.
Embed = Callable[[Image], F32]
#: Side of those crops in pixels.
SIDE = 224


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person's garments.

    Attributes:
        group: people of one group may be the same picture; they are never split.
        categories: names, one a garment.
        colours: what each garment's pixels look like (n, COLOURS).
        looks: features of a network of each, background out (n, D).
        alone: ``colours`` and ``looks`` of garments each seen in a light and by a camera of its
            own, one pair a view.
    """

    id: str
    group: int
    categories: tuple[str, ...]
    colours: F32
    looks: F32
    alone: tuple[tuple[F32, F32], ...] = ()


def parsed(parser: GarmentParser, rgb: Image) -> Parsing:
    """The only person of a photo, parsed twice: the first time shows where they are."""
    frame = still(rgb)
    box: Box = (0.0, 0.0, float(frame.width), float(frame.height))
    first, _ = parser.parse([(frame, box)])[0]
    if first.labels.any():
        box = first.box(first.labels > 0)
    return parser.parse([(frame, box)])[0][0]


def street_people(
    root: Path, parser: GarmentParser, embed: Embed, views: int, seed: int = 0
) -> Iterator[Person]:
    """People of the street photos with two garments or more, as the shipped parser sees them."""
    rows = sorted(row["id"] for row in read_index(root))
    photos = [read_rgb(root / "photos" / f"{row}.jpg") for row in rows]
    groups = grouped([thumbnail(rgb) for rgb in photos if rgb is not None])
    present = [(row, rgb) for row, rgb in zip(rows, photos, strict=True) if rgb is not None]
    for (row, rgb), group in zip(present, groups, strict=True):
        parsing = parsed(parser, rgb)
        found = list(masks_of(parsing.labels, parsing.categories))
        if len(found) < 2:
            continue
        rng = np.random.default_rng((seed, int(row)))
        colours, looks = _seen(rgb, parsing, found, embed, None)
        alone = tuple(_seen(rgb, parsing, found, embed, rng) for _ in range(views))
        names = tuple(name for name, _ in found)
        yield Person(row, group, names, colours, looks, alone)


def _seen(
    rgb: Image,
    parsing: Parsing,
    found: Sequence[tuple[str, npt.NDArray[np.bool_]]],
    embed: Embed,
    rng: Rng | None,
) -> tuple[F32, F32]:
    """Colours and features of garments; with ``rng`` each in a light and by a camera of its own."""
    height, width = parsing.labels.shape
    colours, pictures = [], []
    for _, mask in found:
        frame = still(rgb if rng is None else degrade(rgb, rng, 0.5))
        crop = evenly_lit(frame.crop(parsing.window, (width, height)))
        colours.append(told(crop[inner(mask)]))
        window = person_window(parsing.box(mask), (SIDE, SIDE))
        view = Parsing(parsing.window, mask.astype(np.uint8), parsing.scores)
        picture = crops([(frame, window)], (SIDE, SIDE))[0]
        pictures.append(treat_background(picture, view.person_through(window, SIDE // 2), "remove"))
    return np.stack(colours), embed(np.stack(pictures))


def grouped(thumbnails: Sequence[F32]) -> list[int]:
    """A number for each picture, the same for near duplicates, and for those of these."""
    stacked = np.stack(thumbnails)
    number = list(range(len(stacked)))
    for i, j in np.argwhere(np.triu(stacked @ stacked.T >= NEAR_DUPLICATE, 1)).tolist():
        old, new = number[j], number[i]
        number = [new if own == old else own for own in number]
    return number


def polyvore(folder: Path) -> tuple[list[npt.NDArray[np.int64]], ...]:
    """Training and test outfits of NGNN's split files, each the indices (n,) of its categories.

    Raises:
        SystemExit: a file is missing or has another layout.
    """
    try:
        listed = json.loads((folder / "category_summarize_100.json").read_text())
        index = {row["id"]: i for i, row in enumerate(listed)}
        parts = []
        for name in ("train", "test"):
            rows = json.loads((folder / f"{name}_no_dup_new_100.json").read_text())
            parts.append([np.array([index[i] for i in row["items_category"]]) for row in rows])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{folder}: not NGNN's split files: {error!r}") from None
    return tuple(parts)
