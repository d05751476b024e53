"""Photos of single garments, and garments of street photos, as training samples."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engines.nets.efficientnet_lite import normalise
from engines.teach.twins import TWIN, thumbnail
from training.garment_data import PAD, Image, Photo, Rng, degrade, read_rgb

#: Side of the square crop in pixels.
SIDE = 224
#: Labels of the photos that name no garment.
NOT_A_TYPE = ("Not sure", "Other", "Skip")
#: Street labels that are one of the types.
FROM_STREET = {
    "t-shirt": "T-Shirt", "pants": "Pants", "jeans": "Pants", "leggings": "Pants",
    "shoes": "Shoes", "boots": "Shoes", "dress": "Dress", "shirt": "Shirt", "coat": "Outwear",
    "jacket": "Outwear", "shorts": "Shorts", "hat": "Hat", "skirt": "Skirt", "blazer": "Blazer",
    "sweater": "Longsleeve", "blouse": "Blouse", "top": "Top",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Garment:
    """RGB (H, W, 3) uint8 of one garment and the index of its type."""

    rgb: Image
    kind: int


def read_types(root: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Type names, most frequent first, and (picture, type index) of every photo of a garment."""
    with (root / "images.csv").open(newline="", encoding="utf-8") as file:
        rows = [(r["image"], r["label"]) for r in csv.DictReader(file)]
    rows = [(image, label) for image, label in rows if label not in NOT_A_TYPE]
    names = [name for name, _ in Counter(label for _, label in rows).most_common()]
    return names, [(image, names.index(label)) for image, label in rows]


def held_types(root: Path, seed: int, share: float = 0.2) -> list[str]:
    """Pictures held back from trainings with this seed."""
    _, rows = read_types(root)
    order = np.random.default_rng(seed).permutation(len(rows))
    return [rows[i][0] for i in order[: round(len(rows) * share)]]


def load_types(root: Path, seed: int) -> tuple[list[Garment], list[Garment], list[str]]:
    """Training photos, validation photos and type names; twins of validation photos are left out
    of the training."""
    names, rows = read_types(root)
    held = frozenset(held_types(root, seed))
    train: list[Garment] = []
    validation: list[Garment] = []
    for image, kind in rows:
        rgb = read_rgb(root / "images" / f"{image}.jpg")
        if rgb is not None:
            (validation if image in held else train).append(Garment(rgb, kind))
    known = np.stack([thumbnail(g.rgb) for g in validation])
    train = [g for g in train if float((known @ thumbnail(g.rgb)).max()) < TWIN]
    return train, validation, names


def street_garments(
    photos: Sequence[Photo], labels: Sequence[str], names: Sequence[str]
) -> list[Garment]:
    """Garments of street photos, by their masks, with a margin of a tenth."""
    found = []
    for photo in photos:
        for index in np.unique(photo.mask):
            kind = FROM_STREET.get(labels[index])
            if kind is None:
                continue
            ys, xs = np.nonzero(photo.mask == index)
            if len(xs) < 400:
                continue
            margin = 0.1 * max(np.ptp(xs), np.ptp(ys))
            x0, y0 = max(int(xs.min() - margin), 0), max(int(ys.min() - margin), 0)
            part = photo.rgb[y0 : int(ys.max() + margin), x0 : int(xs.max() + margin)]
            found.append(Garment(np.ascontiguousarray(part), names.index(kind)))
    return found


def varied(rgb: Image, rng: Rng, side: int = SIDE) -> Image:
    """A picture seen otherwise: turned, nearer, shifted, stretched, mirrored, hidden in part."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width) * np.exp(rng.uniform(-0.15, 0.35))
    stretch = np.exp(rng.uniform(-0.15, 0.15))
    turn = np.deg2rad(rng.normal(0, 10))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = turned @ np.diag([scale * stretch, scale / stretch])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    if scale < 1:
        k = max(round(1 / scale), 1)
        rgb = np.asarray(cv2.blur(rgb, (k, k)), np.uint8)
    target = np.full(2, side / 2) + rng.uniform(-0.08, 0.08, 2) * side
    shift = target - linear @ np.array([width / 2, height / 2])
    image = np.asarray(
        cv2.warpAffine(
            rgb, np.hstack([linear, shift[:, None]]), (side, side), borderValue=(PAD, PAD, PAD)
        ),
        np.uint8,
    )
    if rng.random() < 0.25:
        w, h = (rng.uniform(0.1, 0.4, 2) * side).astype(int)
        x, y = int(rng.integers(0, side - w)), int(rng.integers(0, side - h))
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return degrade(image, rng, 0.3)


class Garments(Dataset[tuple[Tensor, int]]):
    """Augmented crops: (3, SIDE, SIDE) float32 normalised, and the type's index.

    Street garments are drawn for a quarter of the samples.
    """

    def __init__(self, photos: list[Garment], street: list[Garment], seed: int) -> None:
        self.photos = photos
        self.street = street
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.photos) + (len(self.photos) // 3 if self.street else 0)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        if index < len(self.photos):
            garment = self.photos[index]
        else:
            garment = self.street[rng.integers(len(self.street))]
        image = torch.from_numpy(varied(garment.rgb, rng))
        return normalise(image[None])[0], garment.kind
