"""``threadline tag`` on street photos: pixels, tags, calibration, and the same seen from afar."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from training import garments, report
from training.bagless import bagless_people
from training.garment_data import Image, Photo, person_box
from training.people_data import coco_split
from training.tag_figures import expected_calibration_error, micro_f1

from engines import Pack, Packs
from evaluation import pictures
from evaluation.command import tagged_files
from evaluation.stills import still
from pipeline.models.opening import EngineSettings, Models
from pipeline.tagging.garments.parser import NO_GARMENT, GarmentParser
from pipeline.tagging.garments.parts import COVERS
from pipeline.tagging.garments.tagger import GarmentSettings

#: Height in pixels of a person before a simulated store camera.
FAR = 128
BAG = "bag, wallet"
#: Score from which a garment counts as sure.
SURE = 0.5


@dataclass(frozen=True, slots=True)
class Said:
    """What the command wrote for one photo."""

    record: dict[str, Any]
    mask: Image


def far_camera(photo: Photo) -> Image:
    """The photo as a compressed camera sees a walking person 128 px tall, BGR."""
    box = person_box(photo.mask)
    scale = min(FAR / (box[3] - box[1]), 1.0)
    bgr = cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2BGR)
    small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    moved = cv2.blur(small, (3, 1))
    _, packed = cv2.imencode(".jpg", moved, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def tag_photos(
    photos: list[Photo], view: Callable[[Photo], Image], engine: str, pack: Pack
) -> list[Said]:
    """Run the command itself, as a user would, on one view of each photo."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        files = []
        for photo in photos:
            files.append(Path(folder) / f"{photo.id}.png")
            cv2.imwrite(str(files[-1]), view(photo))
        records = tagged_files(files, engine, pack, out, masks=True)
        masks = [
            np.asarray(cv2.imread(str(out / "masks" / f"{p.id}.png"), cv2.IMREAD_UNCHANGED))
            for p in photos
        ]
        return [Said(r, m) for r, m in zip(records, masks, strict=True)]


def tag_pairs(
    photos: list[Photo], said: list[Said], names: list[str], mapping: dict[str, str | None]
) -> tuple[list[tuple[set[str], set[str]]], list[tuple[set[str], set[str]]]]:
    """(said, true) sets of fine labels, and of categories."""
    fine, coarse = [], []
    for photo, one in zip(photos, said, strict=True):
        worn = {names[i] for i in np.unique(photo.mask)} - NO_GARMENT
        tags = one.record["tags"]
        labels = {t["label"] for t in tags if t["level"] == "fine"}
        groups = {t["category"] for t in tags} - {None}
        fine.append((labels, worn))
        coarse.append((groups, {mapping[n] for n in worn} - {None}))
    return fine, coarse


def calibration(
    photos: list[Photo], said: list[Said], names: list[str], mapping: dict[str, str | None]
) -> float:
    """Expected calibration error of the scores of everything that was said."""
    scores, right = [], []
    for photo, one in zip(photos, said, strict=True):
        worn = {names[i] for i in np.unique(photo.mask)}
        groups = {mapping[n] for n in worn}
        for tag in one.record["tags"]:
            scores.append(tag["score"])
            right.append(
                tag["label"] in worn if tag["level"] == "fine" else tag["category"] in groups
            )
    return expected_calibration_error(scores, right)


def sureness(
    photos: list[Photo], said: list[Said], names: list[str], mapping: dict[str, str | None]
) -> dict[str, float]:
    """Of how many garments of the upper and of the lower body the category is right, by score."""
    right: dict[str, list[bool]] = {}
    for photo, one in zip(photos, said, strict=True):
        groups = {mapping[names[i]] for i in np.unique(photo.mask)}
        for tag in one.record["tags"]:
            for part in COVERS.get(tag["category"] or "", ()) if tag["level"] != "part" else ():
                score = f"{part}s of {SURE} and more" if tag["score"] >= SURE else f"{part}s below"
                right.setdefault(score, []).append(tag["category"] in groups)
    return {
        name: value
        for score, hits in sorted(right.items())
        for name, value in ((score, len(hits)), (f"{score}: right", float(np.mean(hits))))
    }


def bags_seen(
    args: argparse.Namespace, names: list[str], packs: Packs, model: str
) -> dict[str, float]:
    """How many people of everyday pictures who carry no bag are said to, by their one crop."""
    coco = args.data / "coco_train128"
    if not coco.is_dir():
        return {}
    train, held = coco_split(coco, args.seed)
    least = GarmentSettings().vote.appear
    said = []
    with Models(EngineSettings(backend=args.engine), packs) as models:
        parser = GarmentParser(*models.open(model))
        stems = train + held if args.all else held
        for person in bagless_people(coco, stems, (), len(names)):
            [(_, evidence)] = parser.parse([(still(person.rgb), tuple(person.box))])
            said.append(any(t.category == BAG and t.score >= least for t in evidence))
    return {
        "people without a bag (COCO)": len(said),
        "the same: said to carry one": float(np.mean(said)),
    }


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Pixel accuracy, recall, tag F1, calibration error, and what a far camera costs."""
    root = args.data / "street_fashion"
    train, held, names = garments.load_split(root, args.seed)
    photos = train + held if args.all else held
    mapping = json.loads((root / "fashionpedia_map.json").read_text())
    categories = [mapping[n] for n in names]
    seen = [photo.mask for photo in train]
    frequency = report.photos_per_label(seen, len(names))
    frequent = {n for n, count in zip(names, frequency, strict=True) if count >= 20}

    pack = packs.find(args.model or GarmentSettings().model)
    said = tag_photos(photos, lambda p: cv2.cvtColor(p.rgb, cv2.COLOR_RGB2BGR), args.engine, pack)
    masks = {photo.id: one.mask for photo, one in zip(photos, said, strict=True)}
    counts = garments.confusion(photos, len(names), lambda photo: masks[photo.id])
    groups = report.photos_per_category(seen, categories)
    figures = report.figures(counts, names, categories, frequency, groups)
    fine, coarse = tag_pairs(photos, said, names, mapping)
    frequent_fine = [(a & frequent, b & frequent) for a, b in fine]
    far = tag_photos(photos, far_camera, args.engine, pack)
    _, far_coarse = tag_pairs(photos, far, names, mapping)
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
        pictures.confusion(counts, names, categories, args.pictures / "confusion.png")
        pictures.bars(figures.recalls, args.pictures / "label-recall.png")
    return {
        "photos": len(photos),
        "photos with exactly one person found": sum(len(s.record["persons"]) == 1 for s in said),
        "pixel accuracy, 59 labels": figures.accuracy,
        "pixel accuracy, Fashionpedia categories": figures.category_accuracy,
        "mean garment recall": figures.recall,
        "mean garment recall, Fashionpedia categories": figures.category_recall,
        "tag micro-F1, fine labels of at least 20 training photos": micro_f1(frequent_fine),
        "tag micro-F1, all fine labels": micro_f1(fine),
        "tag micro-F1, Fashionpedia categories": micro_f1(coarse),
        "expected calibration error of tags": calibration(photos, said, names, mapping),
        **sureness(photos, said, names, mapping),
        "far camera: tag micro-F1, Fashionpedia categories": micro_f1(far_coarse),
        "far camera: loss": micro_f1(coarse) - micro_f1(far_coarse),
        **{f"far camera: {k}": v for k, v in sureness(photos, far, names, mapping).items()},
        **bags_seen(args, names, packs, pack.name),
    }
