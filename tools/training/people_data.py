"""Pictures and cut-outs of people from the data folders."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from training.garment_data import Image, read_rgb
from training.type_data import held_types

F64 = npt.NDArray[np.float64]


def nobody() -> F64:
    return np.zeros((0, 4))


@dataclass(frozen=True, slots=True)
class Scene:
    """RGB (H, W, 3) uint8, people's boxes (n, 4) xyxy in pixels, and boxes to leave alone."""

    rgb: Image
    people: F64 = field(default_factory=nobody)
    ignore: F64 = field(default_factory=nobody)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A person cut from a photo: RGB (H, W, 3) uint8 and coverage (H, W) uint8."""

    rgb: Image
    alpha: Image


def coco_boxes(root: Path, stem: str, shape: tuple[int, ...], kinds: tuple[int, ...]) -> F64:
    """Boxes (n, 4) xyxy, in pixels, of the things of these COCO class numbers (0: person) in a
    picture of this shape."""
    boxes = []
    listing = root / "boxes" / f"{stem}.txt"
    for line in listing.read_text().splitlines() if listing.exists() else ():
        kind, x, y, w, h = line.split()
        if int(kind) in kinds:
            cx, cy, half_w, half_h = float(x), float(y), float(w) / 2, float(h) / 2
            boxes.append([cx - half_w, cy - half_h, cx + half_w, cy + half_h])
    size = np.array([shape[1], shape[0], shape[1], shape[0]])
    return np.array(boxes).reshape(-1, 4) * size


def coco_scene(root: Path, stem: str) -> Scene:
    """One COCO picture with its person boxes; small boxes are left to the caller's limits."""
    rgb = read_rgb(root / "images" / f"{stem}.jpg")
    if rgb is None:
        raise FileNotFoundError(f"{root}: picture {stem} is missing or unreadable")
    return Scene(rgb, coco_boxes(root, stem, rgb.shape, (0,)))


def coco_split(root: Path, seed: int, share: float = 1 / 3) -> tuple[list[str], list[str]]:
    """Train and validation stems of the COCO pictures, fixed by ``seed``."""
    stems = sorted(path.stem for path in (root / "images").glob("*.jpg"))
    order = np.random.default_rng(seed).permutation(len(stems))
    held = round(len(stems) * share)
    return sorted(stems[i] for i in order[held:]), sorted(stems[i] for i in order[:held])


def labelled_frames(labels: Path, clip: Path) -> Iterator[Scene]:
    """Frames of a clip with their hand labels.

    Args:
        labels: JSON with ``frames``: frame number to ``people`` and ``ignore``, boxes in pixels.
        clip: the video.
    """
    frames = json.loads(labels.read_text())["frames"]
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            known = frames.get(str(index))
            if known is not None:
                people, ignore = (
                    np.array(known[key], np.float64).reshape(-1, 4) for key in ("people", "ignore")
                )
                yield Scene(frame.to_ndarray(format="rgb24"), people, ignore)


def cut_out(rgb: Image, mask: Image) -> Cutout | None:
    """A person by a mask (above 0 is the person); ``None`` if it is too small to be of use."""
    ys, xs = np.nonzero(mask)
    if len(xs) < 600:
        return None
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    alpha = cv2.GaussianBlur((mask[box] > 0).astype(np.uint8) * 255, (0, 0), 0.8)
    return Cutout(np.ascontiguousarray(rgb[box]), np.asarray(alpha, np.uint8))


def coco_cutouts(root: Path, stems: Iterable[str]) -> list[Cutout]:
    """The people of the COCO polygons."""
    found = []
    for stem in stems:
        path = root / "polygons" / f"{stem}.txt"
        rgb = read_rgb(root / "images" / f"{stem}.jpg")
        if rgb is None or not path.exists():
            continue
        size = np.array([rgb.shape[1], rgb.shape[0]])
        for line in path.read_text().splitlines():
            kind, *numbers = line.split()
            if kind != "1" or len(numbers) < 6:
                continue
            points = np.array(numbers, np.float64)[: len(numbers) // 2 * 2].reshape(-1, 2) * size
            mask = np.zeros(rgb.shape[:2], np.uint8)
            cv2.fillPoly(mask, [points.round().astype(np.int32)], (1,))
            cutout = cut_out(rgb, mask)
            if cutout is not None and cutout.rgb.shape[0] >= 60:
                found.append(cutout)
    return found


#: Photos of shoes and a cap that a hand holds.
HELD = (
    "5d127258-049e-41c0-944f-2bcba5e4a564",
    "bd483b02-b604-4422-b474-d2c03cb2202f",
    "8e9a0079-75b0-4c3f-871e-b337b3217543",
)


def garment_photos(root: Path, seed: int, most: int = 1000) -> list[tuple[str, Image]]:
    """Names and pictures of some photos of single garments, none of those that trainings with this
    seed hold back. With seed 0 all were looked at: nobody wears them."""
    held = frozenset(held_types(root, seed))
    with (root / "images.csv").open(newline="", encoding="utf-8") as file:
        names = [row["image"] for row in csv.DictReader(file) if row["label"] != "Skip"]
    order = np.random.default_rng(seed).permutation(sorted(set(names) - held))[:most]
    photos = ((str(n), read_rgb(root / "images" / f"{n}.jpg")) for n in order if n not in HELD)
    return [(name, rgb) for name, rgb in photos if rgb is not None]


def worn_photos(root: Path, seed: int, most: int = 120) -> Iterator[tuple[str, Image]]:
    """Names and pictures of people from a clothes shop, one at most of each garment and view:
    others are copies in another colour."""
    rows = [json.loads(line) for line in (root / "luma.jsonl").read_text().splitlines()]
    of_each = {(row["sku"], row["view"]): row["image"] for row in reversed(rows)}
    images = [image for (_, view), image in sorted(of_each.items()) if view != "detail"]
    for i in np.random.default_rng(seed).permutation(len(images))[:most]:
        rgb = read_rgb(root / images[i])
        if rgb is not None:
            yield Path(images[i]).stem, rgb
