"""Made people of known height on a floor: boxes around what a camera with a lens sees of them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.belt_scenes import Camera, camera_at
from pipeline.picture.crop import person_window
from pipeline.tagging.parsing import Parsing
from pipeline.types import Box

Points = npt.NDArray[np.float64]
SIZE = (1920, 1080)


def floor_camera(rng: np.random.Generator) -> Camera:
    """A camera under a ceiling, as in a shop."""
    return camera_at(
        (rng.uniform(-150, 150), -rng.uniform(380, 520), rng.uniform(240, 340)),
        (rng.uniform(-40, 40), rng.uniform(0, 120), rng.uniform(40, 100)),
        rng.uniform(1000, 1700),
        SIZE,
        (-rng.uniform(0, 0.15), 0.02, 0.0003, -0.0002, 0.0),
    )


def body(height: float, at: Points, facing: float, lean: float) -> Points:
    """Surface points (N, 3) of somebody: feet, legs, trunk and head as ellipsoids of the usual
    proportions."""
    parts = (  # middle and half axes, in heights: across, ahead, up
        ((0.055, 0.03, 0.022), (0.03, 0.075, 0.022)),
        ((-0.055, 0.03, 0.022), (0.03, 0.075, 0.022)),
        ((0.055, 0.0, 0.26), (0.04, 0.045, 0.25)),
        ((-0.055, 0.0, 0.26), (0.04, 0.045, 0.25)),
        ((0.0, 0.0, 0.65), (0.12, 0.075, 0.22)),
        ((0.0, 0.01, 0.93), (0.045, 0.055, 0.07)),
    )
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 24), np.linspace(0, np.pi, 13))
    ball = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)], -1).reshape(-1, 3)
    points = np.concatenate([np.array(m) + ball * np.array(half) for m, half in parts]) * height
    points[:, 1] += np.tan(lean) * points[:, 2]
    c, s = np.cos(facing), np.sin(facing)
    turned = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    return np.asarray(turned + np.array([*at, 0.0]))


def walk(
    rng: np.random.Generator, camera: Camera, height: float, looks: int, wrong: float
) -> list[Box]:
    """Boxes of somebody who walks through the picture, each edge ``wrong`` by a share of its height
    (standard deviation), those alone that show all of the body."""
    start, end = rng.uniform((-150, -150), (150, 250)), rng.uniform((-150, -150), (150, 250))
    found: list[Box] = []
    for share in np.linspace(0, 1, looks):
        at = start + share * (end - start)
        way = end - start
        facing = np.arctan2(-way[0], way[1]) + rng.normal(0, 0.2)
        seen = camera.project(body(height, at, facing, rng.normal(0, 0.015)))
        (x0, y0), (x1, y1) = seen.min(0), seen.max(0)
        if x0 < 10 or y0 < 10 or x1 > SIZE[0] - 10 or y1 > SIZE[1] - 10:
            continue
        e = rng.normal(0, wrong * (y1 - y0), 4)
        found.append((x0 + e[0], y0 + e[1], x1 + e[2], y1 + e[3]))
    return found


#: Garments of made people, in heights of the body: category, hem and top, and the half depth of the
#: body at both.
WORN = (
    ("pants", (0.06, 0.035), (0.5, 0.055)),
    ("top, t-shirt, sweatshirt", (0.5, 0.055), (0.82, 0.02)),
)


def parsed(
    camera: Camera, height: float, at: Points, facing: float, box: Box
) -> tuple[Parsing, dict[str, float]]:
    """What a parser would show of somebody upright in their box, and the true lengths of what they
    wear in cm, by tag: rings around the body at hem and top, what is between them filled."""
    window = person_window(box, (160, 320))
    labels = np.zeros((160, 80), np.uint8)
    scale = np.array([80 / (window[2] - window[0]), 160 / (window[3] - window[1])])
    u = np.linspace(0, 2 * np.pi, 40)
    c, s = np.cos(facing), np.sin(facing)
    for i, (_, *ends) in enumerate(WORN):
        rings = [np.stack([0.1 * np.cos(u), deep * np.sin(u), 0 * u + z], 1) for z, deep in ends]
        around = height * np.concatenate(rings) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
        seen = (camera.project(around + np.array([*at, 0.0])) - window[:2]) * scale
        hull = cv2.convexHull(seen.astype(np.float32)).reshape(-1, 2)
        cv2.fillConvexPoly(labels, np.round((hull - 0.5) * 16).astype(np.int32), i + 1, shift=4)
    names = (None, *(name for name, _, _ in WORN))
    parsing = Parsing(window, labels, np.ones(labels.shape, np.float32), names)
    return parsing, {f"{n} length": (top[0] - hem[0]) * height for n, hem, top in WORN}
