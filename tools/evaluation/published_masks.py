"""How well a pack outlines what is on pictures: parsers of garments, and who is in front."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines import Engine, Pack
from engines.packs import labels
from evaluation.whole_pictures import shown, stretched
from pipeline.tagging.packs.matting import Matting

#: Value of a mask where it is not known what a pixel shows.
UNKNOWN = 255

U8 = npt.NDArray[np.uint8]


def masked(data: Path) -> Iterator[tuple[Path, U8]]:
    """Each picture of a folder, and what its pixels show (h, w)."""
    for line in (data / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        mask = cv2.imread(str(data / row["mask"]), cv2.IMREAD_UNCHANGED)
        if mask is None or mask.ndim != 2:
            raise SystemExit(f"{data / row['mask']} is no picture of one channel")
        yield data / row["file"], np.asarray(mask, np.uint8)


def parsed(engine: Engine, pack: Pack, data: Path) -> dict[str, float]:
    """Right pixels, and IoU of each label over all pictures, as parsers are compared. Pixels whose
    name is none of the pack's labels are left out."""
    names = [label.name for label in labels(pack)]
    called = json.loads((data / "labels.json").read_text(encoding="utf-8"))
    if unknown := sorted(set(called) - set(names)):
        print(f"not among its labels: {', '.join(unknown)}")
    number = np.full(UNKNOWN + 1, -1)
    number[: len(called)] = [names.index(name) if name in names else -1 for name in called]
    counts = np.zeros((len(names), len(names)), np.int64)
    pictures = 0
    for path, mask in masked(data):
        found = shown(engine, pack, path)["labels"][0].astype(np.uint8)
        said = cv2.resize(found, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
        wanted = number[mask]
        known = wanted >= 0
        pairs = wanted[known] * len(names) + said[known]
        counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
        pictures += 1
    return {"pictures": pictures, **iou_figures(counts)}


def iou_figures(counts: npt.NDArray[np.int64]) -> dict[str, float]:
    """Of pixels by true label and by what was said of them: the share of right ones, and the mean
    IoU of the labels that are there."""
    right, there = np.diag(counts), counts.sum(axis=1) > 0
    if not there.any():
        raise SystemExit("no picture shows a label of the pack")
    either = counts.sum(axis=0) + counts.sum(axis=1) - right
    return {
        "labels": int(there.sum()),
        "pixel accuracy": float(right.sum() / counts.sum()),
        "mean IoU": float((right[there] / either[there]).mean()),
    }


def in_front(engine: Engine, pack: Pack, data: Path) -> dict[str, float]:
    """Mean IoU of what is in front, which is what a mask does not call 0, and of how many pictures
    the pipeline would believe the outline."""
    matting = Matting(engine, pack)
    each, believed = [], []
    for path, mask in masked(data):
        rgb = stretched(path, pack)
        chances = matting.chances(rgb)
        assert pack.tagger is not None
        said = cv2.resize(chances, mask.shape[::-1]) >= pack.tagger.least
        known, wanted = mask != UNKNOWN, mask > 0
        both, either = (said & wanted & known).sum(), ((said | wanted) & known).sum()
        each.append(float(both / either) if either else 1.0)
        believed.append(matting.outline(chances) is not None)
    sure = [iou for iou, yes in zip(each, believed, strict=True) if yes]
    return {
        "pictures": len(each),
        "mean IoU": float(np.mean(each)),
        "outlines believed": float(np.mean(believed)),
        "mean IoU of those": float(np.mean(sure)) if sure else float("nan"),
    }
