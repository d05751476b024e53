"""Crops of people as a camera's picture shows them: light, lens, sensor, H.264, enlargement."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt

from training.garment_data import CROP_SIZE, PAD, Image, Rng

F32 = npt.NDArray[np.float32]


def lit(image: F32, rng: Rng) -> F32:
    """Coloured light, exposure, contrast, faded colours, haze, a shadow; RGB (h, w, 3), 0 to 1."""
    some = rng.random() < 0.35
    gain = np.exp(rng.normal(0, 0.045 + 0.13 * some, 3))
    x = np.clip(image * (gain / gain.mean()), 0, 1) ** np.exp(rng.normal(0, 0.25))
    grey = x.mean()
    x = (x - grey) * rng.uniform(0.65, 1.35) + grey * np.exp(rng.normal(0, 0.3))
    luma = x.mean(axis=2, keepdims=True)
    fade = rng.uniform(0.1, 0.5) if rng.random() < 0.08 else rng.uniform(0.5, 1.4)
    x = luma + (x - luma) * fade
    if rng.random() < 0.2:
        haze = rng.uniform(0, 0.2)
        x = x * (1 - haze) + haze * rng.uniform(0.5, 1)
    if rng.random() < 0.25:
        h, w = x.shape[:2]
        y, z = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        a, b, c = rng.normal(0, 1), rng.normal(0, 1), rng.uniform(-0.8, 0.8)
        edge = 1 / (1 + np.exp(-(a * y + b * z + c) * rng.uniform(2, 20)))
        x = x * (1 - rng.uniform(0.2, 0.65) * edge[..., None])
    return np.clip(x, 0, 1).astype(np.float32)


def seen(image: F32, rng: Rng) -> F32:
    """Motion, focus, sharpening, noise, interlace."""
    kind = rng.random()
    if kind < 0.12:
        image = cv2.blur(image, (int(rng.integers(2, 6)), 1))
    elif kind < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.3:
        image = image + rng.uniform(0.3, 1.8) * (image - cv2.blur(image, (3, 3)))
    if rng.random() < 0.5:
        sigma = rng.uniform(0.003, 0.045)
        grain = rng.standard_normal((*image.shape[:2], 1)) + 0.6 * rng.standard_normal(image.shape)
        image = image + (sigma * grain).astype(np.float32)
    if rng.random() < 0.04:
        image = image.copy()
        image[1::2] = np.roll(image[1::2], 1, axis=1)
    return np.clip(image, 0, 1).astype(np.float32)


def coded(pictures: list[Image], rng: Rng) -> list[Image]:
    """Pictures of one size through one H.264 stream, side by side in a moving picture: the last of
    three frames, at a quality between good and poor."""
    high, wide = pictures[0].shape[:2]
    columns = int(np.ceil(np.sqrt(2 * len(pictures))))
    rows = -(-len(pictures) // columns)
    height, width = -(-rows * high // 16) * 16, -(-columns * wide // 16) * 16
    sheet = np.full((height, width, 3), PAD, np.uint8)
    places = [(i // columns * high, i % columns * wide) for i in range(len(pictures))]
    for (y, x), picture in zip(places, pictures, strict=True):
        sheet[y : y + high, x : x + wide] = picture
    file = io.BytesIO()
    quality = str(int(rng.integers(22, 42)))
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        stream.options = {"crf": quality, "preset": "superfast", "bf": "0"}
        for step in (2, 1, 0):
            moved = np.roll(sheet, (0, step * int(rng.integers(0, 4))), axis=(0, 1))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as packed:
        *_, last = packed.decode(video=0)
    sheet = last.to_ndarray(format="rgb24")
    return [sheet[y : y + high, x : x + wide] for y, x in places]


def through_camera(pictures: list[Image], rng: Rng) -> Image:
    """Crops (n, 320, 160, 3) as the parser gets them, of pictures of one smaller size."""
    outside = [(picture == PAD).all(axis=2) for picture in pictures]
    made = [
        (seen(lit((p / np.float32(255)).astype(np.float32), rng), rng) * 255)
        .round()
        .astype(np.uint8)
        for p in pictures
    ]
    if rng.random() < 0.85:
        made = coded(made, rng)
    out = np.empty((len(made), CROP_SIZE[1], CROP_SIZE[0], 3), np.uint8)
    for i, (picture, beyond) in enumerate(zip(made, outside, strict=True)):
        large = cv2.resize(picture, CROP_SIZE, interpolation=cv2.INTER_LINEAR)
        pad = cv2.resize(beyond.astype(np.uint8), CROP_SIZE, interpolation=cv2.INTER_NEAREST)
        out[i] = np.where(pad[..., None] > 0, PAD, large)
    return out
