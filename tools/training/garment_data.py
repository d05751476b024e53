"""The street photos as training samples for the garment parser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engines.nets.efficientnet_lite import normalise
from engines.teach.twins import thumbnail

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator

#: Crop size (width, height) in pixels, 1:2 as people stand.
CROP_SIZE = (160, 320)
#: Margin around the person's box on each side, as a share of its width and height.
MARGIN = 0.10
#: Grey outside of the photo, the value the pipeline pads with.
PAD = 127
#: Label index that marks pixels outside of the photo; no loss, no metric.
IGNORE = 255
#: Thumbnails at least this alike show the same scene.
NEAR_DUPLICATE = 0.94
#: Cells of a label that must be visible in a crop before it counts as worn there.
VISIBLE = 40


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo: RGB (H, W, 3) uint8, its label mask (H, W) uint8, the labels it is said to show,
    which the mask may have missed, and the person's box, if it is not to be taken from the mask."""

    id: str
    rgb: Image
    mask: Image
    tags: tuple[int, ...] = ()
    box: npt.NDArray[np.float64] | None = None


def read_index(root: Path) -> list[dict[str, Any]]:
    """Rows of ``index.jsonl``: id, level (``pixel`` or ``image``) and tags."""
    return [json.loads(line) for line in (root / "index.jsonl").read_text().splitlines()]


def split_ids(root: Path, seed: int, validation: float = 0.2) -> tuple[list[str], list[str]]:
    """Train and validation ids of the photos with pixel masks, fixed by ``seed``."""
    ids = sorted(row["id"] for row in read_index(root) if row["level"] == "pixel")
    order = np.random.default_rng(seed).permutation(len(ids))
    held = round(len(ids) * validation)
    return sorted(ids[i] for i in order[held:]), sorted(ids[i] for i in order[:held])


def read_rgb(path: Path) -> Image | None:
    """A picture as RGB, or ``None`` if it cannot be read."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def load_photo(root: Path, photo_id: str, mask: Path, tags: tuple[int, ...] = ()) -> Photo:
    """Read one photo from the data folder, and its mask file."""
    rgb = read_rgb(root / "photos" / f"{photo_id}.jpg")
    labels = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    if rgb is None or labels is None:
        raise FileNotFoundError(f"{root}: photo or mask of {photo_id} is missing or unreadable")
    return Photo(photo_id, rgb, np.asarray(labels, np.uint8), tags)


def without_duplicates(photos: list[Photo], held: list[Photo]) -> list[Photo]:
    """``photos`` without near duplicates of ``held`` ones: the data shows some scenes twice."""
    if not photos or not held:
        return photos
    known = np.stack([thumbnail(photo.rgb) for photo in held])
    return [p for p in photos if float((known @ thumbnail(p.rgb)).max()) < NEAR_DUPLICATE]


def person_box(mask: Image) -> npt.NDArray[np.float64]:
    """Box xyxy around everything that is not background; the whole photo if nothing is."""
    ys, xs = np.nonzero(mask)
    if len(xs) == 0:
        return np.array([0, 0, mask.shape[1], mask.shape[0]], np.float64)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float64)


def crop_window(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Widen a person's box by the margin, then to the crop's aspect ratio about its centre."""
    centre = (box[:2] + box[2:]) / 2
    width, height = (box[2:] - box[:2]) * (1 + 2 * MARGIN)
    aspect = CROP_SIZE[0] / CROP_SIZE[1]
    width, height = max(width, height * aspect), max(height, width / aspect)
    half = np.array([width, height]) / 2
    return np.concatenate([centre - half, centre + half])


def jitter_box(box: npt.NDArray[np.float64], rng: Rng) -> npt.NDArray[np.float64]:
    """A box as a detector might give it: shifted, scaled, sometimes cut at the waist."""
    size = box[2:] - box[:2]
    out = box + np.tile(size, 2) * rng.normal(0, 0.05, 4)
    if rng.random() < 0.15:
        out[3] = out[1] + (out[3] - out[1]) * rng.uniform(0.4, 0.8)
    elif rng.random() < 0.1:
        out[1] = out[1] + (out[3] - out[1]) * rng.uniform(0.2, 0.5)
    grow = rng.uniform(-0.08, 0.2) * (out[2:] - out[:2])
    return np.concatenate([out[:2] - grow, out[2:] + grow])


