"""What an outfit is made of: the garments of one crop, each as category and colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.colour import NAMES, colour_map, evenly_lit, lab_of
from pipeline.tagging.parsing import Mask, Parsing, cells_of, large_pieces
from pipeline.types import Frame

F32 = npt.NDArray[np.float32]
#: Cells of a crop (of 12,800) a garment needs to be judged, and pixels that are enough to judge it.
LEAST_CELLS = 48
ENOUGH = 400
#: Ranks whose values tell of a garment's pixels: the darkest tenth, the middle, the lightest tenth.
RANKS = (0.1, 0.5, 0.9)
_SCALE = np.array([50.0, 25.0, 25.0], np.float32)
#: Numbers that tell a garment's colours.
COLOURS = 3 * len(RANKS) + len(NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One garment.

    Attributes:
        category: its Fashionpedia category.
        colours: what its pixels look like, float32 (COLOURS,).
        cells: how many cells of the crop show it.
    """

    category: str
    colours: F32
    cells: int


def told(pixels: npt.NDArray[np.uint8]) -> F32:
    """Colours (COLOURS,) of a garment's pixels, RGB uint8 (n, 3), at least one: CIELAB at three
    ranks, channel by channel, and the share of each colour name."""
    pixels = pixels[:: max(len(pixels) // ENOUGH, 1)]
    lab = np.sort(lab_of(pixels.astype(np.float64)), axis=0)
    at = [int(rank * (len(lab) - 1) + 0.5) for rank in RANKS]
    names = np.bincount(colour_map(pixels[None]).ravel(), minlength=len(NAMES)) / len(pixels)
    return np.concatenate([(lab[at] / _SCALE).ravel(), names.astype(np.float32)])


def masks_of(
    labels: npt.NDArray[np.uint8], categories: Sequence[str | None]
) -> Iterable[tuple[str, Mask]]:
    """Category and cells (h, w) of every garment that a parsing shows large enough.

    Args:
        labels: label index per cell (h, w).
        categories: category of each label, ``None`` where it has none.
    """
    counts = np.bincount(labels.ravel(), minlength=len(categories))
    members: dict[str, list[int]] = {}
    for index, name in enumerate(categories):
        if name and counts[index]:
            members.setdefault(name, []).append(index)
    for name, own in members.items():
        if counts[own].sum() >= LEAST_CELLS:
            yield name, large_pieces(cells_of(labels, own))


def items_of(frame: Frame, parsing: Parsing) -> list[Item]:
    """The garments of a parsed person, their colours cut from the frame again."""
    height, width = parsing.labels.shape
    crop = evenly_lit(frame.crop(parsing.window, (width, height)))
    return [
        Item(name, told(crop[inner(mask)]), int(mask.sum()))
        for name, mask in masks_of(parsing.labels, parsing.categories)
    ]


def inner(mask: Mask) -> Mask:
    """A mask (h, w) without its rim, where that leaves something: edges mix colours."""
    eroded = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    return eroded if np.count_nonzero(eroded) * 3 >= np.count_nonzero(mask) else mask
