"""Made scenes whose sizes are known: objects on a moving belt, seen by a camera with a real lens.

The belt and all that lies on it is painted once, flat, at a fine scale. Each picture is what a
camera sees of it: every pixel is sent back through the lens onto the plane, at twice the
resolution, and averaged. Objects have textures and shadows; their axes are arcs and waves of known
length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.measures.plane import Lens, PlaneSettings

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
#: Painted pixels per cm.
SCALE = 24.0
#: Belt in view: cm across the picture and down, the static frame beside it included.
VIEW = (120.0, 66.0)
RAIL = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera with a lens, looking at the plane z = 0."""

    matrix: Points
    distortion: Points
    rotation: Points
    translation: Points
    size: tuple[int, int]

    def project(self, points: Points) -> Points:
        """Pixels (N, 2) of points (N, 3) in cm."""
        found, _ = cv2.projectPoints(
            np.asarray(points, float), self.rotation, self.translation, self.matrix, self.distortion
        )
        return np.asarray(found, float).reshape(-1, 2)

    @property
    def lens(self) -> Lens:
        return Lens(
            focal=(float(self.matrix[0, 0]), float(self.matrix[1, 1])),
            centre=(float(self.matrix[0, 2]), float(self.matrix[1, 2])),
            distortion=tuple(float(v) for v in self.distortion),
        )

    def plane(self, x: float, y: float, w: float, h: float, error_px: float = 0.3) -> PlaneSettings:
        """The calibration by a rectangle that lies at x, y."""
        ground = np.array([[x, y, 0], [x + w, y, 0], [x + w, y + h, 0], [x, y + h, 0]], float)
        corners = tuple((float(a), float(b)) for a, b in self.project(ground))
        return PlaneSettings(
            picture=self.size, corners=corners, size_cm=(w, h), error_px=error_px, lens=self.lens
        )


