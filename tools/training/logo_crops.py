"""Crops of marks as cameras see them on cloth, boards and boxes: what the embedder learns from."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.logos.exemplars import ROOM, views
from training.garment_data import Image, Rng
from training.logo_marks import Brand
from training.logo_prints import F32, F64, ROUGH, lay, luma, printed, warped

#: Least difference of a print from what is around it, of 255, and grounds tried for it.
TOLD, TRIES = 25.0, 6


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
        image, box = printed_on(brand, fabrics, side, rng, rough)
        if box is not None:
            break
    else:
        image, box = printed_on(brand, [], side, rng, rough)
    box = np.array([0, 0, *image.shape[1::-1]], np.float64) if box is None else box
    if rng.random() < 0.12 * rough:
        _hide(image, box, rng)
    picture = seen(image, rng, side, rough)
    box = box + rough * rng.normal(0, 0.05, 4) * np.tile(box[2:] - box[:2], 2)
    return cut(picture, box, out)


def printed_on(
    brand: Brand, fabrics: list[Image], side: float, rng: Rng, rough: float
) -> tuple[F32, F64 | None]:
    """A mark on a ground, float RGB, and the box around it; ``None`` if it can hardly be seen."""
    width = int(side * 1.9) + 12
    image = ground(fabrics, width, width, rng)
    mark = printed(brand, side, image.mean(axis=(0, 1)), rng, rough)
    mark, box = warped(mark, rng, rough)
    x, y = (int((width - p) / 2 + rng.normal(0, 1)) for p in (box[0] + box[2], box[1] + box[3]))
    before = image.copy()
    lay(image, mark, x, y, rng)
    return image, box + np.array([x, y, x, y]) if told_apart(image, before) else None


def told_apart(image: F32, before: F32) -> bool:
    """Whether a print on a float picture (H, W, 3) can be told from what is around it."""
    return stands_out(image, np.abs(image - before).max(axis=2) > TOLD / 2, TOLD)


def stands_out(image: F32 | Image, inside: npt.NDArray[np.bool_], least: float) -> bool:
    """Whether part of a picture (H, W, 3), where ``inside`` (H, W), differs from what is around it
    in some channel: by ``least`` of 255, and by more than the ground does in itself."""
    around = cv2.dilate(inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    outside = around & ~inside
    if not inside.any() or not outside.any():
        return False
    mark, rest = image[inside], image[outside]
    apart = np.abs(mark.mean(axis=0) - rest.mean(axis=0))
    return bool((apart >= np.maximum(least, rest.std(axis=0))).any())


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
    on_light, on_dark, black, white = views(brand.drawn(), out)
    own = on_light if luma(np.array(brand.colour)) < 160 else on_dark
    return (black, white, own)[variant % 3]
