"""Garments on product photos, as parts that people are put together of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.tagging.garments.attributes import body_of, sleeve
from training import colours
from training.answer_data import LOWER, UPPER, Answers, Bools, Names, Parse
from training.garment_data import CROP_SIZE, PAD, Image

#: Answers by the product photos' types.
TOPS = {
    "Tshirts": ("t-shirt",), "Shirts": ("shirt",), "Tops": ("top", "blouse", "t-shirt"),
    "Sweaters": ("sweater", "cardigan"), "Sweatshirts": ("sweatshirt",),
    "Jackets": ("jacket", "blazer"), "Kurtis": ("blouse", "dress", "top"),
    "Tunics": ("blouse", "dress", "top"), "Kurtas": ("blouse", "dress", "shirt"),
    "Rain Jacket": ("jacket",), "Shrug": ("cardigan",), "Dresses": ("dress",),
    "Hoodies & Sweatshirts": ("sweatshirt",), "Tees": ("t-shirt",), "Tanks": ("top",),
}  # fmt: skip
BOTTOMS = {
    "Trousers": "pants", "Jeans": "jeans", "Shorts": "shorts", "Track Pants": "pants",
    "Skirts": "skirt", "Leggings": "leggings", "Jeggings": "jeans", "Lounge Pants": "pants",
    "Lounge Shorts": "shorts", "Pants": "pants",
}  # fmt: skip
PATTERNS = {"striped": r"strip", "plaid": r"check|plaid", "printed": r"print|graphic",
            "plain": r"solid|plain"}  # fmt: skip
LUMA_PATTERNS = {"Solid": "plain", "Striped": "striped", "Checked": "plaid",
                 "Graphic Print": "printed"}  # fmt: skip
THINGS = {"Headwear": "hat", "Mufflers": "scarf", "Scarves": "scarf", "Stoles": "scarf",
          "Bags": "bag"}  # fmt: skip
#: Lower garments alone.
LEGS = set(LOWER) - {"dress"}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A garment on a person on white: RGB and labels (h, w), 0 around; its answers; the row, the
    middle and the width of the waist."""

    rgb: Image
    mask: Image
    answers: Answers
    waist: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Listed:
    """A product photo: its picture, the group that must not be split, what it shows (``top``,
    ``bottom``, ``hat``, ``scarf`` or ``bag``) and its answers."""

    image: str
    group: str
    role: str
    answers: Answers


def _product(row: dict[str, Any]) -> Listed | None:
    kind, image, text = row["articleType"], row["image"], row["name"].lower()
    if kind in TOPS and row["subCategory"] in ("Topwear", "Dress"):
        told = [name for name, words in PATTERNS.items() if re.search(words, text)]
        answers = {"upper": TOPS[kind]}
        if len(told) == 1:
            answers["pattern"] = (told[0],)
        if kind in ("Jackets", "Sweatshirts", "Rain Jacket"):
            answers["sleeve"] = ("long",)
        if "sleeveless" in text:
            answers["sleeve"] = ("short",)
        return Listed(image, image, "top", answers)
    if kind in BOTTOMS and row["subCategory"] != "Topwear":
        return Listed(image, image, "bottom", {"lower": (BOTTOMS[kind],)})
    if row["subCategory"] in THINGS and kind not in ("Mobile Pouch", "Waist Pouch"):
        return Listed(image, image, THINGS[row["subCategory"]], {})
    return None


def _luma(row: dict[str, Any]) -> Listed | None:
    kind = row["category"][0].split("/")[-1] if row["category"] else ""
    if row["view"] == "detail" or not kind:
        return None
    if kind in TOPS:
        pattern = LUMA_PATTERNS.get((row.get("pattern") or [""])[0])
        told = {"pattern": (pattern,)} if pattern else {}
        return Listed(row["image"], row["sku"], "top", {"upper": TOPS[kind], **told})
    if kind in BOTTOMS:
        own = "leggings" if kind == "Pants" and "Women" in row["category"][0] else BOTTOMS[kind]
        return Listed(row["image"], row["sku"], "bottom", {"lower": (own,)})
    return None


def listed(data: Path) -> list[Listed]:
    """The product photos that show something of use."""
    found = []
    for name, read in (("products", _product), ("luma", _luma)):
        lines = (data / f"{name}.jsonl").read_text().splitlines()
        found += [read(json.loads(line)) for line in lines]
    return [row for row in found if row is not None]


def foreground(rgb: Image) -> Bools:
    """What is not the white around a product: a flood fill from the border."""
    white = np.pad((rgb.min(axis=2) >= 243).astype(np.uint8), 1, constant_values=1)
    _, pieces = cv2.connectedComponents(white, connectivity=4)
    return np.asarray(pieces[1:-1, 1:-1] != pieces[0, 0])


def part_of(rgb: Image, row: Listed, names: Names, parse: Parse) -> Part | None:
    """A product photo as a part to put together; ``None`` where nobody wears it."""
    top = row.role == "top"
    crop = colours.fitted(rgb, 0 if top else colours.HIP)
    here = foreground(crop) & ~(crop == PAD).all(axis=2)
    shares = parse(crop)[1:].argmax(axis=0).astype(np.uint8) + 1
    labels = cv2.resize(shares, CROP_SIZE, interpolation=cv2.INTER_NEAREST)
    mask = np.where(here, labels, 0).astype(np.uint8)
    own = names.cells(mask, UPPER if top else LEGS)
    bare = names.cells(mask, ["skin", "hair"]).sum()
    if here.sum() < 4000 or bare < 0.03 * here.sum() or own.sum() < 0.2 * here.sum():
        return None
    waist = _waist(own, names.cells(mask, LEGS), here, top)
    if waist is None or waist[2] < 18 or (top and waist[0] < 90):
        return None
    return Part(crop, mask, _with_sleeve(row.answers, mask, names) if top else row.answers, waist)


def _waist(own: Bools, legs: Bools, here: Bools, top: bool) -> tuple[float, float, float] | None:
    """Row, middle and width of where a top ends or a bottom begins."""
    middle = int(np.median(np.nonzero(own)[1]))
    band = legs[:, max(middle - 10, 0) : middle + 11]
    rows = [int(column.argmax()) for column in band.T if column.any()]
    bottom = int(np.flatnonzero(here.any(axis=1))[-1])
    if len(rows) >= 8:
        row = int(np.median(rows))
        return float(row), float(middle), float(legs[row + 2 : row + 12].any(axis=0).sum())
    if not top or bottom < 200:
        return None
    return float(bottom), float(middle), float(own[bottom - 12 : bottom].any(axis=0).sum())


def _with_sleeve(answers: Answers, mask: Image, names: Names) -> Answers:
    """The answers with the sleeve by the skin beside the garment, where that is no surprise."""
    small = np.ascontiguousarray(mask[::2, ::2])
    body = body_of(small, names.known)
    value = sleeve(body, names.cells(small, UPPER)) if body else None
    odd = {("t-shirt",): "long", ("sweater", "cardigan"): "short"}.get(answers["upper"])
    if value is None or value == odd:
        return answers
    if answers.get("sleeve", (value,)) == (value,):
        return {**answers, "sleeve": (value,)}
    return {question: own for question, own in answers.items() if question != "sleeve"}
