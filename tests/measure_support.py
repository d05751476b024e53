"""Planes, masks and made scenes for the tests of sizes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from evaluation.belt_scenes import BeltScene, Camera, belt_camera, encoded

from pipeline.tagging.measures.plane import Plane, plane_of_rectangle

Mask = npt.NDArray[np.uint8]
SIZE = (960, 540)
#: Pictures of the made clip, frames a second, and cm the belt moves between two.
FRAMES = 22
RATE = 10
STEP = 9.0


def flat(cm_per_px: float = 0.1, wrong: float = 0.0) -> Plane:
    """A plane seen straight from above, in pictures of 800 x 600."""
    corners = ((100.0, 100.0), (700.0, 100.0), (700.0, 500.0), (100.0, 500.0))
    size = (600 * cm_per_px, 400 * cm_per_px)
    return Plane(plane_of_rectangle(corners, size, (800, 600), wrong), (800, 600))


def band(axis: npt.NDArray[np.float64], radius: float) -> tuple[Mask, tuple[int, int]]:
    """A mask of a band around an axis (N, 2) in pixels, its ends square, and where it begins."""
    step = np.gradient(axis, axis=0)
    step /= np.hypot(*step.T)[:, None]
    across = np.stack([-step[:, 1], step[:, 0]], 1) * radius
    outline = np.concatenate([axis + across, (axis - across)[::-1]])
    x, y = (np.floor(outline.min(0)) - 2).astype(int)
    w, h = (np.ceil(outline.max(0)) + 3).astype(int) - (x, y)
    fine = np.zeros((h * 8, w * 8), np.uint8)  # polygons are filled a pixel too large
    cv2.fillPoly(fine, [np.round((outline - (x, y) + 0.5) * 8 - 0.5).astype(np.int32)], 255)
    mask = (cv2.resize(fine, (w, h), interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    return mask, (int(x), int(y))


def bar(
    length: float, width: float, turn: float, at: tuple[float, float] = (400.0, 300.0)
) -> tuple[Mask, tuple[int, int]]:
    """A straight bar, in pixels."""
    along = np.linspace(-length / 2, length / 2, 100)[:, None] * [[np.cos(turn), np.sin(turn)]]
    return band(np.array(at) + along, width / 2)


def arc(length: float, width: float, bend: float) -> tuple[Mask, tuple[int, int]]:
    """A bar bent by an angle, in pixels."""
    s = np.linspace(0, 1, 200)
    heading = bend * (s - 0.5)
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * length / (len(s) - 1)
    axis = np.concatenate([[[0.0, 0.0]], np.cumsum((steps[:-1] + steps[1:]) / 2, 0)])
    return band(axis + np.array([250, 280]), width / 2)


@lru_cache(maxsize=2)
def small_scene(overlap: float = 0.0) -> BeltScene:
    """A belt in small pictures."""
    return BeltScene(31, belt_camera(SIZE), length=340.0, overlap=overlap)


def camera() -> Camera:
    return belt_camera(SIZE)


@lru_cache(maxsize=1)
def belt_clip(folder: Path) -> Path:
    """A clip of the belt, encoded."""
    scene = small_scene()
    path = folder / "belt.mp4"
    encoded(path, (scene.picture(STEP * i) for i in range(FRAMES)), RATE)
    return path
