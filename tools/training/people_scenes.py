"""Scenes to train the person detector on: real, composed, and without anyone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.garment_data import Image, Rng, degrade
from training.people_data import F64, Cutout, Scene, nobody

F32 = npt.NDArray[np.float32]

#: Input sizes (width, height), multiples of 32 of about the same area, by aspect ratio.
SIZES = ((512, 288), (448, 320), (384, 384), (320, 448), (288, 512), (576, 256))
#: People lower than this in the scaled picture are neither wanted nor punished.
LEAST_HEIGHT = 12.0
#: Visible share of a person's box under which the person is neither wanted nor punished.
LEAST_VISIBLE = 0.3


def _clip(boxes: F64, width: float, height: float) -> tuple[F64, F64]:
    """Boxes cut at the picture's edge, and the share of each that is left."""
    cut = np.clip(boxes, 0, [width, height, width, height])
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6), axis=1)
    left: F64 = np.prod(cut[:, 2:] - cut[:, :2], axis=1) / area
    return cut, left


def _sort_out(rgb: Image, people: F64, ignore: F64, hidden: F64 | None = None) -> Scene:
    """A scene of what is in the picture; who is too small or mostly hidden is left alone."""
    height, width = rgb.shape[:2]
    cut, left = _clip(people, width, height)
    if hidden is not None:
        left = left * (1 - hidden)
    tall = cut[:, 3] - cut[:, 1]
    wanted = (left >= LEAST_VISIBLE) & (tall >= LEAST_HEIGHT)
    # A close person cut by the frame is what a store camera sees: size makes up for the cut.
    wanted |= (left >= 0.12) & (tall >= 0.3 * height)
    rest = cut[~wanted & (left > 0.02)]
    other, seen = _clip(ignore, width, height)
    return Scene(rgb, cut[wanted], np.concatenate([rest, other[seen > 0.02]]))


