"""People who wear marks, composed: what the logo detector learns from.

Marks are printed on the garments of street photos, where their masks say cloth is, and on photos of
single garments; prints of text, patterns and shapes, which are no marks, as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.nets.logo_detector import SIZE
from training.garment_data import (
    Image,
    Photo,
    Rng,
    crop_window,
    jitter_box,
    person_box,
    read_rgb,
)
from training.logo_crops import ground, seen, stands_out
from training.logo_marks import Brand
from training.logo_prints import F32, F64, PLAIN, ROUGH, Print, lay, printed, warped

#: Longer side in pixels of the input of the marks printed.
LEAST_SIDE, MOST_SIDE = 12.0, 90.0
#: Share of a mark that must be on its garment, and be seen, for it to be wanted.
LEAST_SEEN = 0.55
#: Marks whose longer side is less are neither wanted nor punished.
LEAST_WANTED = 10.0
#: Pixels around a print in which it is compared with what it is on.
EDGE = 4
#: Least difference of a mark from what is around it on the camera's picture, of 255, and of each
#: part of it from what it is printed on.
CONTRAST, TOLD = 10.0, 15.0
#: Photos of single garments whose cloth is printed on: so many for training, others to validate.
FABRICS, HELD_FABRICS = 1500, 300
#: Categories of what marks are not printed on.
BARE = ("shoe", "glasses", "belt", "sock", "tights, stockings", "watch")
_FONTS = (0, 1, 2, 3, 4, 5, 6, 7, 16 | 0, 16 | 3)
_LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Scene:
    """A person crop (H, W, 3) uint8 RGB of the detector's size, the marks on it (n, 4) xyxy, their
    brands (n,), boxes (k, 4) that count neither way: marks nobody can be asked to see, and boxes
    (m, 4) of prints that are no marks."""

    rgb: Image
    marks: F64
    brands: tuple[int, ...]
    ignore: F64
    others: F64


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What marks are printed on: a picture of the detector's size and where its cloth is."""

    rgb: Image
    cloth: npt.NDArray[np.bool_]


def street(photo: Photo, cloth: Sequence[int], rng: Rng) -> Backdrop:
    """A person of a street photo as a detector crops them; labels ``cloth`` can be printed on."""
    width, height = SIZE
    window = crop_window(jitter_box(person_box(photo.mask), rng))
    scale = np.array([width, height]) / (window[2:] - window[:2])
    matrix = np.array([[scale[0], 0, 0], [0, scale[1], 0]])
    matrix[:, 2] = (0.5 - window[:2]) * scale - 0.5
    rgb = photo.rgb
    if scale[0] < 0.7:
        rgb = np.asarray(cv2.blur(rgb, (round(1 / scale[0]),) * 2), np.uint8)
    image = cv2.warpAffine(rgb, matrix, SIZE, borderValue=(127, 127, 127))
    mask = cv2.warpAffine(photo.mask, matrix, SIZE, flags=cv2.INTER_NEAREST, borderValue=(255,))
    found = np.isin(mask, list(cloth))
    if rng.random() < 0.5:
        image, found = image[:, ::-1], found[:, ::-1]
    return Backdrop(np.ascontiguousarray(image), np.ascontiguousarray(found))


