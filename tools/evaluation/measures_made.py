"""Sizes on made scenes, where the truth is known: the whole way from encoded video to tags."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines import Packs
from engines.boxes import iou_matrix
from evaluation.belt_scenes import BeltScene, Camera, belt_camera, encoded
from evaluation.floor_scenes import SIZE, body, floor_camera, parsed, walk
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.tagging.measures.board import Board, lens_of, plane_of_board
from pipeline.tagging.measures.height import height_of
from pipeline.tagging.measures.people import lengths
from pipeline.tagging.measures.plane import Plane, along, plane_of_rectangle
from pipeline.tagging.measures.scene import Scene
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.types import Box, Frame, Tag

#: Scenes that nothing was tuned on.
SEEDS = (101, 102, 103)
#: Pictures of a clip, frames a second, and cm that the belt moves between two.
FRAMES = 34
RATE = 10
STEP = 7.0
#: Overlap from which a tag's box is that of a thing or of several that overlap.
_SAME = 0.7


@dataclass(slots=True)
class Tally:
    """What tags said, against the truth.

    Attributes:
        errors: relative error of the length, by the tag's number, of its last report.
        together: of tags of several things, how many were marked, and how many were not.
    """

    errors: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, float] = field(default_factory=dict)
    marked: int = 0
    missed: int = 0
    alone_marked: int = 0
    alone: int = 0


def frames_of(path: Path) -> Iterator[Frame]:
    with open_source(CameraSettings(url=str(path))) as source:
        yield from source


def _box(points: npt.NDArray[np.float64]) -> Box:
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def judge(tally: Tally, tags: tuple[Tag, ...], scene: BeltScene, offset: float, name: str) -> None:
    """Compare the tags of one picture with what was painted there."""
    groups: dict[int, list[tuple[float, npt.NDArray[np.float64]]]] = {}
    width, height = scene.camera.size
    for thing, outline in scene.seen(offset):
        groups.setdefault(thing.group, []).append((thing.length, outline))
    truth = [
        (members, _box(np.concatenate([outline for _, outline in members])))
        for members in groups.values()
    ]
    truth = [
        (members, box) for members, box in truth
        if box[0] > 3 and box[1] > 3 and box[2] < width - 3 and box[3] < height - 3
    ]  # fmt: skip
    if not truth or not tags:
        return
    overlap = iou_matrix([tag.box for tag in tags], [box for _, box in truth])
    for i, tag in enumerate(tags):
        j = int(overlap[i].argmax())
        known = dict(tag.attributes)
        members = truth[j][0]
        if overlap[i, j] < _SAME:
            continue
        marked = known["state"] != "whole"
        if len(members) > 1:
            tally.marked += marked
            tally.missed += not marked
        else:
            tally.alone += 1
            tally.alone_marked += marked
        if not marked and "length_cm" in known:
            longest = max(length for length, _ in members)
            target = tally.wrong if len(members) > 1 else tally.errors
            target[f"{name} {tag.label}"] = float(known["length_cm"]) / longest - 1


def belt(folder: Path, seed: int, overlap: float, tally: Tally) -> tuple[float, float]:
    """One made clip, encoded and measured; CPU seconds a picture, and objects in it (means)."""
    camera = belt_camera()
    scene = BeltScene(seed, camera, overlap=overlap)
    path = folder / f"belt{seed}-{overlap}.mp4"
    offsets = [STEP * i for i in range(FRAMES)]
    encoded(path, (scene.picture(offset) for offset in offsets), RATE)
    settings = MeasureSettings(
        enabled=True, plane=camera.plane(30, 20, 60, 25), learn_s=1.2, every_s=0.01
    )
    assert settings.plane is not None
    watched = Scene(Plane(settings.plane, camera.size), settings, camera.size)
    spent, counts = [], []
    for frame, offset in zip(frames_of(path), offsets, strict=True):
        began = time.process_time()
        tags = watched.look(frame)
        if tags:
            spent.append(time.process_time() - began)
            counts.append(len(tags))
        judge(tally, tags, scene, offset, path.stem)
    return float(np.median(spent)), float(np.mean(counts))


def badly_drawn(seed: int, wrong: float, draws: int = 120) -> tuple[float, float]:
    """Relative error of lengths across the belt where the rectangle is drawn ``wrong`` by a share
    of its mean side: what happened, and what was reported, both root mean square."""
    rng = np.random.default_rng(seed)
    camera = replace(belt_camera(), distortion=np.zeros(5))
    true = camera.plane(30, 20, 60, 25)
    side = along(np.array([*true.corners, true.corners[0]])) / 4
    happened, told = [], []
    for _ in range(draws):
        drawn = np.array(true.corners) + rng.normal(0, wrong * side, (4, 2))
        corners = tuple((float(x), float(y)) for x, y in drawn)
        plane = Plane(plane_of_rectangle(corners, (60, 25), camera.size, wrong), camera.size)
        for _ in range(6):
            ends = rng.uniform((20, 15), (100, 50), (2, 2))
            length = float(np.hypot(*(ends[0] - ends[1])))
            if length < 8:
                continue
            seen = camera.project(np.hstack([ends, np.zeros((2, 1))]))
            found, error = plane.with_error(seen, along)
            happened.append(found / length - 1)
            told.append(error / found)
    return _rms(happened), _rms(told)


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _drawn(camera: Camera, rng: np.random.Generator, wrong: float, lens: bool) -> Plane:
    """A rectangle of 200 x 300 cm on the floor, drawn by hand."""
    ground = np.array([[-100, -100, 0], [100, -100, 0], [100, 200, 0], [-100, 200, 0]], float)
    seen = camera.project(ground)
    seen += rng.normal(0, wrong * along(np.concatenate([seen, seen[:1]])) / 4, seen.shape)
    seen = np.clip(seen, 0, SIZE)
    corners = tuple((float(x), float(y)) for x, y in seen)
    known = camera.lens if lens else None
    return Plane(plane_of_rectangle(corners, (200, 300), SIZE, wrong, known), SIZE)


def heights(seed: int, lens: bool, people: int = 60) -> dict[str, float]:
    """Heights of people on made floors by the median over a walk, corners drawn wrong by 0.5 % of a
    side and boxes by 1 % of their height."""
    rng = np.random.default_rng(seed)
    errors, told, none = [], [], 0
    for _ in range(people):
        camera = floor_camera(rng)
        try:
            plane = _drawn(camera, rng, 0.005, lens)
        except ValueError:  # the rectangle is not in view
            continue
        height = rng.uniform(150, 198)
        boxes = walk(rng, camera, height, 24, 0.01)
        found = [one for box in boxes if (one := height_of(plane, box)) is not None]
        if len(found) < 3:
            none += 1
            continue
        errors.append(abs(float(np.median([one.cm for one in found])) / height - 1))
        told.append(float(np.median([one.error_cm for one in found])) / height)
    return {"people": len(errors), "none told": none, "error": float(np.mean(errors)),
            "90 %": float(np.quantile(errors, 0.9)), "told": float(np.mean(told))}  # fmt: skip


def garment_lengths(seed: int, looks: int = 120) -> dict[str, float]:
    """Lengths of garments on made people, one look each, the lens known: corners drawn wrong by
    0.5 % of a side, boxes by 1 % of their height."""
    rng = np.random.default_rng(seed)
    errors, told, none = [], [], 0
    for _ in range(looks):
        camera = floor_camera(rng)
        height, at = rng.uniform(150, 198), rng.uniform(-100, 150, 2)
        facing = rng.uniform(-0.6, 0.6)
        seen = camera.project(body(height, at, facing, 0.0))
        (x0, y0), (x1, y1) = seen.min(0), seen.max(0)
        if min(x0, y0) < 10 or x1 > SIZE[0] - 10 or y1 > SIZE[1] - 10:
            continue
        x0, y0, x1, y1 = np.array([x0, y0, x1, y1]) + rng.normal(0, 0.01 * (y1 - y0), 4)
        try:
            plane = _drawn(camera, rng, 0.005, True)
        except ValueError:  # the rectangle is not in view
            continue
        parsing, truth = parsed(camera, height, at, facing, (x0, y0, x1, y1))
        found = lengths(parsing, (x0, y0, x1, y1), plane)
        none += len(truth) - len(found)
        errors += [one.cm - truth[name] for name, one in found.items()]
        told += [one.error_cm for one in found.values()]
    return {"garments": len(errors), "none told": none, "error, cm": float(np.abs(errors).mean()),
            "bias, cm": float(np.mean(errors)), "root mean square, cm": _rms(errors),
            "told, cm": _rms(told)}  # fmt: skip


def squares(files: list[Path]) -> dict[str, float]:
    """Sides of a chessboard's squares against each other in pictures of one camera: mean deviation
    from their mean, the lens told from all pictures but the one that is measured."""
    board = Board(9, 6, 1.0)
    found = []
    for file in files:
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        view = None if grey is None else board.find(np.asarray(grey, np.uint8))
        if view is not None:
            found.append((view, (int(grey.shape[1]), int(grey.shape[0]))))
    if len(found) < 5:
        return {}
    errors = []
    for i, (view, size) in enumerate(found):
        lens = lens_of([other for j, (other, _) in enumerate(found) if j != i], size)
        plane = Plane(plane_of_board(view, size, lens), size)
        grid = plane.to_ground(view[0]).reshape(6, 9, 2)
        sides = [np.linalg.norm(np.diff(grid, axis=axis), axis=2).ravel() for axis in (0, 1)]
        every = np.concatenate(sides)
        errors.append(float(np.abs(every / every.mean() - 1).mean()))
    return {"pictures": len(found), "error": float(np.mean(errors)), "worst picture": max(errors)}


def evaluate(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """The table of ``tools/evaluate.py measures-made``; ``--clips`` names chessboard pictures."""
    figures: dict[str, float] = {}
    apart, together, spent, counts = Tally(), Tally(), [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            seconds, count = belt(Path(folder), seed, 0.0, apart)
            spent.append(seconds)
            counts.append(count)
            belt(Path(folder), seed + 100, 0.8, together)
    figures |= belt_figures(apart, together)
    figures["CPU milliseconds a picture"] = 1000 * float(np.mean(spent))
    figures["objects in it"] = float(np.mean(counts))
    happened, told = badly_drawn(7, 0.01)
    figures |= {"corners wrong by 1 %: error": happened, "the same: reported": told}
    for name, lens in (("lens known", True), ("lens unknown", False)):
        figures |= {f"heights, {name}: {key}": value for key, value in heights(9, lens).items()}
    figures |= {f"garments: {key}": value for key, value in garment_lengths(11).items()}
    if args.clips:
        figures |= {f"squares: {key}": value for key, value in squares(args.clips).items()}
    return figures


def belt_figures(apart: Tally, together: Tally) -> dict[str, float]:
    """Errors of lengths as shares, and how well overlaps are marked."""
    errors = np.abs(list(apart.errors.values()))
    reported = np.abs([*together.errors.values(), *together.wrong.values()])
    return {
        "apart: objects": len(errors),
        "apart: mean absolute error of the length": float(errors.mean()),
        "apart: largest": float(errors.max()),
        "apart: looks wrongly marked": apart.alone_marked / max(apart.alone, 1),
        "overlapping: objects reported": len(reported),
        "overlapping: mean absolute error of those": float(reported.mean()),
        "overlapping: looks at several": together.marked + together.missed,
        "overlapping: of those marked": together.marked / max(together.marked + together.missed, 1),
    }
