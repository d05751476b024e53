"""People and garments of photos, with the answers that each photo knows.

Street photos know garments by mask or by tag, COCO who carries a bag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.nets.garment_answers import QUESTIONS
from engines.packs import Label
from engines.teach.twins import thumbnail
from pipeline.tagging.garments.attributes import body_of, sleeve
from training.bagless import BAGS, touches
from training.garment_data import (
    CROP_SIZE,
    IGNORE,
    NEAR_DUPLICATE,
    PAD,
    Image,
    crop_window,
    person_box,
    read_index,
    read_rgb,
)  # fmt: skip
from training.people_data import coco_boxes, coco_scene

Bools = npt.NDArray[np.bool_]
F64 = npt.NDArray[np.float64]
#: Question -> the answers one thing may have; a question that is missing is not known.
Answers = Mapping[str, tuple[str, ...]]
#: A crop (320, 160, 3) in, shares of the labels (59, 80, 40) out.
Parse = Callable[[Image], npt.NDArray[np.float32]]

#: Answers by the street photos' labels.
UPPER = {
    **{n: n for n in QUESTIONS["upper"][1:]},
    "hoodie": "sweatshirt", "jumper": "sweater", "cape": "coat", "suit": "blazer",
    "romper": "dress", "bodysuit": "dress",
}  # fmt: skip
OUTER = frozenset({"coat", "jacket", "blazer", "cardigan", "vest"})
LOWER = {n: n for n in QUESTIONS["lower"][1:]}
LONG = frozenset({"coat", "jacket", "blazer", "sweater", "sweatshirt", "cardigan"})
CARRIED = {"hat": ("hat",), "scarf": ("scarf",), "bag": ("bag", "purse", "wallet")}


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """RGB (h, w, 3) uint8 with label indices (h, w) uint8 (``IGNORE``: unknown) and the answers it
    may have to each question; a question that is missing is not known.

    ``box`` is the person's; ``kind`` tells the source.
    """

    kind: str
    rgb: Image
    mask: Image
    answers: Answers
    box: F64


@dataclass(frozen=True, slots=True)
class Names:
    """Label indices by name, and which of them lie where."""

    known: tuple[Label, ...]
    index: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index.update({label.name: i for i, label in enumerate(self.known)})

    def cells(self, mask: Image, names: Iterable[str]) -> Bools:
        table = np.zeros(256, bool)
        table[[self.index[name] for name in names]] = True
        return np.asarray(table[mask])


def worn_upper(cells: Mapping[str, int]) -> str | None:
    """The outermost upper garment by its labels' cells."""
    found: dict[str, int] = {}
    for name, count in cells.items():
        if name in UPPER and count:
            found[UPPER[name]] = found.get(UPPER[name], 0) + count
    if not found:
        return None
    outer = {k: n for k, n in found.items() if k in OUTER}
    if outer and max(outer.values()) >= 0.25 * sum(found.values()):
        found = outer
    return max(found, key=lambda k: found[k])


def masked_answers(mask: Image, tags: Sequence[str], names: Names) -> dict[str, tuple[str, ...]]:
    """What a photo's mask and tags tell."""
    counts = np.bincount(mask.ravel(), minlength=256)
    cells = {name: int(counts[i]) for name, i in names.index.items() if counts[i] >= 60}
    found: dict[str, tuple[str, ...]] = {}
    upper = worn_upper(cells)
    if upper:
        found["upper"] = (upper,)
        value = _sleeve(mask, [name for name in UPPER if UPPER[name] == upper], names)
        if value:
            found["sleeve"] = (value,)
    lower = {name: n for name, n in cells.items() if name in LOWER}
    if lower:
        best = max(lower, key=lambda k: lower[k])
        if best == "dress" and len(lower) > 1:
            lower.pop("dress")
            best = max(lower, key=lambda k: lower[k])
        found["lower"] = (LOWER[best],)
    for question, labels in CARRIED.items():
        told = any(name in tags for name in labels)
        seen = any(name in cells for name in labels)
        if told == seen:
            found[question] = (question if seen else "none",)
    return found


