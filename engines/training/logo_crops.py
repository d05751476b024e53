"""Marks as cameras see them on cloth, boards and boxes, composed: what the embedder learns from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engines.exemplars import ROOM, views
from engines.training.garment_data import Image, Rng
from engines.training.logo_marks import Brand

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

#: How rough composed marks are, 0 to 1: all that training sees, and marks printed flat, upright and
#: seen well, of which untrained features of ImageNet recognise half among 300.
ROUGH, PLAIN = 1.0, 0.15
#: Least difference of a print from what is around it, of 255, and grounds tried for it.
TOLD, TRIES = 25.0, 6
#: Least difference in luma between a mark and what it is on, of 255.
CONTRAST = 35.0


@dataclass(frozen=True, slots=True)
class Print:
    """A mark as printed: coverage (h, w) 0 to 1 of its colour, and of the patch it may be on."""

    cover: F32
    colour: F32
    patch: F32 | None = None
    patch_colour: F32 | None = None


def luma(colour: F32) -> float:
    return float(colour @ np.array([0.299, 0.587, 0.114], np.float32))


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


def _fitted(cover: npt.NDArray[np.uint8], side: float) -> F32:
    """Coverage 0 to 1 with its longer side so many pixels, room of a tenth around it."""
    scale = side / max(cover.shape)
    size = (max(round(cover.shape[1] * scale), 1), max(round(cover.shape[0] * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(cover, size, interpolation=how).astype(np.float32) / 255
    room = max(round(side * 0.1), 2)
    return np.pad(small, room)


def printed(brand: Brand, side: float, ground: F32, rng: Rng, rough: float = ROUGH) -> Print:
    """A brand's mark as shops print it on a ground of that colour: filled, outlined, or left out
    of a patch, its longer side ``side`` pixels."""
    cover = _fitted(brand.cover, side)
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


def _bend(size: tuple[int, int], rng: Rng, strength: float) -> tuple[F32, F32]:
    """Displacements (h, w) in pixels along x and y of a piece of cloth: a few smooth waves."""
    width, height = size
    grid = rng.normal(0, strength * min(width, height), (2, 4, 4)).astype(np.float32)
    dx, dy = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in grid)
    return np.asarray(dx, np.float32), np.asarray(dy, np.float32)


def _corners(width: int, height: int, rng: Rng, rough: float) -> F32:
    """Where the corners of a print come to lie after turning and tilting it."""
    upright = rng.random() < 1 - 0.15 * rough
    angle = np.deg2rad(rng.normal(0, 12 * rough) if upright else rng.uniform(-90, 90))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = np.array([width, height]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners * np.exp(rough * rng.normal(0, [0.12, 0.08]))
    corners = corners + rough * rng.normal(0, 0.06, (4, 2)) * [width, height]
    return (corners @ turn.T).astype(np.float32)


def warped(planes: list[F32], rng: Rng, rough: float = ROUGH) -> tuple[list[F32], F64]:
    """Planes (h, w) of a print turned, tilted and bent together, and the box xyxy around it."""
    height, width = planes[0].shape
    corners = _corners(width, height, rng, rough)
    low = corners.min(axis=0)
    size = np.ceil(corners.max(axis=0) - low).astype(int) + 2
    out = (int(max(size[0], 4)), int(max(size[1], 4)))
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners - low)
    moved = [np.asarray(cv2.warpPerspective(p, matrix, out), np.float32) for p in planes]
    if rng.random() < 0.7:
        dx, dy = _bend(out, rng, rough * rng.uniform(0.005, 0.035))
        xs, ys = np.meshgrid(
            np.arange(out[0], dtype=np.float32), np.arange(out[1], dtype=np.float32)
        )
        moved = [
            np.asarray(cv2.remap(p, xs + dx, ys + dy, cv2.INTER_LINEAR), np.float32) for p in moved
        ]
    ys2, xs2 = np.nonzero(np.maximum.reduce(moved) > 0.3)
    if len(xs2) == 0:
        return moved, np.array([0, 0, *out], np.float64)
    box = np.array([xs2.min(), ys2.min(), xs2.max() + 1, ys2.max() + 1], np.float64)
    return moved, box


def lay(image: F32, mark: Print, planes: list[F32], x: int, y: int, rng: Rng) -> None:
    """Print onto a float picture (H, W, 3), in place; the cloth's folds shade the print as well."""
    height, width = planes[0].shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, image.shape[1]), min(y + height, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    spot = image[y0:y1, x0:x1]
    grey = spot.mean(axis=2)
    smooth = cv2.GaussianBlur(grey, (0, 0), max(min(grey.shape) / 12, 0.6))
    shade = np.clip((0.4 * grey + 0.6 * smooth + 20) / (float(grey.mean()) + 20), 0.4, 1.6)
    opaque = rng.uniform(0.8, 1.0)
    layers = [(planes[0], mark.colour)]
    if mark.patch is not None and mark.patch_colour is not None:
        layers = [(planes[1], mark.patch_colour), *layers]
    for plane, colour in layers:
        cover = (plane[part] * opaque)[..., None]
        spot[:] = cover * colour * shade[..., None] + (1 - cover) * spot


def seen(image: F32, rng: Rng, detail: float, rough: float = ROUGH) -> Image:
    """A float picture as a camera records it: light, lens, motion, noise, compression. Pictures
    whose marks are ``detail`` pixels large are blurred the less the smaller these are."""

    def about(middle: float, low: float, high: float, size: int = 1) -> F64:
        """Between two bounds, the nearer to the middle the less rough."""
        return middle + rough * (rng.uniform(low, high, size) - middle)

    out = image * float(about(1.0, 0.55, 1.25)[0]) + float(about(0.0, -12, 18)[0])
    out = out * about(1.0, 0.93, 1.07, 3).astype(np.float32)
    blur = min(rough * rng.exponential(0.012) * detail, 2.0)
    if blur > 0.3:
        out = cv2.GaussianBlur(out, (0, 0), blur)
    if rng.random() < 0.2 * rough:
        length = min(int(rng.integers(2, 6)), max(int(detail / 10), 1))
        out = cv2.blur(out, (length, 1) if rng.random() < 0.7 else (1, length))
    if rng.random() < 0.15 * rough:
        out = out * rng.uniform(0.3, 0.6)
    out = out + rng.normal(0, rough * rng.uniform(0, 6), out.shape).astype(np.float32)
    picture = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(about(95, 30, 95)[0])]
        _, packed = cv2.imencode(".jpg", picture, quality)
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return picture


