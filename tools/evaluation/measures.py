"""Lengths of objects on a plane, in any folder of pictures labelled as COCO JSON with ``length``.

The layout is that of AutoFish: every annotation has ``length`` in cm, and its ``group`` (or its
image has, or its folder is named after it): what is compared is never of a group that the scale is
taken from. Without ``--plane``, one scale, cm per pixel, is fitted on the training groups; with it,
lengths are of the calibrated plane alone.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from engines import Packs
from pipeline.settings.file import load
from pipeline.tagging.measures.plane import Plane, PlaneSettings
from pipeline.tagging.measures.shape import measure

Mask = npt.NDArray[np.uint8]
#: Groups that AutoFish's authors test on, and choose regressions by.
TEST = frozenset({10, 14, 20, 21, 22})
VALIDATION = frozenset({1, 6, 11, 17, 25})
#: Pictures of a group from this one on show its fish overlapping.
_TOGETHER = 41
_PER_GROUP = 60
#: How much finer polygons are filled.
_FINE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One labelled object.

    Attributes:
        mask: (h, w) of 0 and 1, all of its pieces.
        at: x, y of the mask's first pixel.
        length: true length in cm.
        occluded: others hide or touch it, as far as is known.
    """

    mask: Mask
    at: tuple[int, int]
    length: float
    group: int
    identity: str
    occluded: bool
    picture: tuple[int, int]


def labelled(folder: Path) -> Iterator[Labelled]:
    """All objects with a mask and a length in a folder's COCO files.

    Raises:
        SystemExit: there is none, or a file is broken.
    """
    found = 0
    for file in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise SystemExit(f"{file}: cannot be read: {error}") from None
        if not isinstance(content, dict) or "annotations" not in content:
            continue
        for one in _of_file(content, file):
            found += 1
            yield one
    if not found:
        raise SystemExit(f"{folder}: no COCO JSON file with masks and `length` in it")


def _of_file(content: Mapping[str, Any], file: Path) -> Iterator[Labelled]:
    images = {image["id"]: image for image in content.get("images", ())}
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    for image_id, own in by_image.items():
        image = images.get(image_id)
        if image is None:
            raise SystemExit(f"{file}: annotations of image {image_id}, which is not listed")
        size = (int(image["width"]), int(image["height"]))
        masks = [mask_of(one.get("segmentation"), size) for one in own]
        near = [None if mask is None else _occupied(*mask) for mask in masks]
        for i, (annotation, mask) in enumerate(zip(own, masks, strict=True)):
            if mask is None or not annotation.get("length"):
                continue
            group = _group(annotation, image, file)
            occluded = _listed(image, group)
            if occluded is None:
                occluded = any(
                    j != i and other is not None and _touch(near[i], other)
                    for j, other in enumerate(near)
                )
            identity = str(annotation.get("fish_id", annotation.get("id")))
            yield Labelled(*mask, float(annotation["length"]), group, identity, occluded, size)


def mask_of(segmentation: Any, size: tuple[int, int]) -> tuple[Mask, tuple[int, int]] | None:
    """A mask and where it begins, of COCO polygons or run lengths (compressed or not)."""
    if not segmentation:
        return None
    whole = np.zeros((size[1], size[0]), np.uint8)
    if isinstance(segmentation, Mapping):
        height, width = segmentation["size"]
        counts = segmentation["counts"]
        runs = _unpacked(counts) if isinstance(counts, str) else list(counts)
        values = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
        whole = np.ascontiguousarray(values.reshape(width, height).T)
    else:
        for polygon in segmentation:
            _fill(whole, np.array(polygon, float).reshape(-1, 2))
    x, y, w, h = cv2.boundingRect(whole)
    return (whole[y : y + h, x : x + w].copy(), (x, y)) if w and h else None


def _fill(mask: Mask, corners: npt.NDArray[np.float64]) -> None:
    """Fill a polygon, whose corners count from the edges of pixels. OpenCV fills every pixel that
    an edge touches; so it is done at a finer scale, and pixels more than half full count."""
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, None)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, mask.shape[::-1])
    if (high <= low).any():
        return
    w, h = (int(v) for v in high - low)
    fine = np.zeros((h * _FINE, w * _FINE), np.uint8)
    cv2.fillPoly(fine, [np.round((corners - low) * _FINE - 0.5).astype(np.int32)], 255)
    part = cv2.resize(fine, (w, h), interpolation=cv2.INTER_AREA) > 127
    mask[low[1] : high[1], low[0] : high[0]] |= part.view(np.uint8)


