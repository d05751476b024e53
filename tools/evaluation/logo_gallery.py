"""What the shipped decision makes of marks: a brand's own clean picture, and unknown ones."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from training.garment_data import Image, Rng
from training.logo_crops import crop, printed_on, seen
from training.logo_decision import part_of
from training.logo_marks import Brand
from training.logo_prints import PLAIN

from evaluation.logos import LARGE, SIZES, crops, embedded, gallery_from, gallery_of
from pipeline.tagging.logos.decision import LEVELS, View
from pipeline.tagging.logos.exemplars import ROOM, views
from pipeline.tagging.logos.gallery import Gallery
from pipeline.tagging.logos.gallery_file import F32
from pipeline.tagging.logos.marks import Rgba, read_mark
from pipeline.tagging.logos.reader import Embedder

#: Brands asked for by their clean picture, brands of the larger gallery, and the picture's side.
CLEAN, AMONG, CLEAN_SIDE = 500, 1000, 64
#: Brands known by one picture each, and the side in pixels of a mark on a photo of it.
KNOWN_BY, PHOTO_SIDE = 250, 150.0
ONE_PICTURE = (
    "SVG",
    "transparent PNG",
    "PNG on white",
    "PNG on white cut to its edge",
    "photo on cloth",
)


def measure(
    embed: Embedder, brands: Sequence[Brand], test: Sequence[Brand], fabrics: list[Image]
) -> dict[str, float]:
    """Of any brands, trained on or not: their clean pictures. Of test brands: known and
    unknown, and by which picture of theirs they are known."""
    return _clean(embed, brands) | _levels(embed, test, fabrics) | _exemplars(embed, test, fabrics)


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


def _exemplars(embed: Embedder, test: Sequence[Brand], fabrics: list[Image]) -> dict[str, float]:
    """Brands known by one picture each: their SVG, a PNG, a photo of their mark on cloth."""
    some, side = test[:KNOWN_BY], embed.size[0]
    asked, whose = [], np.repeat(np.arange(len(some)), 2)
    marks: dict[str, list[Rgba]] = {name: [] for name in ONE_PICTURE}
    with tempfile.TemporaryDirectory() as folder:
        for i, brand in enumerate(some):
            drawn = brand.drawn()
            marks["SVG"].append(drawn)
            marks["transparent PNG"].append(_read(Path(folder), drawn))
            flat = _own(drawn, 255.0)
            room = ((8, 8), (8, 8), (0, 0))
            spacious = np.pad(flat, room, constant_values=255)
            marks["PNG on white"].append(_read(Path(folder), spacious))
            marks["PNG on white cut to its edge"].append(_read(Path(folder), flat))
            photo = _photo(brand, fabrics, np.random.default_rng((23, i)))
            marks["photo on cloth"].append(_read(Path(folder), photo))
            rng = np.random.default_rng((29, i))
            sides = rng.uniform(*SIZES[LARGE], 2)
            asked += [crop(brand, fabrics, s, side, rng, PLAIN) for s in sides]
    vectors, seen = embedded(embed, np.stack(asked)), [View(CLEAN_SIDE)] * len(asked)
    figures: dict[str, float] = {}
    for name, every in marks.items():
        shown = np.stack([view for mark in every for view in views(mark, side)])
        gallery = gallery_from(some, embedded(embed, shown), embed.pack)
        said = [match.brand for match in gallery.match(vectors, seen)]
        right = [brand == some[i].name for brand, i in zip(said, whose, strict=True)]
        figures[f"{len(some)} test brands, one {name} each: reported rightly"] = float(
            np.mean(right)
        )
    return figures


def _own(mark: Rgba, ground: float) -> Image:
    cover = mark[..., 3:] / 255
    return np.asarray(mark[..., :3] * cover + ground * (1 - cover), np.uint8)


def _photo(brand: Brand, fabrics: list[Image], rng: Rng) -> Image:
    """A mark printed on cloth and photographed well, cut out by hand with a little room."""
    for _ in range(20):
        image, box = printed_on(brand, fabrics, PHOTO_SIDE, rng, PLAIN)
        if box is not None:
            break
    assert box is not None
    picture = seen(image, rng, PHOTO_SIDE, PLAIN)
    room = rng.uniform(0.0, 0.08) * (box[2:] - box[:2]).max()
    x0, y0 = np.maximum((box[:2] - room).round().astype(int), 0).tolist()
    x1, y1 = (box[2:] + room).round().astype(int).tolist()
    return picture[y0:y1, x0:x1]


def _read(folder: Path, picture: Image) -> Rgba:
    """A picture as the gallery reads its file."""
    path = folder / "mark.png"
    channels = [2, 1, 0, *range(3, picture.shape[2])]
    cv2.imwrite(str(path), picture[..., channels])
    return read_mark(path)


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
