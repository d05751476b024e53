"""Outfits as training samples: garments of street photos, and the split files of Polyvore."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from evaluation.stills import still

from engines.nets.efficientnet_lite import EMBEDDING
from engines.teach.twins import thumbnail
from pipeline.picture.background import treat_background
from pipeline.picture.colour import evenly_lit
from pipeline.picture.crop import person_window
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.outfits.complete import alone_on
from pipeline.tagging.outfits.items import inner, masks_of, told
from pipeline.tagging.parsing import Mask, Parsing
from training.garment_data import NEAR_DUPLICATE, Image, degrade, read_index, read_rgb

F32 = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]
#: Features of crops RGB uint8 (n, side, side, 3) of single garments.
Embed = Callable[[Image], Half]
#: Side of those crops in pixels.
SIDE = 224


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person's garments.

    Attributes:
        group: people of one group may be the same picture; they are never split.
        categories: names, one a garment.
        colours: what each garment's pixels look like (n, COLOURS).
        looks: features of a network of each, background out (n, FEATURES); NaN where not asked for.
        alone: ``colours`` of garments each seen in a light and by a camera of its own.
    """

    id: str
    group: int
    categories: tuple[str, ...]
    colours: F32
    looks: Half
    alone: F32


def street_people(root: Path, parser: GarmentParser, embed: Embed, most: int) -> Iterator[Person]:
    """People of the street photos with two garments or more, as the shipped parser sees them;
    ``looks`` of the first ``most`` alone."""
    rows = sorted(row["id"] for row in read_index(root))
    photos = [(row, read_rgb(root / "photos" / f"{row}.jpg")) for row in rows]
    present = [(row, rgb) for row, rgb in photos if rgb is not None]
    groups = grouped([thumbnail(rgb) for _, rgb in present])
    done = 0
    for (row, rgb), group in zip(present, groups, strict=True):
        parsing = alone_on(parser, still(rgb))
        found = list(masks_of(parsing.labels, parsing.categories))
        if len(found) < 2:
            continue
        rng = np.random.default_rng((0, int(row)))
        looks: Half = np.full((len(found), EMBEDDING), np.nan, np.float16)
        if done < most:
            looks = embed(np.stack([cut_out(rgb, parsing, mask) for _, mask in found]))
        done += 1
        names = tuple(name for name, _ in found)
        colours = [colours_of(rgb, parsing, mask) for _, mask in found]
        alone = [colours_of(degrade(rgb, rng, 0.5), parsing, mask) for _, mask in found]
        yield Person(row, group, names, np.stack(colours), looks, np.stack(alone))


def colours_of(rgb: Image, parsing: Parsing, mask: Mask) -> F32:
    """What a garment's pixels look like."""
    height, width = mask.shape
    return told(evenly_lit(still(rgb).crop(parsing.window, (width, height)))[inner(mask)])


def cut_out(rgb: Image, parsing: Parsing, mask: Mask) -> Image:
    """One garment, grey around it (SIDE, SIDE, 3)."""
    window = person_window(parsing.box(mask), (SIDE, SIDE))
    view = Parsing(parsing.window, mask.astype(np.uint8), parsing.scores)
    picture = still(rgb).crop(window, (SIDE, SIDE))
    return treat_background(picture, view.person_through(window, SIDE // 2), "remove")


def save_people(path: Path, people: Sequence[Person]) -> None:
    """Write people to a file."""
    joined = {
        name: np.concatenate([getattr(one, name) for one in people])
        for name in ("colours", "looks", "alone")
    }
    arrays: dict[str, Any] = {
        **joined,
        "ids": [one.id for one in people],
        "groups": [one.group for one in people],
        "counts": [len(one.categories) for one in people],
        "categories": [name for one in people for name in one.categories],
    }
    np.savez_compressed(path, **arrays)


def load_people(path: Path) -> list[Person]:
    """People from a file of ``save_people``."""
    with np.load(path, allow_pickle=False) as stored:
        ends = np.cumsum(stored["counts"])[:-1]
        parts = [np.split(stored[n], ends) for n in ("categories", "colours", "looks", "alone")]
        rows = zip(stored["ids"].tolist(), stored["groups"].tolist(), *parts, strict=True)
        return [Person(i, g, tuple(c.tolist()), *rest) for i, g, c, *rest in rows]


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
