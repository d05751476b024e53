"""Measure `threadline tag` on the validation street photos: person detector, crop, parsing, paste.

    python tools/evaluate.py --data ../shared/data/street_fashion

Needs the ``train`` extra (for the split alone).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.training import garment_data, garments, report
from pipeline.cli import main as threadline
from pipeline.garments import NO_GARMENT


def tag_photos(photos: list[Path], out: Path, engine: str) -> None:
    """Run the command itself, as a user would."""
    sys.argv = ["threadline", "tag", *map(str, photos), "--out", str(out), "--masks"]
    sys.argv += ["--engine", engine]
    try:
        threadline()
    except SystemExit as done:
        if done.code:
            raise


def micro_f1(pairs: Iterable[tuple[set[str], set[str]]]) -> float:
    """Micro-averaged F1 of (predicted, true) tag sets."""
    hits = wrong = missed = 0
    for predicted, true in pairs:
        hits += len(predicted & true)
        wrong += len(predicted - true)
        missed += len(true - predicted)
    return 2 * hits / max(2 * hits + wrong + missed, 1)


def measure(root: Path, out: Path) -> dict[str, Any]:
    """Compare what was written with the true masks."""
    train, held, names = garments.load_split(root, 0)
    mapping = json.loads((root / "fashionpedia_map.json").read_text())
    records = [json.loads(line) for line in (out / "tags.jsonl").read_text().splitlines()]

    def written(photo: garments.Photo) -> Any:
        return cv2.imread(str(out / "masks" / f"{photo.id}.png"), cv2.IMREAD_UNCHANGED)

    counts = garments.confusion(held, len(names), written)
    fine, coarse = [], []
    for photo, record in zip(held, records, strict=True):
        worn = {names[i] for i in np.unique(photo.mask)} - NO_GARMENT
        said = {tag["label"] for tag in record["tags"]}
        fine.append((said, worn))
        coarse.append(({mapping[n] for n in said} - {None}, {mapping[n] for n in worn} - {None}))
    frequency = report.photos_per_label([photo.mask for photo in train], len(names))
    figures = report.figures(counts, names, [mapping[n] for n in names], frequency)
    return {
        "photos": len(held),
        "photos with exactly one person found": sum(len(r["persons"]) == 1 for r in records),
        "pixel accuracy, 59 labels": figures.accuracy,
        "pixel accuracy, Fashionpedia categories": figures.category_accuracy,
        "mean garment recall": figures.recall,
        "tag micro-F1, fine labels": micro_f1(fine),
        "tag micro-F1, Fashionpedia categories": micro_f1(coarse),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/street_fashion"))
    parser.add_argument("--engine", default="auto")
    args = parser.parse_args()
    ids = garment_data.split_ids(args.data, 0)[1]
    with tempfile.TemporaryDirectory() as folder:
        photos = [args.data / "photos" / f"{i}.jpg" for i in ids]
        tag_photos(photos, Path(folder), args.engine)
        result = measure(args.data, Path(folder))
    print("| what | value |\n|---|---|")
    for name, value in result.items():
        print(f"| {name} | {value if isinstance(value, int) else format(value, '.4f')} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
