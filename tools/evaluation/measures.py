"""Lengths of objects on a plane, in any folder of pictures labelled as COCO JSON with ``length``.

What is compared is never of a group that the scale is taken from. Without ``--plane``, one scale,
cm per pixel, is fitted on the other groups; with it, lengths are of the calibrated plane alone.
With ``--pack``, the regression of ``threadline teach --target length`` stands beside that.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engines import EngineError, Pack, Packs
from engines.base import EngineOptions
from engines.ort import open as open_model
from engines.packs import PackError, open_packs, read_pack, verify
from engines.teach.lengths import TESTED, parts_of
from engines.teach.lesson import TeachError
from pipeline.errors import SourceRefusedError
from pipeline.models.measured import Labelled, crop_of, labelled
from pipeline.picture.still import load_image
from pipeline.settings.file import load
from pipeline.tagging.measures.plane import Plane, PlaneSettings
from pipeline.tagging.measures.shape import measure
from pipeline.types import Rgb


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


def folder_figures(
    folder: Path, plane_file: Path | None = None, pack: Pack | None = None
) -> dict[str, float]:
    """Mean absolute errors in cm on the test groups, all and by occlusion: of lengths by mask and
    calibration and, if there is a pack, of those that its regression tells of the same objects."""
    settings = None if plane_file is None else _calibrated(plane_file)
    rows = []
    for one in labelled(folder):
        plane = flat(one.picture) if settings is None else Plane(settings, one.picture)
        rows.append((one, length_of(one, plane)))
    tested = _tested([one for one, _ in rows])
    ratios = [one.length / px for (one, px), test in zip(rows, tested, strict=True)
              if px and not test and not one.occluded]  # fmt: skip
    scale = 1.0
    if settings is None:
        if not ratios:
            raise TeachError(f"{folder}: nothing without occlusion outside of the test groups")
        scale = float(np.median(ratios))
    figures: dict[str, float] = {} if settings is not None else {"cm per pixel": scale}
    test = [(one, px) for (one, px), wanted in zip(rows, tested, strict=True) if wanted]
    objects = [one for one, _ in test]
    figures |= errors_of(objects, [px and px * scale for _, px in test])
    if pack is not None:
        told = regressed(objects, pack)
        figures |= {f"regression, {what}": n for what, n in errors_of(objects, told).items()}
    return figures


def errors_of(objects: Sequence[Labelled], told: Sequence[float | None]) -> dict[str, float]:
    """How many objects have a length, and its mean absolute error in cm."""
    figures: dict[str, float] = {}
    for name, kept in (("all", (True, False)), ("separate", (False,)), ("occluded", (True,))):
        own = [(one, cm) for one, cm in zip(objects, told, strict=True) if one.occluded in kept]
        errors = [abs(cm - one.length) for one, cm in own if cm]
        figures[f"{name}: objects"] = len(own)
        figures[f"{name}: without a length"] = len(own) - len(errors)
        if errors:
            figures[f"{name}: mean absolute error, cm"] = float(np.mean(errors))
    return figures


def _tested(objects: Sequence[Labelled]) -> list[bool]:
    """Which objects are tested on: as in a teaching of lengths, or, where there are too few groups
    for one, a fifth of the objects."""
    keys = [one.key for one in objects]
    if len(set(keys)) < 3:
        keys = [one.identity for one in objects]
    return [bool(part == TESTED) for part in parts_of(keys)]


def regressed(objects: Sequence[Labelled], pack: Pack) -> list[float | None]:
    """Lengths in cm by a pack that was taught them; ``None`` where there is no picture.

    Raises:
        PackError: it tells no lengths.
    """
    if pack.task != "length":
        raise PackError(f"pack '{pack.name}': tells no lengths; threadline teach --target length")
    found: list[float | None] = []
    last: tuple[Path, Rgb] | None = None
    with open_model(verify(pack), EngineOptions()) as engine:
        for one in objects:
            try:
                if last is None or last[0] != one.file:
                    last = (one.file, np.ascontiguousarray(load_image(one.file)[..., ::-1]))
                crop = crop_of(last[1], one, pack.size[0])
            except SourceRefusedError:
                found.append(None)
                continue
            box = np.array([one.box], np.float32)
            found.append(float(engine.infer({"images": crop[None], "boxes": box})["length"][0]))
    return found


def _pack(name: str) -> Pack:
    """A pack by its name or folder."""
    return read_pack(Path(name)) if Path(name).is_dir() else open_packs().find(name)


def evaluate(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """The table of ``tools/evaluate.py measures``."""
    try:
        return folder_figures(args.data, args.plane, _pack(args.pack) if args.pack else None)
    except EngineError as error:
        raise SystemExit(str(error)) from None