def camera_at(
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    focal: float,
    size: tuple[int, int],
    distortion: tuple[float, ...] = (-0.12, 0.03, 0.0005, -0.0004, 0.0),
) -> Camera:
    """An upright camera at ``eye`` (cm, z up from the plane) that looks at ``target``."""
    forward = np.array(target, float) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    rotation = np.stack([right, down, forward])
    matrix = np.array([[focal, 0, size[0] / 2 - 7.5], [0, focal, size[1] / 2 + 5.5], [0, 0, 1.0]])
    return Camera(
        matrix,
        np.array(distortion),
        np.asarray(cv2.Rodrigues(rotation)[0], float),
        -rotation @ np.array(eye, float),
        size,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """An object on the belt: its axis, half widths along it, and its true length in cm.

    ``group`` is shared by those that overlap.
    """

    axis: Points
    radii: npt.NDArray[np.float64]
    length: float
    colour: tuple[int, int, int]
    texture: int
    group: int

    @property
    def outline(self) -> Points:
        step = np.gradient(self.axis, axis=0)
        step /= np.hypot(*step.T)[:, None]
        across = np.stack([-step[:, 1], step[:, 0]], 1) * self.radii[:, None]
        return np.concatenate([self.axis + across, (self.axis - across)[::-1]])


def thing(
    rng: np.random.Generator, at: tuple[float, float], length: float, group: int, turn: float
) -> Thing:
    """An object around a place: bar, spindle or fish, straight, bent or waved."""
    s = np.linspace(0, 1, 400)
    bend = rng.choice([0.0, rng.uniform(-1.6, 1.6)])
    wave = rng.choice([0.0, rng.uniform(-0.5, 0.5)])
    heading = turn + bend * (s - 0.5) + wave * np.sin(2 * np.pi * s)
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * (length / (len(s) - 1))
    axis = np.concatenate([[[0.0, 0.0]], np.cumsum((steps[:-1] + steps[1:]) / 2, 0)])
    axis += np.array(at) - (axis.min(0) + axis.max(0)) / 2
    half = length * rng.uniform(0.055, 0.1)
    kind = rng.integers(3)
    if kind == 0:
        radii = np.full(len(s), half)
    elif kind == 1:
        radii = half * np.sqrt(np.maximum(1 - (2 * s - 1) ** 2, 0))
    else:
        body = np.sqrt(np.clip(s / 0.3, 0, 1)) * (1 - 0.45 * np.clip((s - 0.3) / 0.7, 0, 1))
        radii = half * body
    colour = tuple(int(v) for v in rng.integers(20, 120, 3))
    return Thing(axis, radii, length, colour, int(rng.integers(4)), group)  # type: ignore[arg-type]


class BeltScene:
    """A belt of some length with objects on it.

    Args:
        overlap: share of the objects that another one is laid across.
        gap: cm between objects that do not overlap.
    """

    def __init__(
        self,
        seed: int,
        camera: Camera,
        length: float = 360.0,
        overlap: float = 0.0,
        empty: float = 0,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.camera, self.length = camera, length
        self.things = self._lay(overlap, empty)
        self._paint()
        self._look()

    def _lay(self, overlap: float, empty: float) -> list[Thing]:
        """Objects side by side in lanes, tried until they keep apart, some with one laid across."""
        rng, found, taken = (
            self.rng,
            [],
            np.zeros((int(VIEW[1] * 2), int(self.length * 2)), np.uint8),
        )  # half a cm a cell
        taken[: int((RAIL + 1) * 2)] = taken[-int((RAIL + 1) * 2) :] = 1
        for _ in range(900):
            length = float(np.exp(rng.uniform(np.log(10), np.log(60))))
            at = (rng.uniform(empty, self.length), rng.uniform(RAIL, VIEW[1] - RAIL))
            turn = rng.uniform(-0.5, 0.5) if length > 35 else rng.uniform(-np.pi, np.pi)
            one = [thing(rng, at, length, len(found), turn)]
            if rng.random() < overlap / 2:
                place = one[0].axis[rng.integers(60, 340)] + rng.normal(0, 1.0, 2)
                other = thing(
                    rng, tuple(place), rng.uniform(10, 35), len(found), rng.uniform(-3, 3)
                )
                if _touch(one[0], other):
                    one.append(other)
            mask = np.zeros_like(taken)
            for part in one:
                cv2.fillPoly(mask, [np.round(part.outline * 2).astype(np.int32)], 1)
            ends = np.concatenate([part.outline for part in one])
            inside = (ends > [empty + 1, RAIL + 1]).all() and (
                ends < [self.length - 1, VIEW[1] - RAIL - 1]
            ).all()
            wide = cv2.dilate(mask, np.ones((5, 5), np.uint8))
            if inside and not (wide & taken).any():
                taken |= mask
                found += one
        return found

    def _paint(self) -> None:
        rng = self.rng
        size = (int(VIEW[1] * SCALE), int(self.length * SCALE))
        base = rng.normal(0, 3, (size[0] // 8, size[1] // 8, 1)).astype(np.float32)
        belt = cv2.resize(base, size[::-1], interpolation=cv2.INTER_CUBIC)[..., None]
        belt = np.clip(np.array([196, 200, 204], np.float32) + belt, 0, 255).astype(np.uint8)
        shade = np.zeros(size, np.uint8)
        for one in self.things:
            moved = (one.outline + np.array([0.7, 0.9])) * SCALE
            cv2.fillPoly(shade, [np.round(moved).astype(np.int32)], 255)
        shade = cv2.GaussianBlur(shade, (0, 0), 0.35 * SCALE)
        belt = (belt * (1 - 0.28 * (shade[..., None] / np.float32(255)))).astype(np.uint8)
        for one in self.things:
            self._paint_thing(belt, one)
        self._belt = belt

    def _paint_thing(self, belt: Image, one: Thing) -> None:
        outline = np.round(one.outline * SCALE * 16).astype(np.int32)
        x0, y0 = np.floor(one.outline.min(0) * SCALE).astype(int) - 2
        x1, y1 = np.ceil(one.outline.max(0) * SCALE).astype(int) + 2
        y, x = np.mgrid[y0:y1, x0:x1] / SCALE
        waves = [
            np.zeros_like(x),
            np.sin(4.0 * x + 1.3 * y),
            np.sin(3.0 * x) * np.sin(3.4 * y),
            self.rng.normal(0, 0.6, x.shape),
        ]
        colour = np.array(one.colour) + 18 * waves[one.texture][..., None]
        mask = np.zeros(x.shape, np.uint8)
        cv2.fillPoly(mask, [outline - np.array([x0, y0]) * 16], 1, shift=4)
        np.copyto(
            belt[y0:y1, x0:x1], np.clip(colour, 0, 255).astype(np.uint8), where=mask[..., None] == 1
        )

    def _look(self) -> None:
        """Where on the plane each (half) pixel of the picture looks."""
        width, height = self.camera.size
        x, y = np.meshgrid(np.arange(2 * width) / 2 - 0.25, np.arange(2 * height) / 2 - 0.25)
        pixels = np.stack([x.ravel(), y.ravel()], 1).reshape(-1, 1, 2)
        rays = cv2.undistortPoints(pixels, self.camera.matrix, self.camera.distortion)
        rotation = cv2.Rodrigues(self.camera.rotation)[0]
        columns = np.stack([rotation[:, 0], rotation[:, 1], self.camera.translation], 1)
        plane = (
            np.hstack([rays.reshape(-1, 2), np.ones((len(pixels), 1))]) @ np.linalg.inv(columns).T
        )
        plane = (plane[:, :2] / plane[:, 2:]).reshape(2 * height, 2 * width, 2)
        self._x, self._y = plane[..., 0].astype(np.float32), plane[..., 1].astype(np.float32)
        rng = np.random.default_rng(5)
        rail = rng.integers(60, 110, (int(VIEW[1] + 40), int(VIEW[0] + 80), 3)).astype(np.uint8)
        self._surround = cv2.remap(
            rail, self._x / 1.0 + 40, self._y + 20, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        self._beside = (self._y < RAIL) | (self._y > VIEW[1] - RAIL)

    def picture(self, offset: float) -> Image:
        """RGB (H, W, 3) with the belt moved on by ``offset`` cm, with a sensor's noise."""
        x = (self._x + np.float32(offset)) * np.float32(SCALE) - np.float32(0.5)
        y = self._y * np.float32(SCALE) - np.float32(0.5)
        seen = cv2.remap(self._belt, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen[self._beside] = self._surround[self._beside]
        out = cv2.resize(seen, self.camera.size, interpolation=cv2.INTER_AREA)
        noise = np.random.default_rng(int(offset * 100)).normal(0, 1.5, out.shape)
        return np.clip(out + noise, 0, 255).astype(np.uint8)

    def seen(self, offset: float) -> list[tuple[Thing, Points]]:
        """The objects and their outlines in the picture, in pixels."""
        found = []
        for one in self.things:
            flat = one.outline - [offset, 0]
            found.append((one, self.camera.project(np.hstack([flat, np.zeros((len(flat), 1))]))))
        return found


def _touch(one: Thing, other: Thing) -> bool:
    """Whether two objects overlap, by some but not most of either."""
    low = np.minimum(one.outline.min(0), other.outline.min(0))
    masks = []
    for part in (one, other):
        mask = np.zeros((400, 400), np.uint8)
        cv2.fillPoly(mask, [np.round((part.outline - low) * 5).astype(np.int32)], 1)
        masks.append(mask)
    both = int((masks[0] & masks[1]).sum())
    return 8 < both < 0.5 * min(int(mask.sum()) for mask in masks)


def belt_camera(size: tuple[int, int] = (1920, 1080)) -> Camera:
    """A camera above the belt, tilted a little."""
    return camera_at(
        (VIEW[0] / 2 + 4, VIEW[1] / 2 + 22, 150.0),
        (VIEW[0] / 2, VIEW[1] / 2, 0.0),
        2450.0 * size[0] / 1920,
        size,
    )


def encoded(path: Path, pictures: Iterator[Image], rate: int = 15, crf: int = 20) -> None:
    """Write RGB pictures as H.264 video."""
    with av.open(str(path), "w") as out:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = out.add_stream("libx264", rate=rate)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf), "preset": "veryfast"}
                stream.thread_count = 1
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode())
