"""How many people are found, and how many that are none, on pictures no training has seen."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from training.detection_figures import Looked, curve
from training.garment_data import Image, person_box, read_rgb, split_ids
from training.people_data import F64, Scene, coco_scene, coco_split, labelled_frames
from training.people_teacher import Find
from training.type_data import held_types

from engines import Engine, Pack, Packs, open_engine
from engines.boxes import overlaps
from evaluation.stills import still
from pipeline.flow.pace import Pace
from pipeline.people.detect import DetectStage, PersonSettings
from pipeline.people.zones import Zones
from pipeline.settings.section import Fixed

HAND_LABELS = Path(__file__).parent.parent.parent / "tests" / "data" / "people"
#: People lower than this in a COCO picture scaled to 640 are neither wanted nor punished.
LEAST_HEIGHT = 32.0
#: Photos of clothes that nobody wears; all of them were looked at.
CLOTHES = 150


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


def street_scenes(root: Path, seed: int) -> list[Scene]:
    """Street photos held back from the garment parser as well: the person of the mask."""
    scenes = []
    for name in split_ids(root, seed)[1]:
        rgb = read_rgb(root / "photos" / f"{name}.jpg")
        mask = cv2.imread(str(root / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        if rgb is None or mask is None or mask.shape != rgb.shape[:2]:
            continue
        scenes.append(Scene(rgb, person_box(np.asarray(mask))[None]))
    return scenes


def clothes(root: Path, seed: int) -> list[Scene]:
    """Photos of clothes that nobody wears."""
    photos = (read_rgb(root / "images" / f"{n}.jpg") for n in held_types(root, seed)[:CLOTHES])
    return [Scene(rgb) for rgb in photos if rgb is not None]


def looked(find: Find, scenes: list[Scene]) -> list[Looked]:
    return [Looked(*find(s.rgb), s.people, s.ignore) for s in scenes]


def held_back(data: Path, seed: int) -> frozenset[str]:
    """Pictures that are measured on, as ``folder/name``; none of them may be learnt from."""
    _, coco = coco_split(data / "coco_train128", seed)
    _, street = split_ids(data / "street_fashion", seed)
    flat = held_types(data / "clothing", seed)[:CLOTHES]
    names = {"coco_train128": coco, "street_fashion": street, "clothing": flat}
    return frozenset(f"{folder}/{name}" for folder, some in names.items() for name in some)


def without_passers_by(look: Looked) -> Looked:
    """Only what is found in the person or is that person: nobody labelled those behind."""
    iou, share = (table.max(axis=1) for table in overlaps(look.found, look.people))
    own = (iou >= 0.5) | (share >= 0.8)
    return Looked(look.found[own], look.scores[own], look.people, look.ignore)


def figures_of(name: str, looks: list[Looked]) -> dict[str, float]:
    """Average precision, recall at precision 0.95, and both at the default score."""
    result, default = curve(looks), PersonSettings().score
    recall, score = result.recall_at(0.95)
    figures: dict[str, float] = {
        f"{name}: pictures": len(looks),
        f"{name}: people": result.people,
        f"{name}: AP50": result.average_precision(),
        f"{name}: recall at precision 0.95": recall,
        f"{name}: score to ask for that": score,
    }
    taken = int((result.scores >= default).sum())
    if taken:
        figures[f"{name}: precision at score {default}"] = float(result.precision[taken - 1])
        figures[f"{name}: recall at score {default}"] = float(result.recall[taken - 1])
    return figures


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Average precision and recall at precision 0.95, IoU 0.5; and who is found in clothes."""
    settings = PersonSettings(score=0.02, keep_score=0.02)
    pack = packs.find(args.model or settings.model)
    sets = {"COCO pictures": coco_scenes(args.data / "coco_train128", args.seed, args.all)}
    for clip in args.clips:
        sets[clip.name] = list(labelled_frames(HAND_LABELS / f"{clip.stem}.json", clip))
    figures: dict[str, float] = {}
    with open_engine(pack, args.engine) as engine:
        find = finder((engine, pack), settings)
        for name, scenes in sets.items():
            figures |= figures_of(name, looked(find, scenes))
        street = looked(find, street_scenes(args.data / "street_fashion", args.seed))
        figures |= figures_of("street photos", [without_passers_by(look) for look in street])
        least = PersonSettings().score
        empty = looked(find, clothes(args.data / "clothing", args.seed))
        found = sum(bool((look.scores >= least).any()) for look in empty)
        figures["clothes nobody wears: pictures"] = len(empty)
        figures[f"clothes nobody wears: somebody found at score {least}"] = found / len(empty)
    return figures