def ground(fabrics: list[Image], width: int, height: int, rng: Rng) -> F32:
    """A piece of something to print on, float RGB: cloth from photos, or a plain or striped one."""
    if fabrics and rng.random() < 0.7:
        photo = fabrics[rng.integers(len(fabrics))]
        h, w = photo.shape[:2]
        side = max(int(min(h, w) * rng.uniform(0.15, 0.6)), 4)
        x, y = int(rng.integers(0, w - side + 1)), int(rng.integers(0, h - side + 1))
        piece = photo[y : y + side, x : x + side]
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        out = cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        if rng.random() < 0.4:  # dyed
            out = out.mean(axis=2, keepdims=True) / 128 * rng.uniform(10, 250, 3)
    else:
        out = np.full((height, width, 3), rng.uniform(0, 255, 3), np.float32)
        if rng.random() < 0.3:
            period = rng.uniform(4, max(width, 9))
            wave = np.sin(np.arange(width) / period * 2 * np.pi + rng.uniform(0, 6)) > 0
            out[:, wave] = rng.uniform(0, 255, 3)
        tilt = np.linspace(rng.uniform(0.75, 1), rng.uniform(1, 1.25), width)
        out = out * tilt[None, :, None] + rng.normal(0, rng.uniform(0, 8), (height, width, 1))
    return np.clip(out, 0, 255).astype(np.float32)


