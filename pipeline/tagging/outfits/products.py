"""A store's own products: read from a folder or a CSV file, each picture as one garment."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from engines.base import Engine
from engines.packs import Label, Pack, labels
from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.picture.colour import evenly_lit
from pipeline.picture.still import find_photos, is_folder, load_image
from pipeline.picture.yuv import from_bgr
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.outfits.items import Item, inner, told
from pipeline.tagging.parsing import Mask, cells_of
from pipeline.types import Box, Frame, Rgb

#: Category of each type that single garments are told apart by.
TYPES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("T-Shirt", "Longsleeve", "Undershirt", "Polo", "Hoodie", "Top"),
            "top, t-shirt, sweatshirt",
        ),
        **dict.fromkeys(("Shirt", "Blouse"), "shirt, blouse"),
        **dict.fromkeys(("Outwear", "Blazer"), "jacket"),
        **{"Pants": "pants", "Shoes": "shoe", "Dress": "dress", "Shorts": "shorts"},
        **{"Hat": "hat", "Skirt": "skirt", "Body": "jumpsuit"},
    }
)
#: Probability a type needs to be believed.
SURE = 0.5
#: Share of a picture's cells from which a garment on it is taken to be worn by somebody.
WORN = 0.05
#: Longer side, in pixels, of the picture in which a product is told from its ground.
_SIDE = 160
#: Distance in CIELAB from the picture's rim from which something is no ground, and shares of the
#: picture that a product takes.
_GROUND = 10.0
_SHARES = (0.03, 0.95)
#: Products in one file, and characters of a name that are kept.
MOST = 200_000
_NAME = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """A product as it was named; ``category`` is empty where nobody said."""

    name: str
    path: Path
    category: str = ""


def listed(place: Path, left_out: Counter[str]) -> list[Listed]:
    """The products of a folder, its sub-folders' names taken for categories where they are some, or
    of a CSV file with the columns ``picture`` (a path beside it), and if wanted ``category`` and
    ``name``.

    Args:
        left_out: counts what else a folder holds.

    Raises:
        ConfigError: there is no product in it, or it cannot be read.
    """
    if is_folder(place):
        found = []
        for path in find_photos([place], left_out):
            category = path.parent.name if path.parent != place else ""
            found.append(Listed(path.stem[:_NAME], path, category))
        return found
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "picture" not in (rows.fieldnames or ()):
                raise ConfigError(f"{place}: no column 'picture'; a first line names the columns")
            found = [_row(place, row) for row in islice(rows, MOST + 1)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{place}: no folder and no CSV file of products: {reason}") from None
    if not 0 < len(found) <= MOST:
        raise ConfigError(
            f"{place}: {f'more than {MOST} products' if found else 'no product'} in it"
        )
    return found


def _row(place: Path, row: Mapping[str, str | None]) -> Listed:
    picture = (row["picture"] or "").strip()
    name = (row.get("name") or Path(picture).stem).strip()
    return Listed(name[:_NAME], place.parent / picture, (row.get("category") or "").strip())


class Products:
    """Turns pictures of products into garments."""

    def __init__(self, parser: GarmentParser, types: tuple[Engine, Pack]) -> None:
        self._parser = parser
        self._engine, self._pack = types
        self._types = [label.name for label in labels(self._pack)]
        self._words = words_of(parser.labels)

    def read(self, product: Listed) -> Item:
        """The garment that a picture shows.

        Raises:
            SourceRefusedError: it cannot be read, or what it shows is not told.
        """
        image = load_image(product.path)
        frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(image))
        category = self._words.get(_plain(product.category)) or self._recognised(frame, product)
        crop, mask = self._worn(frame, category) or (None, None)
        if crop is None or mask is None:
            scale = _SIDE / max(image.shape[:2])
            size = tuple(max(round(side * scale), 1) for side in image.shape[1::-1])
            crop = np.asarray(cv2.resize(image[..., ::-1], size, interpolation=cv2.INTER_AREA))
            mask = silhouette(crop)
        return Item(category, told(evenly_lit(crop)[inner(mask)]), int(mask.sum()))

    def _recognised(self, frame: Frame, product: Listed) -> str:
        side = max(frame.width, frame.height)
        x0, y0 = (frame.width - side) // 2, (frame.height - side) // 2
        crop = frame.crop((x0, y0, x0 + side, y0 + side), self._pack.size)
        scores = self._engine.infer({"images": crop[None]})["scores"][0]
        by_category: dict[str, float] = {}
        for name, score in zip(self._types, scores.tolist(), strict=True):
            category = TYPES.get(name, "")
            by_category[category] = by_category.get(category, 0.0) + score
        best = max(by_category, key=lambda name: by_category[name])
        if by_category[best] < SURE or not best:
            said = f"category {product.category!a} is unknown, and " if product.category else ""
            raise SourceRefusedError(
                f"{product.path}: {said}the picture does not tell; name the category in a CSV file"
            )
        return best

    def _worn(self, frame: Frame, category: str) -> tuple[Rgb, Mask] | None:
        """The garment on somebody who wears it, as a small picture and its cells; ``None`` where
        nobody does."""
        box: Box = (0.0, 0.0, float(frame.width), float(frame.height))
        parsing = self._parser.parse([(frame, box)])[0][0]
        members = [i for i, own in enumerate(parsing.categories) if own == category]
        if not members or not parsing.dressed:
            return None
        bare = [i for i, label in enumerate(self._parser.labels) if label.name in ("skin", "hair")]
        mask = cells_of(parsing.labels, members)
        if mask.mean() < WORN or not cells_of(parsing.labels, bare).any():
            return None
        height, width = mask.shape
        return frame.crop(parsing.window, (width, height)), mask


def words_of(known: Sequence[Label]) -> Mapping[str, str]:
    """Words for categories -> the category: its own name, the names in it, and its labels'."""
    found: dict[str, str] = {}
    for label in known:
        if label.category:
            names = (label.name, label.category, *label.category.split(","))
            found |= {_plain(name): label.category for name in names}
    return MappingProxyType(found)


def _plain(word: str) -> str:
    """A word without capitals, what is around it, and the s of the plural."""
    word = word.casefold().strip().replace("_", " ")
    return word.removesuffix("s")


def silhouette(rgb: Rgb) -> Mask:
    """Where (h, w) a picture (h, w, 3) shows something other than the ground at its rim; its middle
    where that is not told apart: white things on white."""
    height, width = rgb.shape[:2]
    lab = cv2.cvtColor((rgb / np.float32(255)).astype(np.float32), cv2.COLOR_RGB2Lab)
    rim = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    away = np.sqrt(((lab - np.median(rim, axis=0)) ** 2).sum(2)) > _GROUND
    # The ground hangs together with the rim; what it encloses belongs to the thing.
    ground = cv2.copyMakeBorder((~away).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(ground, None, (0, 0), 2)
    mask: Mask = ground[1:-1, 1:-1] != 2
    if not _SHARES[0] <= mask.mean() <= _SHARES[1]:
        mask = np.zeros((height, width), bool)
        mask[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None] = True
    return mask
