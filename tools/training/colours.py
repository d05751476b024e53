"""Product photos as material for the colours of garments: what is worn, skin, hair, light."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines import Engine
from engines.packs import Label
from pipeline.picture.colour import NAMES
from pipeline.tagging.garments.parts import COVERS, LOWER, UPPER
from pipeline.tagging.parsing import cells_of
from training.garment_data import CROP_SIZE, PAD, Image, Rng, read_rgb

F32 = npt.NDArray[np.float32]
#: Colour words of the two sources; several where a word lies between.
WORDS = {
    "Black": "black", "Blue": "blue", "White": "white", "Grey": "grey", "Gray": "grey",
    "Red": "red",
    "Green": "green", "Navy Blue": "navy", "Brown": "brown", "Purple": "purple", "Pink": "pink",
    "Maroon": "red", "Yellow": "yellow", "Beige": "beige", "Olive": "green", "Orange": "orange",
    "Cream": "beige white", "Charcoal": "grey black", "Off White": "white", "Khaki": "beige brown",
    "Silver": "grey", "Magenta": "pink", "Lavender": "purple", "Gold": "yellow",
    "Tan": "brown beige", "Peach": "orange pink", "Mustard": "yellow", "Teal": "green blue",
    "Grey Melange": "grey", "Rust": "orange brown", "Coffee Brown": "brown", "Nude": "beige",
    "Turquoise Blue": "blue", "Sea Green": "green", "Burgundy": "red", "Lime Green": "green",
}  # fmt: skip
#: Where the top of a photo lies in the crop: that of trousers begins at the hip.
HIP = 100
#: Pixels kept of each region.
KEPT = 160
#: Cells a garment needs.
LEAST = 150


@dataclass(frozen=True, slots=True)
class Worn:
    """One garment on a photo: pixels (KEPT, 3) uint8 of it and of the garment worn with it, skin
    and hair (empty where there is none), and how much each colour's name fits, (13,)."""

    garment: Image
    around: tuple[Image, ...]
    colour: F32


def names_of(word: str) -> F32 | None:
    """Weights (13,) of a source's colour word; ``None`` where it says nothing."""
    if word not in WORDS:
        return None
    found = np.zeros(len(NAMES), np.float32)
    own = WORDS[word].split()
    found[[NAMES.index(name) for name in own]] = 1 / len(own)
    return found


def listed(data: Path) -> list[tuple[str, str, bool, F32]]:
    """Picture, group that must not be split, whether it shows trousers or a skirt, and colour."""
    found = []
    for line in (data / "products.jsonl").read_text().splitlines():
        row = json.loads(line)
        low = row["subCategory"] == "Bottomwear"
        found.append((row["image"], row["image"], low, row["baseColour"]))
        if not low and row["subCategory"] != "Topwear":
            found.pop()
    for line in (data / "luma.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["view"] != "detail" and row["category"] and row.get("color"):
            low = "/Bottoms/" in row["category"][0]
            found.append((row["image"], row["sku"], low, row["color"][0]))
    known = ((image, group, low, names_of(word)) for image, group, low, word in found)
    return [
        (image, group, low, colour) for image, group, low, colour in known if colour is not None
    ]


def split(data: Path, seed: int, share: float = 1 / 8) -> tuple[list[str], list[str]]:
    """Pictures for training and validation, by group, fixed by ``seed``."""
    rows = listed(data)
    groups = sorted({group for _, group, _, _ in rows})
    order = np.random.default_rng(seed).permutation(len(groups))
    held = {groups[i] for i in order[: round(len(groups) * share)]}
    parts: tuple[list[str], list[str]] = ([], [])
    for image, group, _, _ in rows:
        parts[group in held].append(image)
    return parts


def garments(
    data: Path, pictures: Sequence[str], engine: Engine, known: Sequence[Label], rng: Rng
) -> Iterator[Worn]:
    """The garments of photos, outlined by the parser."""
    rows = {image: (low, colour) for image, _, low, colour in listed(data)}
    parts = {part: [i for i, k in enumerate(known) if part in COVERS.get(k.category or "", ())]
             for part in (UPPER, LOWER)}  # fmt: skip
    bare = [[i for i, k in enumerate(known) if k.name == name] for name in ("skin", "hair")]
    for image in pictures:
        rgb = read_rgb(data / image)
        if rgb is None:
            continue
        low, colour = rows[image]
        crop = fitted(rgb, HIP if low else 0)
        labels = engine.infer({"images": crop[None]})["labels"][0].astype(np.uint8)
        small = cv2.resize(crop, labels.shape[::-1], interpolation=cv2.INTER_AREA)
        labels[(small == PAD).all(axis=2)] = 0
        own, other = (LOWER, UPPER) if low else (UPPER, LOWER)
        mask = cv2.erode(cells_of(labels, parts[own]).astype(np.uint8), np.ones((3, 3), np.uint8))
        if mask.sum() >= LEAST:
            regions = [small[cells_of(labels, members)] for members in (parts[other], *bare)]
            yield Worn(drawn(small[mask > 0], rng), tuple(drawn(r, rng) for r in regions), colour)


def fitted(rgb: Image, top: int) -> Image:
    """A photo at the width of a crop, grey above and below."""
    width, height = CROP_SIZE
    part = cv2.resize(rgb, (width, round(rgb.shape[0] * width / rgb.shape[1])))
    crop = np.full((height, width, 3), PAD, np.uint8)
    crop[top : top + len(part)] = part[: height - top]
    return crop


def drawn(pixels: Image, rng: Rng) -> Image:
    """Some of a region's pixels; none of a region too small to tell of."""
    if len(pixels) < 30:
        return np.zeros((0, 3), np.uint8)
    return np.asarray(pixels[rng.integers(0, len(pixels), KEPT)], np.uint8)


def lit(regions: Sequence[F32], rng: Rng) -> list[F32]:
    """Regions' pixels (n, 3) in 0 to 1 as a camera might show them: coloured light, exposure,
    shade on some, haze, faded colours, noise."""
    gain = np.exp(rng.normal(0, 0.05 + 0.12 * (rng.random() < 0.4), 3))
    gamma, bright = np.exp(rng.normal(0, (0.25, 0.28), 2)).tolist()
    contrast = rng.uniform(0.7, 1.35)
    fade = rng.uniform(0.45, 1.35)
    haze, far = rng.uniform(0, 0.22) * (rng.random() < 0.25), rng.uniform(0.5, 1)
    noise = rng.uniform(0, 0.05)
    shown = [
        np.clip(r * gain / gain.mean(), 0, 1) ** gamma * np.exp(rng.normal(0, 0.18))
        for r in regions
    ]
    grey = float(np.mean([r.mean() for r in shown if len(r)]))
    out = []
    for r in shown:
        x = (r - grey) * contrast + grey * bright
        luma = x.mean(axis=1, keepdims=True)
        x = (luma + (x - luma) * fade) * (1 - haze) + haze * far
        out.append(np.clip(x + rng.normal(0, noise, x.shape), 0, 1).astype(np.float32))
    return out
