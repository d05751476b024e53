"""What the shipped decision makes of marks: a brand's own clean picture, and unknown ones."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from training.garment_data import Image
from training.logo_decision import part_of
from training.logo_marks import Brand
from training.logo_prints import PLAIN

from evaluation.logos import LARGE, SIZES, crops, embedded, gallery_of
from pipeline.tagging.logos.decision import LEVELS, View
from pipeline.tagging.logos.exemplars import ROOM, views
from pipeline.tagging.logos.gallery import Gallery
from pipeline.tagging.logos.gallery_file import F32
from pipeline.tagging.logos.reader import Embedder

#: Brands asked for by their clean picture, brands of the larger gallery, and the picture's side.
CLEAN, AMONG, CLEAN_SIDE = 500, 1000, 64


def measure(
    embed: Embedder, brands: Sequence[Brand], test: Sequence[Brand], fabrics: list[Image]
) -> dict[str, float]:
    """Of any brands, trained on or not: their clean pictures. Of test brands: known and unknown."""
    return _clean(embed, brands) | _levels(embed, test, fabrics)


def _clean(embed: Embedder, brands: Sequence[Brand]) -> dict[str, float]:
    """Brands recognised by their own picture of 64 pixels, added alone and among a thousand."""
    some = [brands[i] for i in np.random.default_rng(3).permutation(len(brands))[:AMONG]]
    whole = gallery_of(some, embed, embed.size[0], embed.pack)
    small = [clean(brand) for brand in some[:CLEAN]]
    shown = [cv2.resize(p, embed.size, interpolation=cv2.INTER_LINEAR) for p in small]
    vectors = embedded(embed, np.stack(shown))
    seen = [View(CLEAN_SIDE)] * len(shown)
    figures: dict[str, float] = {}
    for level in LEVELS:
        alone = [
            part_of(whole, [i]).match(vectors[i : i + 1], seen[:1], level)[0]
            for i in range(len(shown))
        ]
        for name, matches in (("alone", alone), ("among 1,000", whole.match(vectors, seen, level))):
            right = sum(m.brand == b.name for m, b in zip(matches, some, strict=False))
            figures[f"of {len(shown)} clean pictures recognised, {name}, {level}"] = right
    return figures


def clean(brand: Brand) -> Image:
    """A brand's own picture on a ground on which it is seen, its longer side 64 pixels."""
    return views(brand.drawn(), round(CLEAN_SIDE * (1 + 2 * ROOM)))[0]


def _levels(embed: Embedder, test: Sequence[Brand], fabrics: list[Image]) -> dict[str, float]:
    """Known marks reported rightly and unknown ones taken for a brand; every other is known."""
    half = gallery_of(test[::2], embed, embed.size[0], embed.pack)
    pictures, whose = crops(test, fabrics, SIZES[LARGE], embed.size[0], PLAIN)
    return _shares(half, embedded(embed, pictures), whose)


def _shares(half: Gallery, vectors: F32, whose: npt.NDArray[np.int64]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for level in LEVELS:
        said = [match.brand for match in half.match(vectors, level=level)]
        pairs = list(zip(said, whose.tolist(), strict=True))
        known = [s == half.names[w // 2] for s, w in pairs if w % 2 == 0]
        figures[f"test brands, {LARGE}: reported rightly, {level}"] = float(np.mean(known))
        taken = [s is not None for s, w in pairs if w % 2]
        figures[f"unknown test brands taken for a brand, {level}"] = float(np.mean(taken))
    return figures
