"""Planes, masks and made scenes for the tests of sizes."""

from __future__ import annotations

import json
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


#: Of the pictures in AutoFish's layout.
FISH_SIZE = (640, 480)
#: Of a pixel.
FISH_CM = 0.05


def polygon(mask: Mask, at: tuple[int, int]) -> list[list[float]]:
    fine = mask.repeat(8, 0).repeat(8, 1)
    [contour, *_], _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [((contour.reshape(-1, 2) + 0.5) / 8 + np.array(at)).ravel().tolist()]


def runs(mask: Mask, at: tuple[int, int]) -> dict[str, list[int]]:
    """COCO's run lengths, not compressed: column by column, beginning with what is not there."""
    whole = np.zeros((FISH_SIZE[1], FISH_SIZE[0]), np.uint8)
    whole[at[1] : at[1] + mask.shape[0], at[0] : at[0] + mask.shape[1]] = mask
    flat = whole.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, len(flat)]).tolist()
    return {"size": [FISH_SIZE[1], FISH_SIZE[0]], "counts": counts}


def packed(counts: list[int]) -> str:
    """Run lengths as COCO packs them into text."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | (32 if more else 0)) + 48)
    return text


def autofish(folder: Path, groups: tuple[int, ...] = (2, 3, 10), painted: bool = False) -> Path:
    """A folder in AutoFish's layout: groups of sixty pictures, a few of them listed: fish lie apart
    on picture 1 and across each other on picture 41. ``painted``: the pictures are there, too."""
    for group in groups:
        (folder / f"group_{group:02d}").mkdir(parents=True)
        images, annotations = [], []
        for number in (1, 41):
            belt = np.full((FISH_SIZE[1], FISH_SIZE[0], 3), 210, np.uint8)
            image_id = group * 100 + number
            images.append(
                {
                    "id": image_id, "width": FISH_SIZE[0], "height": FISH_SIZE[1],
                    "file_name": f"group_{group:02d}/{number:05d}.png",
                }
            )  # fmt: skip
            for i, turn in enumerate((0.0, 0.4, 1.2)):
                length = 120 + 40 * i + group
                at = (160.0 + 160 * i, 240.0) if number == 1 else (320.0, 240.0)
                mask, place = bar(length, 24, turn, at)
                h, w = mask.shape
                belt[place[1] : place[1] + h, place[0] : place[0] + w][mask > 0] = 40 + 30 * i
                shape = runs(mask, place) if i == 1 else polygon(mask, place)
                if i == 2:
                    found = runs(mask, place)
                    shape = {**found, "counts": packed(found["counts"])}
                annotations.append(
                    {
                        "id": len(annotations) + 1 + image_id * 10, "image_id": image_id,
                        "category_id": 1, "segmentation": shape, "iscrowd": 0,
                        "bbox": [*place, *mask.shape[::-1]], "area": int(mask.sum()),
                        "length": length * FISH_CM, "fish_id": group * 10 + i, "side_up": "L",
                        "group": group,
                    }
                )  # fmt: skip
            if painted:
                cv2.imwrite(str(folder / images[-1]["file_name"]), belt)
        content = {
            "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cod"}]
        }  # fmt: skip
        file = folder / f"group_{group:02d}" / "annotations.json"
        file.write_text(json.dumps(content))
    return folder