def crop(
    brand: Brand, fabrics: list[Image], side: float, out: int, rng: Rng, rough: float = ROUGH
) -> Image:
    """A square crop (out, out, 3) uint8 RGB around a brand's mark, whose longer side was ``side``
    pixels on the camera's picture, as a detector would cut it. The mark can be told from what it
    is printed on."""
    for _ in range(TRIES):
        image, box = _printed_on(brand, fabrics, side, rng, rough)
        if box is not None:
            break
    else:
        image, box = _printed_on(brand, [], side, rng, rough)
    box = np.array([0, 0, *image.shape[1::-1]], np.float64) if box is None else box
    if rng.random() < 0.12 * rough:
        _hide(image, box, rng)
    picture = seen(image, rng, side, rough)
    box = box + rough * rng.normal(0, 0.05, 4) * np.tile(box[2:] - box[:2], 2)
    return cut(picture, box, out)


def _printed_on(
    brand: Brand, fabrics: list[Image], side: float, rng: Rng, rough: float
) -> tuple[F32, F64 | None]:
    """A mark on a ground, float RGB, and the box around it; ``None`` if it can hardly be seen."""
    width = int(side * 1.9) + 12
    image = ground(fabrics, width, width, rng)
    mark = printed(brand, side, image.mean(axis=(0, 1)), rng, rough)
    planes = [mark.cover] if mark.patch is None else [mark.cover, mark.patch]
    planes, box = warped(planes, rng, rough)
    x, y = (int((width - p) / 2 + rng.normal(0, 1)) for p in (box[0] + box[2], box[1] + box[3]))
    before = image.copy()
    lay(image, mark, planes, x, y, rng)
    return image, box + np.array([x, y, x, y]) if told_apart(image, before) else None


def told_apart(image: F32, before: F32) -> bool:
    """Whether a print on a float picture (H, W, 3) can be told from what is around it: in some
    channel it differs by more than the ground does in itself."""
    inside = np.abs(image - before).max(axis=2) > TOLD / 2
    around = cv2.dilate(inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    outside = around & ~inside
    if not inside.any() or not outside.any():
        return False
    mark, rest = image[inside], image[outside]
    apart = np.abs(mark.mean(axis=0) - rest.mean(axis=0))
    return bool((apart >= np.maximum(TOLD, rest.std(axis=0))).any())


def _hide(image: F32, box: F64, rng: Rng) -> None:
    """Hide a strip of a mark behind an arm or a fold, in place."""
    x0, y0, x1, y1 = box.astype(int).tolist()
    if rng.random() < 0.5:
        w = int((x1 - x0) * rng.uniform(0.08, 0.25))
        x0 = x0 if rng.random() < 0.5 else x1 - w
        x1 = x0 + w
    else:
        h = int((y1 - y0) * rng.uniform(0.08, 0.25))
        y0 = y0 if rng.random() < 0.5 else y1 - h
        y1 = y0 + h
    image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = rng.uniform(0, 255, 3)


def cut(picture: Image, box: F64, out: int) -> Image:
    """The square around a box with room about it, as (out, out, 3); grey beyond the picture."""
    centre = (box[:2] + box[2:]) / 2
    half = max((0.5 + ROOM) * float((box[2:] - box[:2]).max()), 2.0)
    scale = out / (2 * half)
    if scale < 0.7:
        picture = np.asarray(cv2.blur(picture, (max(round(1 / scale), 1),) * 2), np.uint8)
    shift = out / 2 - scale * centre
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    matrix[:, 2] += 0.5 * scale - 0.5
    return np.asarray(
        cv2.warpAffine(picture, matrix, (out, out), borderValue=(127, 127, 127)), np.uint8
    )


def exemplar(brand: Brand, out: int, variant: int) -> Image:
    """A gallery's picture of a brand (out, out, 3): black, white or its colour on plain ground."""
    colour = np.broadcast_to(np.array(brand.colour, np.uint8), (*brand.cover.shape, 3))
    on_light, on_dark, black, white = views(np.dstack([colour, brand.cover]), out)
    own = on_light if luma(np.array(brand.colour)) < 160 else on_dark
    return (black, white, own)[variant % 3]
