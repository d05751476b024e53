"""Brand marks as shops print them, turned, tilted and bent as cloth is, laid onto a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.logos.exemplars import LUMA
from training.garment_data import Rng
from training.logo_marks import Brand

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

#: How rough composed marks are, 0 to 1: all that training sees, and marks printed flat, upright and
#: seen well, of which untrained features of ImageNet recognise half among 300.
ROUGH, PLAIN = 1.0, 0.15
#: Least difference in luma between a mark and what it is on, of 255.
CONTRAST = 35.0
PadMode = Literal["constant", "edge"]


@dataclass(frozen=True, slots=True)
class Print:
    """A mark as printed: coverage (h, w) 0 to 1 of its colour (3,), or of its colours (h, w, 3),
    and of the patch it may be on."""

    cover: F32
    colour: F32
    patch: F32 | None = None
    patch_colour: F32 | None = None
    colours: F32 | None = None

    @property
    def solid(self) -> F32:
        """Coverage of all of it."""
        return self.cover if self.patch is None else self.patch

    def moved(self, how: Callable[[F32], F32]) -> Print:
        """The same print after what is done to a picture (h, w) or (h, w, 3) of it."""
        parts = (self.patch, self.colours)
        patch, colours = (None if part is None else how(part) for part in parts)
        return replace(self, cover=how(self.cover), patch=patch, colours=colours)

    def within(self, mask: F32) -> Print:
        """What of it is where a mask (h, w) says."""
        patch = None if self.patch is None else self.patch * mask
        return replace(self, cover=self.cover * mask, patch=patch)


def luma(colour: F32) -> float:
    return float(colour @ LUMA)


def _colour(rng: Rng, brand: Brand) -> F32:
    """White, black, the brand's own or any."""
    pick = rng.random()
    if pick < 0.3:
        return np.full(3, rng.uniform(215, 255), np.float32)
    if pick < 0.55:
        return np.full(3, rng.uniform(0, 45), np.float32)
    if pick < 0.8:
        return np.array(brand.colour, np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def _apart(colour: F32, ground: F32, rng: Rng) -> F32:
    """A colour that can be told from the ground: the same if it can, else nearly black or white."""
    if abs(luma(colour) - luma(ground)) >= CONTRAST or (
        np.abs(colour - ground).max() > 110 and abs(luma(colour) - luma(ground)) > CONTRAST / 2
    ):
        return colour
    light = luma(ground) < 128
    return np.full(3, rng.uniform(200, 255) if light else rng.uniform(0, 50), np.float32)


def _fitted(cover: npt.NDArray[np.uint8], side: float, mode: PadMode = "constant") -> F32:
    """Coverage or colours 0 to 1 with their longer side so many pixels, room of a tenth around."""
    scale = side / max(cover.shape[:2])
    size = (max(round(cover.shape[1] * scale), 1), max(round(cover.shape[0] * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(cover, size, interpolation=how).astype(np.float32) / 255
    room = max(round(side * 0.1), 2)
    return np.pad(small, [(room, room)] * 2 + [(0, 0)] * (small.ndim - 2), mode=mode)


def printed(brand: Brand, side: float, ground: F32, rng: Rng, rough: float = ROUGH) -> Print:
    """A brand's mark as shops print it on a ground of that colour: filled, outlined, or left out
    of a patch, its longer side ``side`` pixels."""
    cover = _fitted(brand.cover, side)
    if brand.rgb is not None:
        return _coloured(brand, cover, _fitted(brand.rgb, side, "edge") * 255, ground, rng)
    style = rng.random() / max(rough, 1e-6)
    if style < 0.08 and side >= 40:
        width = max(round(side * rng.uniform(0.02, 0.04)), 1)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
        cover = np.asarray(cv2.morphologyEx(cover, cv2.MORPH_GRADIENT, kernel), np.float32)
    elif style < 0.16:  # a little bolder or thinner
        kernel = np.ones((2, 2) if side < 60 else (3, 3), np.uint8)
        change = cv2.dilate if rng.random() < 0.6 else cv2.erode
        cover = np.asarray(change(cover, kernel), np.float32)
    colour = _apart(_colour(rng, brand), ground, rng)
    if rng.random() < 1 - 0.25 * rough:
        return Print(cover, colour)
    # A patch or label of its own: the mark on it or cut out of it.
    shape = np.ones_like(cover)
    if rng.random() < 0.4:
        h, w = cover.shape
        shape = np.zeros_like(cover)
        cv2.ellipse(shape, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1.0, -1)
        # Round patches are larger than what is on them.
        inner = cv2.resize(cover, None, fx=0.72, fy=0.72, interpolation=cv2.INTER_AREA)
        y, x = (h - inner.shape[0]) // 2, (w - inner.shape[1]) // 2
        cover = np.zeros_like(cover)
        cover[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    patch = _apart(_colour(rng, brand), ground, rng)
    return Print(cover, _apart(colour, patch, rng), shape, patch)


def _coloured(brand: Brand, cover: F32, colours: F32, ground: F32, rng: Rng) -> Print:
    """A mark of several colours, sometimes printed in greys; on a patch where it would be lost."""
    if rng.random() < 0.15:
        colours = np.repeat((colours @ LUMA)[..., None], 3, axis=2)
    apart = np.abs(colours - ground).max(axis=2)
    if float((apart * cover).sum()) >= 1.5 * CONTRAST * float(cover.sum()):
        return Print(cover, np.array(brand.colour, np.float32), colours=colours)
    light = float(((colours @ LUMA) * cover).sum()) < 128 * float(cover.sum())
    patch = np.full(3, rng.uniform(225, 255) if light else rng.uniform(0, 30), np.float32)
    own = np.array(brand.colour, np.float32)
    return Print(cover, own, np.ones_like(cover), patch, colours)


def bend(size: tuple[int, int], rng: Rng, strength: float) -> tuple[F32, F32]:
    """Displacements (h, w) in pixels along x and y of a piece of cloth: a few smooth waves."""
    width, height = size
    grid = rng.normal(0, strength * min(width, height), (2, 4, 4)).astype(np.float32)
    dx, dy = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in grid)
    return np.asarray(dx, np.float32), np.asarray(dy, np.float32)


def corners(width: int, height: int, rng: Rng, rough: float) -> F32:
    """Where the corners of a print come to lie after turning and tilting it."""
    upright = rng.random() < 1 - 0.15 * rough
    angle = np.deg2rad(rng.normal(0, 12 * rough) if upright else rng.uniform(-90, 90))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = np.array([width, height]) / 2
    ends = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    ends = ends * np.exp(rough * rng.normal(0, [0.12, 0.08]))
    ends = ends + rough * rng.normal(0, 0.06, (4, 2)) * [width, height]
    return (ends @ turn.T).astype(np.float32)


def warped(mark: Print, rng: Rng, rough: float = ROUGH) -> tuple[Print, F64]:
    """A print turned, tilted and bent, and the box xyxy around it."""
    height, width = mark.cover.shape
    ends = corners(width, height, rng, rough)
    low = ends.min(axis=0)
    size = np.ceil(ends.max(axis=0) - low).astype(int) + 2
    out = (int(max(size[0], 4)), int(max(size[1], 4)))
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, ends - low)

    def tilt(plane: F32) -> F32:
        # Colours go on beyond the edge, so that what is half covered has them too.
        edge = cv2.BORDER_CONSTANT if plane.ndim == 2 else cv2.BORDER_REPLICATE
        return np.asarray(cv2.warpPerspective(plane, matrix, out, borderMode=edge), np.float32)

    mark = mark.moved(tilt)
    if rng.random() < 0.7:
        dx, dy = bend(out, rng, rough * rng.uniform(0.005, 0.035))
        xs, ys = np.meshgrid(
            np.arange(out[0], dtype=np.float32), np.arange(out[1], dtype=np.float32)
        )
        mark = mark.moved(
            lambda p: np.asarray(cv2.remap(p, xs + dx, ys + dy, cv2.INTER_LINEAR), np.float32)
        )
    ys2, xs2 = np.nonzero(np.maximum(mark.cover, mark.solid) > 0.3)
    if len(xs2) == 0:
        return mark, np.array([0, 0, *out], np.float64)
    box = np.array([xs2.min(), ys2.min(), xs2.max() + 1, ys2.max() + 1], np.float64)
    return mark, box


def lay(image: F32, mark: Print, x: int, y: int, rng: Rng) -> F32:
    """Print onto a float picture (H, W, 3), in place; the cloth's folds shade the print as well.

    Returns by how much (h, w), of 255, it changed the picture; 0 beyond it.
    """
    height, width = mark.cover.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, image.shape[1]), min(y + height, image.shape[0])
    apart = np.zeros((height, width), np.float32)
    if x1 <= x0 or y1 <= y0:
        return apart
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    spot = image[y0:y1, x0:x1]
    before = spot.copy()
    grey = spot.mean(axis=2)
    smooth = cv2.GaussianBlur(grey, (0, 0), max(min(grey.shape) / 12, 0.6))
    shade = np.clip((0.4 * grey + 0.6 * smooth + 20) / (float(grey.mean()) + 20), 0.4, 1.6)
    opaque = rng.uniform(0.8, 1.0)
    layers = [(mark.cover, mark.colour if mark.colours is None else mark.colours[part])]
    if mark.patch is not None and mark.patch_colour is not None:
        layers = [(mark.patch, mark.patch_colour), *layers]
    for plane, colour in layers:
        cover = (plane[part] * opaque)[..., None]
        spot[:] = cover * colour * shade[..., None] + (1 - cover) * spot
    apart[part] = np.abs(spot - before).max(axis=2)
    return apart
