"""Views of a picture: as the pipeline cuts it, and as a training varies it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engines.teach.twins import Image

Rng = np.random.Generator
#: Grey around what does not fill a square, as the pipeline pads.
PAD = 127
#: A training view is a random crop of the picture fitted into this many times its side (256 / 224).
ROOM = 256 / 224
#: Brightness, contrast and saturation vary by so much.
JITTER = 0.4
#: Sides of AD-Net's crops, as shares of the picture's (arXiv 2406.19814; the authors' code).
STRONG = (0.1, 0.8)
WEAK = (0.8, 0.9)
#: Weights of red, green and blue in grey.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def square(rgb: Image, side: int) -> Image:
    """A picture RGB (H, W, 3) fitted into a square (side, side, 3), grey around it."""
    return fitted(rgb, (side, side))


def fitted(rgb: Image, into: tuple[int, int]) -> Image:
    """A picture RGB (H, W, 3) fitted into a width and height, grey around it."""
    height, width = rgb.shape[:2]
    scale = min(into[0] / width, into[1] / height)
    size = (min(max(round(width * scale), 1), into[0]), min(max(round(height * scale), 1), into[1]))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.full((into[1], into[0], 3), PAD, np.uint8)
    x, y = (into[0] - size[0]) // 2, (into[1] - size[1]) // 2
    out[y : y + size[1], x : x + size[0]] = cv2.resize(rgb, size, interpolation=how)
    return out


def standard(rgb: Image, side: int, rng: Rng) -> Image:
    """A random crop of the picture fitted into a slightly larger square, recoloured, mirrored or
    not: (side, side, 3)."""
    room = round(side * ROOM)
    whole = square(rgb, room)
    x, y = rng.integers(0, room - side + 1, 2).tolist()
    return _varied(whole[y : y + side, x : x + side], rng)


def cropped(rgb: Image, side: int, shares: tuple[float, float], rng: Rng) -> Image:
    """A ``part`` of the picture, recoloured, mirrored or not: (side, side, 3)."""
    return _varied(part(rgb, side, shares, rng), rng)


def part(rgb: Image, side: int, shares: tuple[float, float], rng: Rng) -> Image:
    """A random crop whose height and width are one share of the picture's, drawn evenly between
    ``shares``, resized to (side, side, 3)."""
    height, width = rgb.shape[:2]
    share = rng.uniform(*shares)
    h, w = max(int(height * share), 1), max(int(width * share), 1)
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    how = cv2.INTER_AREA if h > side else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(rgb[y : y + h, x : x + w], (side, side), interpolation=how), np.uint8
    )


def _varied(rgb: Image, rng: Rng) -> Image:
    out = jittered(rgb, JITTER, rng)
    return np.ascontiguousarray(out[:, ::-1]) if rng.random() < 0.5 else out


def jittered(rgb: Image, most: float | tuple[float, float, float], rng: Rng) -> Image:
    """Brightness, contrast and saturation changed by factors of 1 - most to 1 + most, in random
    order."""
    mosts = np.broadcast_to(most, 3).tolist()
    out = rgb.astype(np.float32)
    for what in rng.permutation(3):
        factor = np.float32(rng.uniform(1 - mosts[what], 1 + mosts[what]))
        ground: npt.NDArray[np.float32] | np.float32
        if what == 0:
            ground = np.float32(0.0)
        else:
            grey = out @ _GREY
            ground = grey.mean(dtype=np.float32) if what == 1 else grey[..., None]
        out = np.clip(ground + factor * (out - ground), 0, 255)
    return np.asarray(out + 0.5, np.uint8)


def hued(rgb: Image, most: float, rng: Rng) -> Image:
    """The hue turned by up to ``most`` of a full circle either way."""
    turned = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    turned[..., 0] = (turned[..., 0].astype(int) + round(180 * rng.uniform(-most, most))) % 180
    return np.asarray(cv2.cvtColor(turned, cv2.COLOR_HSV2RGB), np.uint8)
