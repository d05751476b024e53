"""What models are compared on: pictures, and inputs made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.base import Array
from engines.packs import Pack, Tensor
from engines.trt import PICTURES
from pipeline.errors import SourceRefusedError
from pipeline.picture.still import find_photos, load_image

Rgb = npt.NDArray[np.uint8]


def sample(tensor: Tensor, picture: Rgb) -> Array:
    """A batch of one for an input: a picture RGB (H, W, 3) in the input's layout, colour and type
    (numbers with a fraction from 0 to 1), or ones where the input is no picture."""
    if not tensor.layout:
        return np.ones([n if isinstance(n, int) else 1 for n in tensor.shape], tensor.dtype)
    pixels = picture[None, :, :, ::-1] if tensor.colour == "bgr" else picture[None]
    if tensor.layout != "nhwc":
        pixels = pixels.transpose(0, 3, 1, 2)
    if tensor.layout == "chw":
        pixels = pixels[0]
    if np.dtype(tensor.dtype).kind == "f":
        return np.ascontiguousarray(pixels / 255, tensor.dtype)
    return np.ascontiguousarray(pixels, tensor.dtype)


def noise(size: tuple[int, int], count: int = 2, seed: int = 0) -> list[Rgb]:
    """Pictures RGB (h, w, 3) of noise, coarse and fine."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        step = (1, 16)[i % 2]
        shape = (max(size[1] // step, 1), max(size[0] // step, 1), 3)
        rough = rng.integers(0, 256, shape, dtype=np.uint8)
        out.append(np.asarray(cv2.resize(rough, size, interpolation=cv2.INTER_NEAREST), np.uint8))
    return out


def shipped(pack: Pack) -> list[Rgb]:
    """What every model is compared on, RGB (h, w, 3) of its size: the pictures that come with the
    program, and noise."""
    size = pack.size if pack.size[0] else (1, 1)
    return pictures(pack, PICTURES, 3) + noise(size)


def pictures(pack: Pack, folder: Path | None, most: int) -> list[Rgb]:
    """Pictures RGB (h, w, 3) of a folder, the middle of each at the model's size, evenly chosen.
    None for a model that takes no pictures.

    Raises:
        SourceRefusedError: there is none that can be read.
    """
    if folder is None or not pack.size[0]:
        return []
    paths = list(find_photos([folder]))
    chosen = [paths[i * len(paths) // most] for i in range(most)] if len(paths) > most else paths
    out = []
    for path in chosen:
        try:
            out.append(_fitted(load_image(path), pack.size))
        except SourceRefusedError:
            continue  # one bad file among many
    if not out:
        raise SourceRefusedError(f"{folder}: none of its pictures can be read")
    return out


def _fitted(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> Rgb:
    """The middle of a BGR picture at a size, RGB."""
    height, width = image.shape[:2]
    scale = min(width / size[0], height / size[1])
    w, h = min(round(size[0] * scale), width), min(round(size[1] * scale), height)
    x, y = (width - w) // 2, (height - h) // 2
    part = cv2.resize(image[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part[:, :, ::-1])