def window(scene: Scene, size: tuple[int, int], rng: Rng) -> Scene:
    """A random part of a scene at a random scale, as a picture of ``size``."""
    width, height = size
    h, w = scene.rgb.shape[:2]
    fit = max(width / w, height / h)
    scale = fit * np.exp(rng.uniform(np.log(0.85), np.log(2.2)))
    stretch = np.exp(rng.uniform(-0.12, 0.12))
    sx, sy = scale * stretch, scale / stretch
    focus = np.array([w, h]) * rng.uniform(0, 1, 2)
    if len(scene.people) and rng.random() < 0.7:
        box = scene.people[rng.integers(len(scene.people))]
        focus = rng.uniform(box[:2], box[2:])
        # A person larger than the picture three times over teaches nothing.
        sy = min(sy, 2.2 * height / max(box[3] - box[1], 1))
        sx = min(sx, sy * 1.25)
    shift = np.array([width, height]) * rng.uniform(0.15, 0.85, 2) - focus * [sx, sy]
    low = np.minimum(np.array([width, height]) - np.array([w, h]) * [sx, sy], 0)
    shift = np.clip(shift, low, np.maximum(low, 0))
    rgb = scene.rgb
    if sx < 1:
        rgb = np.asarray(cv2.blur(rgb, (max(round(1 / sx), 1), max(round(1 / sy), 1))), np.uint8)
    matrix = np.array([[sx, 0, shift[0]], [0, sy, shift[1]]])
    image = cv2.warpAffine(rgb, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    grow, move = np.array([sx, sy, sx, sy]), np.tile(shift, 2)
    people, ignore = scene.people * grow + move, scene.ignore * grow + move
    return _sort_out(np.asarray(image, np.uint8), people, ignore)


def mosaic(scenes: list[Scene], size: tuple[int, int], rng: Rng) -> Scene:
    """Several scenes side by side: the same people farther away."""
    columns, rows = (2, 2) if len(scenes) == 4 else (len(scenes), 1)
    width, height = size
    xs = np.linspace(0, width, columns + 1).astype(int)
    ys = np.linspace(0, height, rows + 1).astype(int)
    canvas = np.zeros((height, width, 3), np.uint8)
    people, ignore = [nobody()], [nobody()]
    for i, scene in enumerate(scenes):
        x, y = xs[i % columns], ys[i // columns]
        part = window(scene, (int(xs[i % columns + 1] - x), int(ys[i // columns + 1] - y)), rng)
        h, w = part.rgb.shape[:2]
        canvas[y : y + h, x : x + w] = part.rgb
        people.append(part.people + np.array([x, y, x, y]))
        ignore.append(part.ignore + np.array([x, y, x, y]))
    return _sort_out(canvas, np.concatenate(people), np.concatenate(ignore))


def _shrunk(cutout: Cutout, tall: float, rng: Rng) -> tuple[Image, F32]:
    """A cut-out at a height in pixels: RGB in the light of the day, and coverage 0 to 1."""
    scale = tall / cutout.rgb.shape[0]
    wide = round(cutout.rgb.shape[1] * scale * np.exp(rng.uniform(-0.15, 0.15)))
    size = (max(wide, 4), max(round(tall), 8))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    rgb = np.asarray(cv2.resize(cutout.rgb, size, interpolation=how), np.uint8)
    cover = cv2.resize(cutout.alpha, size, interpolation=how)
    alpha: F32 = cover.astype(np.float32) / np.float32(255)
    if rng.random() < 0.5:
        rgb, alpha = rgb[:, ::-1], alpha[:, ::-1]
    rgb = np.clip(rgb * rng.uniform(0.6, 1.25) + rng.uniform(-15, 15), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rgb), alpha


def _lay(image: Image, figure: tuple[Image, F32], x: int, y: int) -> npt.NDArray[np.bool_]:
    """Draw a cut-out with its top left corner at x, y, in place; where it covers the picture."""
    rgb, alpha = figure
    height, width = image.shape[:2]
    covered = np.zeros((height, width), bool)
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + rgb.shape[1], width), min(y + rgb.shape[0], height)
    if x1 - x0 < 4 or y1 - y0 < 6:
        return covered
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    cover = alpha[part][..., None]
    spot = image[y0:y1, x0:x1]
    spot[:] = (cover * rgb[part] + (1 - cover) * spot).astype(np.uint8)
    covered[y0:y1, x0:x1] = cover[..., 0] > 0.5
    return covered


def _hidden(owner: npt.NDArray[np.int32], boxes: F64) -> F64:
    """Share of each box's cells that belong to somebody pasted."""
    shares = []
    for x0, y0, x1, y1 in boxes.astype(int).tolist():
        cells = owner[y0:y1, x0:x1]
        shares.append(float((cells > 0).mean()) if cells.size else 1.0)
    return np.array(shares)


def paste(scene: Scene, cutouts: list[Cutout], rng: Rng) -> Scene:
    """A scene with people pasted into it at every scale, overlapping and cut by the frame."""
    image = scene.rgb.copy()
    height, width = image.shape[:2]
    boxes, sizes = [], []
    owner = np.zeros((height, width), np.int32)
    count = int(rng.choice([1, 2, 3, 5, 8], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
    most = height * (1.6 if count <= 2 else 0.9)
    near = rng.uniform(0, width)
    for tall in np.sort(np.exp(rng.uniform(np.log(18), np.log(most), count))).tolist():
        # Sorted: the nearest comes last, over the others; some stand together.
        figure = _shrunk(cutouts[rng.integers(len(cutouts))], tall, rng)
        together = rng.random() < 0.4
        x = near + rng.normal(0, 0.25 * tall) if together else rng.uniform(0, width)
        low = -0.15 * tall if tall < height else height * 0.6 - tall
        y = rng.uniform(low, max(height - 0.4 * tall, low + 1))
        solid = _lay(image, figure, round(x) - figure[0].shape[1] // 2, round(y))
        if solid.sum() < 20:
            continue
        sizes.append(int(solid.sum()))
        owner[solid] = len(sizes)
        ys, xs = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
        boxes.append([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1])
    left = np.bincount(owner.ravel(), minlength=len(sizes) + 1)[1:]
    hidden = 1 - left / np.maximum(np.array(sizes), 1) if sizes else np.zeros(0)
    share = np.concatenate([_hidden(owner, scene.people), hidden])
    pasted = np.array(boxes, np.float64).reshape(-1, 4)
    return _sort_out(image, np.concatenate([scene.people, pasted]), scene.ignore, share)


@dataclass(slots=True)
class Material:
    """Everything scenes are made of."""

    real: list[Scene]
    empty: list[Image]
    garments: list[Image]
    cutouts: list[Cutout]

    def scene(self, rng: Rng) -> Scene:
        """A real picture."""
        return self.real[rng.integers(len(self.real))]

    def clothes(self, rng: Rng) -> Scene:
        """Clothes and nobody in them."""
        return Scene(self.garments[rng.integers(len(self.garments))])

    def sample(self, size: tuple[int, int], rng: Rng) -> Scene:
        """One training scene of ``size``: real, several real ones, only clothes, or composed."""
        kind = rng.random()
        if kind < 0.30:
            scene = window(self.scene(rng), size, rng)
        elif kind < 0.45:
            four = [self.scene(rng) if rng.random() < 0.8 else self.clothes(rng) for _ in range(4)]
            scene = mosaic(four, size, rng)
        elif kind < 0.53:
            count = int(rng.choice([1, 2, 4, 6]))
            scene = mosaic([self.clothes(rng) for _ in range(count)], size, rng)
        else:
            scene = paste(self.background(size, rng), self.cutouts, rng)
        if rng.random() < 0.5:
            scene = _flip(scene)
        return Scene(degrade(scene.rgb, rng, 0.5), scene.people, scene.ignore)

    def background(self, size: tuple[int, int], rng: Rng) -> Scene:
        """Somewhere to paste people: an empty place, clothes on hangers, a scene with people."""
        kind = rng.random()
        if kind < 0.5:
            return window(Scene(self.empty[rng.integers(len(self.empty))]), size, rng)
        if kind < 0.75:
            count = int(rng.choice([1, 2, 4]))
            return mosaic([self.clothes(rng) for _ in range(count)], size, rng)
        return window(self.scene(rng), size, rng)


def _flip(scene: Scene) -> Scene:
    width = scene.rgb.shape[1]

    def mirror(boxes: F64) -> F64:
        x0, y0, x1, y1 = boxes.T
        return np.stack([width - x1, y0, width - x0, y1], axis=1)

    rgb = np.ascontiguousarray(scene.rgb[:, ::-1])
    return Scene(rgb, mirror(scene.people), mirror(scene.ignore))