def _sleeve(mask: Image, own: Sequence[str], names: Names) -> str | None:
    """The sleeve of some labels, by the skin beside them."""
    scale = 150 / max(int(np.ptp(np.flatnonzero(mask.any(axis=1)))), 1)
    small = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    body = body_of(np.asarray(small, np.uint8), names.known)
    return sleeve(body, names.cells(np.asarray(small, np.uint8), own)) if body else None


def tagged_answers(tags: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What a photo's tags alone tell."""
    found: dict[str, tuple[str, ...]] = {}
    upper = {UPPER[name] for name in tags if name in UPPER}
    upper = upper & OUTER or upper
    if upper:
        found["upper"] = tuple(sorted(upper))
        if upper <= LONG:
            found["sleeve"] = ("long",)
    lower = {LOWER[name] for name in tags if name in LOWER}
    lower = lower - {"dress"} or lower
    if len(lower) == 1:
        found["lower"] = tuple(lower)
    for question, labels in CARRIED.items():
        found[question] = (question if any(name in tags for name in labels) else "none",)
    return found


def drawn_mask(rgb: Image, parse: Parse, window: F64) -> Image:
    """The parser's labels of a window, at the picture's size."""
    width, height = CROP_SIZE
    scale = np.array([width, height]) / (window[2:] - window[:2])
    matrix = np.array([[scale[0], 0, -window[0] * scale[0]], [0, scale[1], -window[1] * scale[1]]])
    crop = cv2.warpAffine(rgb, matrix, CROP_SIZE, borderValue=(PAD,) * 3)
    labels = parse(np.asarray(crop, np.uint8)).argmax(axis=0).astype(np.uint8)
    labels = cv2.resize(labels, CROP_SIZE, interpolation=cv2.INTER_NEAREST)
    size = (rgb.shape[1], rgb.shape[0])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(labels, matrix, size, flags=flags), np.uint8)


def parsed_mask(rgb: Image, parse: Parse) -> Image:
    """The parser's labels of a photo, looked at again around the person it finds."""
    mask = drawn_mask(rgb, parse, crop_window(np.array([0.0, 0.0, rgb.shape[1], rgb.shape[0]])))
    return drawn_mask(rgb, parse, crop_window(person_box(mask))) if mask.any() else mask


def street(
    root: Path, ids: Iterable[str], names: Names, parse: Parse, held: Sequence[Image] = ()
) -> Iterator[Piece]:
    """People of street photos, but for near duplicates of ``held`` ones."""
    rows = {row["id"]: row for row in read_index(root)}
    known = np.stack([thumbnail(rgb) for rgb in held]) if held else np.zeros((1, 1152))
    for name in ids:
        rgb = read_rgb(root / "photos" / f"{name}.jpg")
        if rgb is None or float((known @ thumbnail(rgb)).max()) >= NEAR_DUPLICATE:
            continue
        tags = rows[name]["tags"]
        if rows[name]["level"] == "pixel":
            drawn = cv2.imread(str(root / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            mask = np.asarray(drawn, np.uint8)
            answers = masked_answers(mask, tags, names)
        else:
            mask = parsed_mask(rgb, parse)
            answers = tagged_answers(tags)
        if (mask > 0).sum() >= 2000:
            yield Piece(rows[name]["level"], rgb, mask, answers, person_box(mask))


def coco(root: Path, stems: Iterable[str]) -> Iterator[Piece]:
    """People of COCO pictures, of whom it is known whether they carry a bag."""
    for stem in stems:
        scene = coco_scene(root, stem)
        bags = coco_boxes(root, stem, scene.rgb.shape, BAGS)
        for box in scene.people:
            if box[3] - box[1] < 90 or box[2] - box[0] < 25:
                continue
            middle = (bags[:, :2] + bags[:, 2:]) / 2
            within = ((middle >= box[:2]) & (middle <= box[2:])).all(axis=1).any()
            if within or not touches(box, bags):
                mask = np.full(scene.rgb.shape[:2], IGNORE, np.uint8)
                answer = {"bag": ("bag" if within else "none",)}
                yield Piece("coco", scene.rgb, mask, answer, box)