def _unpacked(text: str) -> list[int]:
    """Run lengths of COCO's compressed text: five bits a character, differences to the last but
    one."""
    runs: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            at, shift = at + 1, shift + 5
            if not more and bits & 16:
                value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _group(annotation: Mapping[str, Any], image: Mapping[str, Any], file: Path) -> int:
    for place in (annotation, image):
        if "group" in place:
            return int(re.sub(r"\D", "", str(place["group"])) or 0)
    for name in (str(image.get("file_name", "")), str(file)):
        match = re.search(r"group[_-]?(\d+)", name)
        if match:
            return int(match.group(1))
    return 0


def _listed(image: Mapping[str, Any], group: int) -> bool | None:
    """Whether a group's fish overlap in a picture by its number; ``None`` in other collections."""
    match = re.fullmatch(r"0*(\d+)", Path(str(image.get("file_name", ""))).stem)
    if not group or match is None or not 1 <= int(match.group(1)) <= _PER_GROUP:
        return None
    return int(match.group(1)) >= _TOGETHER


def _occupied(mask: Mask, at: tuple[int, int]) -> tuple[Mask, tuple[int, int]]:
    wide = cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    return cv2.dilate(wide, np.ones((5, 5), np.uint8)), (at[0] - 2, at[1] - 2)


def _touch(one: tuple[Mask, tuple[int, int]] | None, other: tuple[Mask, tuple[int, int]]) -> bool:
    if one is None:
        return False
    (a, (ax, ay)), (b, (bx, by)) = one, other
    x0, y0 = max(ax, bx), max(ay, by)
    x1, y1 = min(ax + a.shape[1], bx + b.shape[1]), min(ay + a.shape[0], by + b.shape[0])
    if x0 >= x1 or y0 >= y1:
        return False
    shared = a[y0 - ay : y1 - ay, x0 - ax : x1 - ax] & b[y0 - by : y1 - by, x0 - bx : x1 - bx]
    return bool(shared.any())


def length_of(one: Labelled, plane: Plane) -> float | None:
    """An object's length in cm by its mask; of several pieces, the largest is taken."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(one.mask)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    found = measure((labels == largest).astype(np.uint8), one.at, plane)
    return None if found is None else found.length_cm


def flat(picture: tuple[int, int], cm_per_px: float = 1.0) -> Plane:
    """A plane seen straight from above."""
    w, h = picture
    corners = ((0.0, 0.0), (float(w), 0.0), (float(w), float(h)), (0.0, float(h)))
    size = (w * cm_per_px, h * cm_per_px)
    return Plane(PlaneSettings(picture=picture, corners=corners, size_cm=size, error_px=0), picture)


def _calibrated(path: Path) -> PlaneSettings:
    config = load(path)
    for camera in config.cameras:
        plane = config.section_of(camera, "measures").plane
        if plane is not None:
            return plane  # type: ignore[no-any-return]
    raise SystemExit(f"{path}: no camera with a calibrated plane")


def folder_figures(folder: Path, plane_file: Path | None = None) -> dict[str, float]:
    """Mean absolute errors in cm on the test groups, all and by occlusion."""
    settings = None if plane_file is None else _calibrated(plane_file)
    rows = []
    for one in labelled(folder):
        plane = flat(one.picture) if settings is None else Plane(settings, one.picture)
        rows.append((one, length_of(one, plane)))
    tested = [one.group in TEST for one, _ in rows]
    if not any(tested) or all(tested):  # no groups of AutoFish's: a fifth of the identities
        tested = [hash_share(one.identity) < 0.2 for one, _ in rows]
    ratios = [one.length / px for (one, px), test in zip(rows, tested, strict=True)
              if px and not test and not one.occluded]  # fmt: skip
    scale = 1.0
    if settings is None:
        if not ratios:
            raise SystemExit(f"{folder}: nothing without occlusion outside of the test groups")
        scale = float(np.median(ratios))
    figures: dict[str, float] = {} if settings is not None else {"cm per pixel": scale}
    test = [(one, px) for (one, px), wanted in zip(rows, tested, strict=True) if wanted]
    for name, kept in (("all", (True, False)), ("separate", (False,)), ("occluded", (True,))):
        own = [(one, px) for one, px in test if one.occluded in kept]
        errors = [abs(px * scale - one.length) for one, px in own if px]
        figures[f"{name}: objects"] = len(own)
        figures[f"{name}: without a length"] = len(own) - len(errors)
        if errors:
            figures[f"{name}: mean absolute error, cm"] = float(np.mean(errors))
    return figures


def hash_share(identity: str) -> float:
    """A number from 0 to 1, always the same for an identity."""
    value = 2166136261
    for byte in identity.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return (value * 2654435761 % 2**32) / 2**32


def evaluate(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """The table of ``tools/evaluate.py measures``."""
    return folder_figures(args.data, args.plane)
