"""How well a pack does on labelled pictures, in the figures that published models are compared by.

``--data`` is a folder with pictures and one file: ``truth.jsonl``, a line a picture, ``{"file":
"a.jpg", "labels": ["coat"]}`` (a picture of a classifier or embedder has one label); or, for a
detector, ``instances.json`` as COCO has it, whose categories are called as the pack's labels are.
For what parses garments or tells who is in front a line names a mask, ``{"file": "a.jpg", "mask":
"a.png"}``: one channel, 0 the background, 255 unknown; what else the values mean is listed in
``labels.json``, by the pack's labels.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines import Engine, Pack, Packs, open_engine
from engines.boxes import overlaps
from engines.packs import open_packs
from engines.published.recipes import RECIPES
from evaluation.published_masks import in_front, parsed
from evaluation.whole_pictures import shown
from pipeline.cli.settings import PARSING
from pipeline.tagging.packs.outputs import boxes_found, label_scores
from pipeline.tagging.packs.vocabulary import Vocabulary

Figures = dict[str, float]
F64 = npt.NDArray[np.float64]
#: Overlaps at which COCO asks whether a box is right, and shares of what is there at which it reads
#: how many boxes are.
OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def measure(args: argparse.Namespace, packs: Packs) -> Figures:
    """The figures of ``--pack`` on ``--data``, beside what was published of it."""
    if not args.pack:
        raise SystemExit("name the pack with --pack")
    pack = open_packs(args.packs).find(args.pack)
    if pack.tagger is None and pack.task != PARSING:
        raise SystemExit(f"{pack.name} is no tagger")
    if recipe := RECIPES.get(pack.name):
        print(f"published: {recipe.targets}")
    with open_engine(pack, args.engine) as engine:
        if pack.tagger is None:
            return parsed(engine, pack, args.data)
        if pack.tagger.kind == "matting":
            return in_front(engine, pack, args.data)
        words = Vocabulary(pack, Path(args.labels) if args.labels else None)
        if pack.tagger.kind == "detector":
            return detected(engine, pack, words, args.data)
        rows = [json.loads(line) for line in (args.data / "truth.jsonl").open(encoding="utf-8")]
        answers = (shown(engine, pack, args.data / row["file"]) for row in rows)
        scores = np.concatenate([label_scores(answer, pack, words) for answer in answers])
    names = words.names
    truth = np.array([[name in row["labels"] for name in names] for row in rows])
    if pack.tagger.kind == "tags":
        return tagged(scores.astype(np.float64), truth, names)
    return chosen(scores.astype(np.float64), truth)


def average_precision(scores: F64, truth: npt.NDArray[np.bool_]) -> float:
    """Mean precision at each right one, the surest first."""
    order = np.argsort(-scores, kind="stable")
    right = truth[order]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].mean()) if right.any() else float("nan")


def tagged(scores: F64, truth: npt.NDArray[np.bool_], names: Sequence[str]) -> Figures:
    """Mean of the labels' average precision, of those that a picture has."""
    there = [i for i in range(len(names)) if truth[:, i].any()]
    if not there:
        raise SystemExit("no picture has a label of the pack")
    each = [average_precision(scores[:, i], truth[:, i]) for i in there]
    return {"pictures": len(scores), "labels": len(there), "mAP": float(np.mean(each))}


def chosen(scores: F64, truth: npt.NDArray[np.bool_]) -> Figures:
    """How often the surest label is right, and F1 weighted by how many pictures a label has."""
    wanted, said = truth.argmax(axis=1), scores.argmax(axis=1)
    known = truth.any(axis=1)
    wanted, said = wanted[known], said[known]
    if not len(wanted):
        raise SystemExit("no picture has a label of the pack")
    total = 0.0
    for label in np.unique(wanted):
        right = np.sum((said == label) & (wanted == label))
        every = np.sum(said == label) + np.sum(wanted == label)
        total += 2 * right / every * np.sum(wanted == label)
    return {
        "pictures": len(wanted),
        "accuracy": float(np.mean(wanted == said)),
        "weighted F1": float(total / len(wanted)),
    }


def detected(engine: Engine, pack: Pack, words: Vocabulary, data: Path) -> Figures:
    """COCO's mAP: the mean over labels and overlaps from 0.5 to 0.95."""
    found = json.loads((data / "instances.json").read_text(encoding="utf-8"))
    called = {row["id"]: row["name"] for row in found["categories"]}
    names = words.names
    if unknown := sorted(set(called.values()) - set(names)):
        print(f"not among its labels: {', '.join(unknown)}")
    truth: dict[tuple[int, int], list[F64]] = {}
    for row in found["annotations"]:
        if called[row["category_id"]] in names:
            x, y, w, h = row["bbox"]
            key = (row["image_id"], names.index(called[row["category_id"]]))
            truth.setdefault(key, []).append(np.array([x, y, x + w, y + h]))
    told: dict[int, list[tuple[float, int, F64]]] = {}
    for image in found["images"]:
        answer = shown(engine, pack, data / image["file_name"])
        [own] = boxes_found(answer, pack, words)
        sides = np.array([image["width"], image["height"]] * 2)
        for box, label, score in zip(own.boxes, own.labels, own.scores, strict=True):
            told.setdefault(int(label), []).append((float(score), image["id"], box * sides))
    labels = sorted({label for _, label in truth})
    if not labels:
        raise SystemExit("no picture has a box of a label of the pack")
    each = np.array([box_precision(told.get(label, []), truth, label) for label in labels])
    return {
        "pictures": len(found["images"]),
        "labels": len(labels),
        "mAP": float(each.mean()),
        "AP50": float(each[:, 0].mean()),
    }


def box_precision(
    told: Sequence[tuple[float, int, F64]],
    truth: dict[tuple[int, int], list[F64]],
    label: int,
) -> F64:
    """Average precision of a label's boxes at each overlap, as COCO interpolates it."""
    own = {image: np.array(boxes) for (image, other), boxes in truth.items() if other == label}
    count = sum(map(len, own.values()))
    ordered = sorted(told, key=lambda one: -one[0])
    found = np.zeros(len(OVERLAPS))
    for k, least in enumerate(OVERLAPS):
        taken = {image: np.zeros(len(boxes), bool) for image, boxes in own.items()}
        right = np.zeros(len(ordered))
        for i, (_, image, box) in enumerate(ordered):
            if image not in own:
                continue
            both = np.where(taken[image], -1.0, overlaps(own[image], box[None])[0][:, 0])
            best = int(both.argmax())
            if both[best] >= least:
                taken[image][best] = True
                right[i] = 1
        hits = np.cumsum(right)
        precision = hits / np.arange(1, len(right) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(hits / count, RECALLS, side="left")
        found[k] = np.mean([precision[i] if i < len(precision) else 0.0 for i in at])
    return found