def take_window(
    photo: Photo, window: npt.NDArray[np.float64], angle: float = 0.0
) -> tuple[Image, Image]:
    """Resample a window (xyxy, photo pixels) of picture and mask to the crop size."""
    width, height = CROP_SIZE
    scale = (window[2] - window[0]) / width
    rgb = photo.rgb
    if scale > 1:  # averaging first keeps the resampling free of aliasing
        rgb = np.asarray(cv2.blur(rgb, (round(scale), round(scale))), np.uint8)
    centre = (window[:2] + window[2:]) / 2
    turn = np.deg2rad(angle)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    offset = centre - linear @ np.array([width / 2, height / 2])
    matrix = np.hstack([linear, (offset + linear.sum(axis=1) / 2 - 0.5)[:, None]])
    flags = cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(
        rgb, matrix, CROP_SIZE, flags=flags | cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD)
    )
    mask = cv2.warpAffine(
        photo.mask, matrix, CROP_SIZE, flags=flags | cv2.INTER_NEAREST, borderValue=(IGNORE,)
    )
    return np.asarray(image, np.uint8), np.asarray(mask, np.uint8)


def paste_window(labels: Image, window: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Image:
    """Labels of a window (xyxy, photo pixels) as a mask of the whole photo, background around."""
    scale = (window[2:] - window[:2]) / np.array([labels.shape[1], labels.shape[0]])
    matrix = np.array([[1 / scale[0], 0, 0], [0, 1 / scale[1], 0]])
    matrix[:, 2] = (0.5 - window[:2]) / scale - 0.5
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    size = (shape[1], shape[0])
    return np.asarray(cv2.warpAffine(labels, matrix, size, flags=flags, borderValue=(0,)), np.uint8)


def _recolour(image: Image, rng: Rng) -> Image:
    """Contrast, brightness, saturation and white balance; low light with noise for a few."""
    out = image.astype(np.float32)
    grey = out.mean()
    out = (out - grey) * rng.uniform(0.7, 1.3) + grey * rng.uniform(0.7, 1.3)
    luma = out.mean(axis=2, keepdims=True)
    out = luma + (out - luma) * rng.uniform(0.6, 1.4)
    out *= rng.uniform(0.94, 1.06, 3).astype(np.float32)
    if rng.random() < 0.1:
        out = out * rng.uniform(0.3, 0.6)
        out += rng.normal(0, rng.uniform(3, 10), out.shape).astype(np.float32)
    return np.clip(out, 0, 255).astype(np.uint8)


def degrade(image: Image, rng: Rng, least: float = 0.2) -> Image:
    """Colour jitter for all; a far, moving, compressed camera for some, in that order.

    ``least`` is the smallest share of its resolution a picture may be left with.
    """
    image = _recolour(image, rng)
    size = (image.shape[1], image.shape[0])
    far = rng.random() < 0.4
    if far:
        share = rng.uniform(least, 0.8)
        image = np.asarray(
            cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8
        )
    if rng.random() < 0.2:
        length = int(rng.integers(2, 8))
        kernel = (length, 1) if rng.random() < 0.7 else (1, length)
        image = np.asarray(cv2.blur(image, kernel), np.uint8)
    if rng.random() < (0.6 if far else 0.2):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        _, packed = cv2.imencode(".jpg", image, quality)
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    if far:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return image


def occlude(image: Image, mask: Image, rng: Rng) -> None:
    """Hide a part behind a shelf edge or a passer-by: one plain block, in place."""
    height, width = mask.shape
    w, h = int(width * rng.uniform(0.15, 0.6)), int(height * rng.uniform(0.1, 0.35))
    x, y = int(rng.integers(-w // 2, width - w // 2)), int(rng.integers(0, height - h // 2))
    block = np.s_[max(y, 0) : y + h, max(x, 0) : x + w]
    image[block] = rng.integers(0, 256, 3) + rng.normal(0, 12, (*mask[block].shape, 1))
    mask[block] = 0


def presence(mask: Image, tags: tuple[int, ...], labels: int) -> npt.NDArray[np.float32]:
    """Which labels a crop shows (labels,): 1 seen, 0 not worn, -1 worn but not to be seen here."""
    cells = np.bincount(mask.ravel(), minlength=256)[:labels]
    out = np.zeros(labels, np.float32)
    out[list(tags)] = -1.0
    out[(cells > 0) & (cells < VISIBLE)] = -1.0
    out[cells >= VISIBLE] = 1.0
    return out


class GarmentCrops(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Person crops, augmented by seed.

    Items are the crop (3, H, W) float32 normalised, its mask (H, W) int64 and the presence of
    each label (labels,) float32.
    """

    def __init__(self, photos: list[Photo], labels: int, seed: int) -> None:
        self.photos = photos
        self.labels = labels
        self.boxes = [person_box(p.mask) if p.box is None else p.box for p in photos]
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        photo = self.photos[index]
        window = crop_window(jitter_box(self.boxes[index], rng))
        image, mask = take_window(photo, window, rng.uniform(-8, 8))
        if rng.random() < 0.12:
            occlude(image, mask, rng)
        worn = torch.from_numpy(presence(mask, photo.tags, self.labels))
        image = degrade(image, rng)
        if rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        pixels = torch.from_numpy(np.ascontiguousarray(image))
        return normalise(pixels[None])[0], torch.from_numpy(mask.astype(np.int64)), worn
