"""Views of the world for the detector: marks on signs, boxes, bottles, caps and screens beside
those on clothes, from 14 pixels to most of the view.

The grounds are photos in the windows in which the program searches them; what else is on these
photos is no mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from engines.nets.logo_detector import SIZE
from training.garment_data import Image, Rng
from training.logo_crops import seen, stands_out
from training.logo_marks import Brand
from training.logo_pieces import Piece, face, one_of, shaped
from training.logo_prints import F32, F64, luma
from training.logo_scenes import CONTRAST, LEAST_SEEN, LEAST_WANTED, TOLD, Scene, text

Mask = npt.NDArray[np.bool_]

#: Longer side in pixels of the view of the marks, small ones as often as twice as large ones.
LEAST_SIDE, MOST_SIDE = 14.0, 175.0
#: Width of the view against that of the largest window inside of the picture.
NEAREST, WIDEST = 0.35, 1.8
#: How often something is a sign or box, a bottle or can, a cap; else it is on what is there.
SURFACES = {"panel": 0.34, "cylinder": 0.16, "bulge": 0.08, "bare": 0.42}
#: Photos that have no mark, and that have printed text which is none.
EMPTY, TEXT = 0.18, 0.25
#: Share of an embossed mark's box that must be told from its ground: only its edges can be.
EDGES = 0.75


class Scenes(Protocol):
    """What makes scenes."""

    def scene(self, rng: Rng) -> Scene: ...


@dataclass(frozen=True, slots=True)
class Mixed:
    """Scenes of the world, so large a share, and others."""

    world: Scenes
    other: Scenes
    share: float = 0.5

    def scene(self, rng: Rng) -> Scene:
        """One of either."""
        return (self.world if rng.random() < self.share else self.other).scene(rng)


@dataclass(frozen=True, slots=True)
class World:
    """What views are made of: photos, brands, fonts of lettering, between which two roughnesses."""

    photos: Sequence[Image]
    brands: Sequence[Brand]
    fonts: Sequence[Path]
    rough: tuple[float, float]

    def scene(self, rng: Rng) -> Scene:
        """One view of the world, with marks or without."""
        rough = float(rng.uniform(*self.rough))
        image, free = view(self.photos[int(rng.integers(len(self.photos)))], rng)
        count = 0 if rng.random() < EMPTY else int(rng.choice([1, 2, 3], p=[0.62, 0.26, 0.12]))
        laid: list[tuple[int, F64, Mask | None]] = []
        for _ in range(count):
            owner = int(rng.integers(len(self.brands)))
            laid += [
                (owner, *one) for one in self._laid(image, free, self.brands[owner], rng, rough)
            ]
        others = _print_text(image, free, rng) if rng.random() < TEXT else _rows([])
        picture = seen(image, rng, 40.0, rough)
        clear = [told is not None and stands_out(picture, told, CONTRAST) for _, _, told in laid]
        wanted = [one for one, kept in zip(laid, clear, strict=True) if kept]
        lost = [box for (_, box, _), kept in zip(laid, clear, strict=True) if not kept]
        owners = tuple(owner for owner, _, _ in wanted)
        return Scene(picture, _rows([box for _, box, _ in wanted]), owners, _rows(lost), others)

    def _laid(
        self, image: F32, free: Mask, brand: Brand, rng: Rng, rough: float
    ) -> list[tuple[F64, Mask | None]]:
        """Put a mark and what it is on into the view, in place: for each part its box xyxy and
        where (H, W) it can be told from its ground, ``None`` if that is not enough."""
        side = float(np.exp(rng.uniform(np.log(LEAST_SIDE), np.log(MOST_SIDE))))
        spot = _spot(free, rng)
        if spot is None:
            return []
        near = _near(image, spot, side)
        surface = one_of(SURFACES, rng)
        piece, material = face(brand, self.fonts, side, near, surface, rng, rough)
        piece = shaped(piece, surface, rng, rough)
        return _put(image, free, piece, spot, material, surface == "bare")


def view(photo: Image, rng: Rng) -> tuple[F32, Mask]:
    """A window of a photo at the detector's size, float RGB, black beyond the picture, and where
    the picture is."""
    height, width = photo.shape[:2]
    whole = min(width / SIZE[0], height / SIZE[1])
    scale = whole * float(np.exp(rng.uniform(np.log(NEAREST), np.log(WIDEST))))
    wide, high = SIZE[0] * scale, SIZE[1] * scale
    left, top = (
        rng.uniform(0, 1) * (there - here) for there, here in ((width, wide), (height, high))
    )
    if scale > 1.4:
        photo = np.asarray(cv2.blur(photo, (round(scale),) * 2), np.uint8)
    matrix = np.array([[1 / scale, 0, -left / scale], [0, 1 / scale, -top / scale]])
    image = cv2.warpAffine(photo, matrix, SIZE, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones((height, width), np.uint8), matrix, SIZE) > 0
    if rng.random() < 0.5:
        image, inside = image[:, ::-1], inside[:, ::-1]
    return np.ascontiguousarray(image, np.float32), np.ascontiguousarray(inside)


def _put(
    image: F32, free: Mask, piece: Piece, spot: tuple[int, int], material: str, bare: bool
) -> list[tuple[F64, Mask | None]]:
    """Lay a piece into a view, in place, its middle at a spot."""
    height, width = piece.cover.shape
    x, y = spot[0] - width // 2, spot[1] - height // 2
    # Large pieces are moved inside, as somebody who shows a sign would hold it.
    x = min(max(x, min(0, SIZE[0] - width)), max(0, SIZE[0] - width))
    y = min(max(y, min(0, SIZE[1] - height)), max(0, SIZE[1] - height))
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, SIZE[0]), min(y + height, SIZE[1])
    if x1 - x0 < 4 or y1 - y0 < 4:
        return []
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    there = np.s_[y0:y1, x0:x1]
    if not free[there][piece.cover[part] > 0.3].all():
        return []
    view_ = image[there]
    ground = view_.copy()
    grey = ground.mean(axis=2, keepdims=True)
    shade = np.clip((grey + 40) / (float(grey.mean()) + 40), 0.5, 1.5) if bare else 1.0
    cover = piece.cover[part][..., None]
    view_[:] = cover * piece.rgb[part] * shade + (1 - cover) * ground + piece.glow[part]
    np.clip(view_, 0, 255, out=view_)
    free[max(y0 - 3, 0) : y1 + 3, max(x0 - 3, 0) : x1 + 3] = False
    return [
        part_
        for mark in piece.marks
        if (part_ := _told(image, mark, (x, y), part, there, material)) is not None
    ]


def _told(
    image: F32, mark: F32, corner: tuple[int, int], part: tuple[slice, slice],
    there: tuple[slice, slice], material: str,
) -> tuple[F64, Mask | None] | None:  # fmt: skip
    """The box xyxy of a mark in a view and where (H, W) it is told from what is around it."""
    solid = mark > 0.3
    if not solid.any():
        return None
    inside = np.zeros(image.shape[:2], bool)
    inside[there] = solid[part]
    if not inside.any():
        return None
    box = _around(inside)
    around = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ring = around & ~inside
    seen_all = inside.sum() >= LEAST_SEEN * solid.sum()
    large = float(max(box[2:] - box[:2])) >= LEAST_WANTED
    rest = image[ring].mean(axis=0) if ring.any() else np.zeros(3)
    told = (np.abs(image - rest).max(axis=2) > TOLD) & (around if material == "emboss" else inside)
    if not seen_all or not large or not told.any():
        return box, None
    if material in ("emboss", "metal"):
        own = _around(told)
        area = float(np.prod(own[2:] - own[:2]) / max(np.prod(box[2:] - box[:2]), 1.0))
        return box, told if area >= EDGES else None
    return box, told if told.sum() >= LEAST_SEEN * inside.sum() else None


def _print_text(image: F32, free: Mask, rng: Rng) -> F64:
    """Lines of text on the view, in place: their boxes (n, 4)."""
    boxes = []
    for _ in range(int(rng.integers(1, 3))):
        spot = _spot(free, rng)
        if spot is None:
            break
        plane = text(rng, float(np.exp(rng.uniform(np.log(30), np.log(150)))), least_lines=2)
        near = _near(image, spot, 40.0)
        light = luma(near) < 128
        colour = rng.uniform(150, 255, 3) if light else rng.uniform(0, 90, 3)
        zeros = np.zeros((*plane.shape, 3), np.float32)
        rgb = np.broadcast_to(colour, zeros.shape).astype(np.float32)
        found = _put(image, free, Piece(rgb, plane, zeros, (plane,)), spot, "print", True)
        boxes += [box for box, _ in found]
    return _rows(boxes)


def _spot(free: Mask, rng: Rng) -> tuple[int, int] | None:
    ys, xs = np.nonzero(free)
    if not len(xs):
        return None
    i = int(rng.integers(len(xs)))
    return int(xs[i]), int(ys[i])


def _near(image: F32, spot: tuple[int, int], side: float) -> F32:
    reach = max(int(side / 2), 4)
    x, y = spot
    near = image[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
    return np.asarray(near.mean(axis=(0, 1)), np.float32)


def _around(inside: Mask) -> F64:
    x, y, width, height = cv2.boundingRect(inside.astype(np.uint8))
    return np.array([x, y, x + width, y + height], np.float64)


def _rows(boxes: Sequence[F64]) -> F64:
    return np.array(boxes, np.float64).reshape(-1, 4)
