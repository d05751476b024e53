"""How many people are found, and how many that are none."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from training.detection_figures import Curve, Looked, curve
from training.garment_data import Image
from training.people_data import F64, Scene, coco_scene, coco_split, labelled_frames
from training.people_teacher import Find

from engines import Engine, Pack, Packs, open_engine
from evaluation.stills import still
from pipeline.flow.pace import Pace
from pipeline.people.detect import DetectStage, PersonSettings
from pipeline.people.zones import Zones
from pipeline.settings.section import Fixed

HAND_LABELS = Path(__file__).parent.parent.parent / "tests" / "data" / "people"
#: People lower than this in a COCO picture scaled to 640 are neither wanted nor punished.
LEAST_HEIGHT = 32.0


def detector(model: tuple[Engine, Pack], settings: PersonSettings) -> DetectStage:
    """The pipeline's detection stage, as it is for a camera without areas."""
    return DetectStage(model, Fixed(settings), Pace().budget, Fixed(Zones()))


def finder(model: tuple[Engine, Pack], settings: PersonSettings) -> Find:
    """The pipeline's detection stage as a function of an RGB picture."""
    stage = detector(model, settings)

    def find(rgb: Image) -> tuple[F64, F64]:
        found = stage.detect([still(rgb)])[0]
        boxes = np.array([d.box for d in found], np.float64).reshape(-1, 4)
        return boxes, np.array([d.score for d in found], np.float64)

    return find


def coco_scenes(root: Path, seed: int, every: bool) -> list[Scene]:
    """COCO pictures held back from training; small people are ignored."""
    train, held = coco_split(root, seed)
    scenes = []
    for stem in sorted(train + held) if every else held:
        scene = coco_scene(root, stem)
        people = scene.people
        tall = (people[:, 3] - people[:, 1]) * 640 / max(scene.rgb.shape[:2]) >= LEAST_HEIGHT
        scenes.append(Scene(scene.rgb, people[tall], people[~tall]))
    return scenes


def looked(find: Find, scenes: list[Scene]) -> Curve:
    return curve([Looked(*find(s.rgb), s.people, s.ignore) for s in scenes])


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Average precision and recall at precision 0.95, IoU 0.5."""
    settings = PersonSettings(score=0.02, keep_score=0.02)
    pack = packs.find(args.model or settings.model)
    sets = {"COCO pictures": coco_scenes(args.data / "coco_train128", args.seed, args.all)}
    for clip in args.clips:
        sets[clip.name] = list(labelled_frames(HAND_LABELS / f"{clip.stem}.json", clip))
    figures: dict[str, float] = {}
    with open_engine(pack, args.engine) as engine:
        find = finder((engine, pack), settings)
        for name, scenes in sets.items():
            result = looked(find, scenes)
            recall, score = result.recall_at(0.95)
            figures[f"{name}: pictures"] = len(scenes)
            figures[f"{name}: people"] = result.people
            figures[f"{name}: AP50"] = result.average_precision()
            figures[f"{name}: recall at precision 0.95"] = recall
            figures[f"{name}: score to ask for that"] = score
            default = PersonSettings().score
            taken = int((result.scores >= default).sum())
            if taken:
                figures[f"{name}: precision at score {default}"] = float(
                    result.precision[taken - 1]
                )
                figures[f"{name}: recall at score {default}"] = float(result.recall[taken - 1])
    return figures