def single(fabrics: list[Image], rng: Rng) -> Backdrop:
    """A photo of one garment, cut to fill the picture; all but its edges can be printed on."""
    width, height = SIZE
    photo = fabrics[rng.integers(len(fabrics))]
    scale = max(width / photo.shape[1], height / photo.shape[0]) * rng.uniform(1.0, 1.6)
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    x = int(rng.integers(0, large.shape[1] - width + 1))
    y = int(rng.integers(0, large.shape[0] - height + 1))
    cloth = np.zeros((height, width), bool)
    cloth[height // 6 : -height // 6, width // 6 : -width // 6] = True
    return Backdrop(np.ascontiguousarray(large[y : y + height, x : x + width]), cloth)


def board(fabrics: list[Image], rng: Rng) -> Backdrop:
    """A wall, a sign, a box or a bag: plain, striped or of any cloth."""
    image = ground(fabrics, *SIZE, rng).astype(np.uint8)
    return Backdrop(image, np.ones(image.shape[:2], bool))


def text(rng: Rng, side: float, least_lines: int = 1) -> F32:
    """Coverage of some lines of letters: a print that is no mark. One line has six letters or more:
    fewer alone are what many a mark is."""
    lines = max(int(rng.choice([1, 2, 3, 4], p=[0.25, 0.25, 0.3, 0.2])), least_lines)
    letters = int(rng.integers(6 if lines == 1 else 3, 14))
    font = int(rng.choice(_FONTS))
    height = 40
    canvas = np.zeros((height * lines + 20, 30 * letters + 20), np.uint8)
    for line in range(lines):
        text = "".join(rng.choice(list(_LETTERS + "  "), letters))
        cv2.putText(
            canvas, text, (8, height * (line + 1) - 4), font, 1.0, 255, int(rng.integers(1, 5))
        )
    ys, xs = np.nonzero(canvas)
    if not len(xs):
        return np.zeros((8, 8), np.float32)
    canvas = canvas[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = side / max(canvas.shape)
    size = (max(round(canvas.shape[1] * scale), 2), max(round(canvas.shape[0] * scale), 2))
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small / np.float32(255))


def _pattern(rng: Rng, side: float) -> F32:
    """Coverage of dots, checks, stripes or a plain shape: a print that is no mark."""
    n = max(round(side), 6)
    ys, xs = np.mgrid[:n, :n].astype(np.float32)
    kind = rng.integers(5)
    step = max(rng.uniform(0.08, 0.35) * n, 3.0)
    if kind == 0:
        plane = (np.hypot(xs % step - step / 2, ys % step - step / 2) < step * 0.3).astype(float)
    elif kind == 1:
        plane = ((xs // step + ys // step) % 2).astype(float)
    elif kind == 2:
        plane = ((xs + ys * rng.uniform(-1, 1)) % step < step / 2).astype(float)
    elif kind == 3:
        plane = np.ones((max(n // int(rng.integers(1, 9)), 2), n))
    else:
        plane = (np.hypot(xs - n / 2, ys - n / 2) < n / 2).astype(float)
    return np.asarray(plane, np.float32)


def _spot(cloth: npt.NDArray[np.bool_], rng: Rng) -> tuple[int, int] | None:
    ys, xs = np.nonzero(cloth)
    if not len(xs):
        return None
    i = int(rng.integers(len(xs)))
    return int(xs[i]), int(ys[i])


def _print(image: F32, spot: tuple[int, int], brand: Brand | None, rng: Rng, rough: float) -> Print:
    """Something to print there: a brand's mark, or text or a pattern."""
    side = float(np.exp(rng.uniform(np.log(LEAST_SIDE), np.log(MOST_SIDE))))
    x, y = spot
    reach = max(int(side / 2), 4)
    near = image[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
    level = near.mean(axis=(0, 1)).astype(np.float32)
    if brand is not None:
        return printed(brand, side, level, rng, rough)
    plane = text(rng, 1.6 * side) if rng.random() < 0.6 else _pattern(rng, side)
    light = float(level.mean()) < 128 if rng.random() < 0.8 else rng.random() < 0.5
    colour = rng.uniform(130, 255, 3) if light else rng.uniform(0, 110, 3)
    return Print(np.pad(plane, 2), colour.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Laid:
    """A print in a picture: the box xyxy of what can be told from what it is on, and of all of it;
    where it lies (y, x slices), what of that can be told, and whether that is enough."""

    box: F64
    whole: F64
    part: tuple[slice, slice]
    covered: npt.NDArray[np.bool_]
    enough: bool

    def clear(self, picture: Image) -> bool:
        """Whether a viewer of the finished picture can see it."""
        return self.enough and stands_out(picture[self.part], self.covered, CONTRAST)


def _around(inside: npt.NDArray[np.bool_]) -> F64:
    """The box xyxy around what is ``True``; empty where nothing is."""
    x, y, width, height = cv2.boundingRect(inside.astype(np.uint8))
    return np.array([x, y, x + width, y + height], np.float64)


def _laid(
    image: F32, cloth: npt.NDArray[np.bool_], brand: Brand | None, rng: Rng, rough: float
) -> _Laid | None:
    """Print somewhere on the cloth, in place, and only there."""
    spot = _spot(cloth, rng)
    if spot is None:
        return None
    mark = _print(image, spot, brand, rng, rough)
    around = [(EDGE, EDGE)] * 2
    mark = mark.moved(lambda p: np.pad(p, [*around, (0, 0)][: p.ndim]))
    mark, box = warped(mark, rng, rough)
    x, y = (round(c - (a + b) / 2) for c, a, b in zip(spot, box[:2], box[2:], strict=True))
    height, width = mark.cover.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, cloth.shape[1]), min(y + height, cloth.shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    part = np.s_[y0:y1, x0:x1]
    here = np.zeros((height, width), np.float32)
    here[y0 - y : y1 - y, x0 - x : x1 - x] = cloth[part]
    printed_on = float((mark.solid > 0.3).sum())
    mark = mark.within(here)
    told = (lay(image, mark, x, y, rng) > TOLD) & (mark.solid > 0.3)
    whole = _around(mark.solid > 0.3)
    if whole[0] == whole[2]:
        return None
    box = _around(told) if told.any() else whole
    large = max(box[2:] - box[:2]) >= LEAST_WANTED
    enough = bool(large and float(told.sum()) >= LEAST_SEEN * printed_on)
    shift = np.array([x, y, x, y])
    inside = told[y0 - y : y1 - y, x0 - x : x1 - x]
    return _Laid(box + shift, whole + shift, part, inside, enough)


def compose(
    stage: Backdrop, brands: Sequence[Brand], rng: Rng, rough: float = ROUGH, most: int = 3
) -> Scene:
    """A scene with up to ``most`` marks, and prints that are none, on a stage."""
    image = stage.rgb.astype(np.float32)
    free = stage.cloth.copy()
    marks: list[tuple[int, _Laid]] = []
    others: list[F64] = []
    count = int(rng.choice([0, 1, 2, most], p=[0.15, 0.5, 0.25, 0.1]))
    wrong = int(rng.choice([0, 1, 2], p=[0.55, 0.3, 0.15]))
    for real in rng.permutation([True] * count + [False] * wrong).tolist():
        owner = int(rng.integers(len(brands)))
        laid = _laid(image, free, brands[owner] if real else None, rng, rough)
        if laid is None:
            continue
        x0, y0, x1, y1 = (int(v) for v in laid.whole)
        free[max(y0 - 4, 0) : y1 + 4, max(x0 - 4, 0) : x1 + 4] = False
        if real:
            marks.append((owner, laid))
        else:
            others.append(laid.whole)
    picture = seen(image, rng, 40.0, rough)
    clear = [mark.clear(picture) for _, mark in marks]
    wanted = [(owner, mark) for (owner, mark), kept in zip(marks, clear, strict=True) if kept]
    lost = [mark.whole for (_, mark), kept in zip(marks, clear, strict=True) if not kept]
    return Scene(
        picture, _rows([mark.box for _, mark in wanted]), tuple(owner for owner, _ in wanted),
        _rows(lost), _rows(others),
    )  # fmt: skip


def _rows(boxes: list[F64]) -> F64:
    return np.array(boxes, np.float64).reshape(-1, 4)


@dataclass(frozen=True, slots=True)
class Material:
    """What scenes are made of, between which two roughnesses, and the share of them that are
    people; of the rest four in seven are single garments, the others boards."""

    photos: Sequence[Photo]
    cloth: Sequence[int]
    fabrics: list[Image]
    brands: Sequence[Brand]
    rough: tuple[float, float] = (PLAIN, ROUGH)
    people: float = 0.65

    def scene(self, rng: Rng) -> Scene:
        """One scene: most often a person, else a garment or a board; as rough as may be."""
        pick = rng.random()
        if pick < self.people:
            stage = street(self.photos[int(rng.integers(len(self.photos)))], self.cloth, rng)
        elif pick < self.people + (1 - self.people) * 4 / 7:
            stage = single(self.fabrics, rng)
        else:
            stage = board(self.fabrics, rng)
        return compose(stage, self.brands, rng, rng.uniform(*self.rough))


def load_fabrics(data: Path, seed: int) -> tuple[list[Image], list[Image]]:
    """Photos of garments to print on, for training and for validation."""
    paths = sorted((data / "clothing" / "images").iterdir())
    order = np.random.default_rng(seed).permutation(len(paths))[: FABRICS + HELD_FABRICS]
    photos = [photo for i in order if (photo := read_rgb(paths[i])) is not None]
    return photos[HELD_FABRICS:], photos[:HELD_FABRICS]


def cloth_labels(root: Path, names: list[str]) -> list[int]:
    """Labels of the street photos on which marks can be printed."""
    mapping = json.loads((root / "fashionpedia_map.json").read_text())
    return [i for i, name in enumerate(names) if mapping[name] and mapping[name] not in BARE]
