"""What the decision about marks is fitted on: marks composed on photos of the world, as the shipped
detector finds them at every scale, and what else it finds there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.boxes import iou_matrix
from pipeline.picture.yuv import from_bgr
from pipeline.tagging.logos.decision import View
from pipeline.tagging.logos.reader import LogoReader, fused
from pipeline.tagging.tiles import tiles
from pipeline.types import Box, Frame, Window
from training.garment_data import Image, Rng, read_rgb
from training.logo_crops import TOLD, seen
from training.logo_marks import DRAWN, Brand, brands_in, family, without_twins
from training.logo_pieces import apart_from, word
from training.logo_prints import PLAIN, ROUGH, Print, lay, printed, warped

F32 = npt.NDArray[np.float32]

#: Folders of photos, the most of each, and how much they are enlarged.
PHOTOS = (("coco_train128", 64, 1.0), ("luma", 250, 1.0), ("products", 350, 2.0))
#: Most marks of another maker.
MOST_STRANGERS = 2300

#: Longer side of marks in pixels: from the least to so much of the picture's shorter side.
LEAST_SIDE, MOST_SHARE = 20.0, 0.75
#: Shares of a window's width between which a mark in it is found, and other windows looked at.
LARGE_ENOUGH, SMALL_ENOUGH, ELSEWHERE = 0.08, 0.5, 2
#: Scenes with words, and how often there is one beside a mark, so far away against its size.
WORDY, LETTERED, GAP = 0.5, 0.5, 0.12
#: Overlap from which what was found is a mark, or a part of it.
PART = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """Something the detector took for a mark: whose it is, or part of whose (-1: nobody's), its
    fused embedding (length,), and how well it was seen."""

    brand: int
    vector: F32
    view: View


def strangers(
    marks: Path, brands: Sequence[Brand], held: Sequence[Brand], seed: int
) -> list[Brand]:
    """Marks of another maker, in an order fixed by ``seed``, without those of brands that are
    known by name or by looks; of several that begin with one word (``acme``, ``acme-background``)
    the first: they are one brand's."""
    known = [*brands, *held]
    names = {_plain(brand.name) for brand in known}
    others = [
        mark for mark in brands_in(marks, DRAWN)
        if not {_plain(mark.name), _plain(mark.name.split("-")[0])} & names
    ]  # fmt: skip
    others = list({family(mark): mark for mark in reversed(others)}.values())
    order = np.random.default_rng(seed).permutation(len(others))[:MOST_STRANGERS]
    kept = {id(brand) for brand in without_twins([*known, *(others[i] for i in order)])}
    return [others[i] for i in order if id(others[i]) in kept]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def fitting_photos(data: Path) -> list[Image]:
    """Photos RGB that no logo training and no figure of logos uses; small ones enlarged."""
    return [
        photo for folder, most, scale in PHOTOS for photo in _read(data, folder, 0, most, scale)
    ]


def learning_photos(data: Path) -> list[Image]:
    """Photos RGB of the same kinds for trainings, none of them a fitting photo; without products,
    of which every third shows a mark nobody has labelled."""
    kinds = (kind for kind in PHOTOS if kind[0] != "products")
    return [
        photo for folder, most, scale in kinds for photo in _read(data, folder, most, most, scale)
    ]


def _read(data: Path, folder: str, skip: int, most: int, scale: float) -> Iterator[Image]:
    """Photos of a folder in an order that is fixed, the first of them left out."""
    paths = sorted((data / folder).rglob("*.jpg"))
    for i in np.random.default_rng(3).permutation(len(paths))[skip : skip + most]:
        if (rgb := read_rgb(paths[i])) is not None:
            large = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            yield np.asarray(large, np.uint8)


@dataclass(slots=True)
class _Page:
    """A photo, float RGB (H, W, 3), that is printed on, and where something is already."""

    image: F32
    rng: Rng
    rough: float
    taken: list[Box] = field(default_factory=list)

    def put(self, mark: Print, x: int, y: int) -> tuple[Box, bool] | None:
        """Print with the middle at a place: the box, and whether that can be told from what is
        around it; nothing where there is no room."""
        height, width = self.image.shape[:2]
        mark, box = warped(mark, self.rng, self.rough)
        x0, y0 = (round(c - (a + b) / 2) for c, a, b in zip((x, y), box[:2], box[2:], strict=True))
        left, top, right, bottom = (float(v) for v in box + np.array([x0, y0, x0, y0]))
        place = (left, top, right, bottom)
        inside = left >= 0 and top >= 0 and right <= width and bottom <= height
        if not inside or any(iou_matrix([place], [other])[0, 0] > 0 for other in self.taken):
            return None
        told = lay(self.image, mark, x0, y0, self.rng) > TOLD
        self.taken.append(place)
        return place, bool(told.sum() > 0.5 * (mark.solid > 0.3).sum())

    def near(self, x: int, y: int, side: float) -> F32:
        """The mean colour around a place."""
        reach = max(int(side / 2), 4)
        part = self.image[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
        return np.asarray(part.mean(axis=(0, 1)), np.float32)

    def spot(self) -> tuple[float, int, int]:
        """A longer side, as often small as large, and a place."""
        height, width = self.image.shape[:2]
        largest = np.log(MOST_SHARE * min(height, width))
        side = float(np.exp(self.rng.uniform(np.log(LEAST_SIDE), largest)))
        return side, int(self.rng.integers(0, width)), int(self.rng.integers(0, height))


@dataclass(frozen=True, slots=True)
class Printing:
    """What scenes are made of: photos RGB, brands, and fonts of words, if there are to be any."""

    photos: Sequence[Image]
    brands: Sequence[Brand]
    fonts: Sequence[Path] = ()


def scene(
    make: Printing, rng: Rng, most: int = 3
) -> tuple[Image, list[tuple[int, Box]], list[Box]]:
    """A photo RGB (H, W, 3) with marks printed on it, whose is where, and, in every other one where
    there are fonts, where words are that are nobody's name."""
    photo, brands, fonts = make.photos[int(rng.integers(len(make.photos)))], make.brands, make.fonts
    page = _Page(photo.astype(np.float32), rng, float(rng.uniform(PLAIN, ROUGH)))
    wordy = bool(fonts) and rng.random() < WORDY
    marks: list[tuple[int, Box]] = []
    for _ in range(int(rng.integers(0, most + 1))):
        who = int(rng.integers(len(brands)))
        side, x, y = page.spot()
        ground = page.near(x, y, side)
        put = page.put(printed(brands[who], side, ground, rng, page.rough), x, y)
        if put is None or not put[1]:
            continue
        marks.append((who, put[0]))
        if wordy and rng.random() < LETTERED:
            letters = word(fonts, side * rng.uniform(0.8, 2.2), rng)
            colour = apart_from(ground, np.array(brands[who].colour, np.float32), rng)
            page.put(Print(letters, colour), *_beside(put[0], letters, rng))
    for _ in range(int(rng.integers(1, 3)) if wordy else 0):
        side, x, y = page.spot()
        letters = word(fonts, min(2 * side, 0.8 * photo.shape[1]), rng)
        colour = apart_from(page.near(x, y, side), rng.uniform(0, 255, 3).astype(np.float32), rng)
        page.put(Print(letters, colour), x, y)
    owned = {box for _, box in marks}
    words = [box for box in page.taken if box not in owned]
    return seen(page.image, rng, 40.0, page.rough), marks, words


def _beside(mark: Box, letters: F32, rng: Rng) -> tuple[int, int]:
    """The middle of a word to the right of a mark or under it."""
    (x0, y0, x1, y1), (high, wide) = mark, letters.shape
    gap = GAP * max(x1 - x0, y1 - y0)
    if rng.random() < 0.5:
        return round(x1 + gap + wide / 2), round((y0 + y1) / 2)
    return round((x0 + x1) / 2), round(y1 + gap + high / 2)


def windows(
    width: int, height: int, size: tuple[int, int], marks: Sequence[Box], rng: Rng
) -> list[Window]:
    """For every mark or word a window that shows it at a size at which it can be found, and some
    others."""
    every = tiles(width, height, size)
    chosen = [every[i] for i in rng.choice(len(every), min(ELSEWHERE, len(every)), replace=False)]
    for mark in marks:
        side = max(mark[2] - mark[0], mark[3] - mark[1])
        fit = [
            (x0, y0, x1, y1)
            for x0, y0, x1, y1 in every
            if x0 <= mark[0] and y0 <= mark[1] and x1 >= mark[2] and y1 >= mark[3]
            and LARGE_ENOUGH <= side / (x1 - x0) <= SMALL_ENOUGH
        ]  # fmt: skip
        if fit:
            chosen.append(fit[int(rng.integers(len(fit)))])
    return list(dict.fromkeys(chosen))


def collected(
    make: Printing, reader: LogoReader, count: int, seed: int, least: float
) -> Iterator[Found]:
    """What the reader finds on tiles, with a score of at least ``least``, in ``count`` scenes."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        rgb, marks, words = scene(make, rng)
        frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(np.ascontiguousarray(rgb[:, :, ::-1])))
        boxes = [box for _, box in marks]
        some = windows(frame.width, frame.height, reader.tiles.size, [*boxes, *words], rng)
        places, scores = reader.tiles(frame, some, least)
        if not places:
            continue
        vectors, views = reader.seen(frame, places, scores)
        more = reader.again(frame, places)
        together = fused(vectors, more)
        overlap = iou_matrix(places, boxes) if boxes else np.zeros((len(places), 1))
        for i, view in enumerate(views):
            best = int(overlap[i].argmax())
            mine = overlap[i, best] >= PART
            yield Found(marks[best][0] if mine else -1, together[i], view)
