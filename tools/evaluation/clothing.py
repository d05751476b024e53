"""The classifier of single garments on photos of single garments."""

from __future__ import annotations

import argparse

import numpy as np
from training.tag_figures import expected_calibration_error
from training.type_data import SIDE, load_types

from engines import Packs, open_engine
from engines.teach.views import square

#: The largest classes, on which the figure is compared with others.
LARGEST = 10


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Accuracy among the ten largest types, among all, and calibration."""
    train, held, names = load_types(args.data / "clothing", args.seed)
    photos = train + held if args.all else held
    pack = packs.find(args.model or "garment-types-lite0")
    with open_engine(pack, args.engine) as engine:
        scores = np.concatenate(
            [engine.infer({"images": square(g.rgb, SIDE)[None]})["scores"].copy() for g in photos]
        )
    kinds = np.array([g.kind for g in photos])
    large = kinds < LARGEST
    said = scores.argmax(axis=1)
    among = scores[large, :LARGEST].argmax(axis=1)
    figures: dict[str, float] = {
        "photos": len(photos),
        f"photos of the {LARGEST} largest types": int(large.sum()),
        f"accuracy, {LARGEST} largest types, choosing among them": float(
            np.mean(among == kinds[large])
        ),
        f"accuracy, {LARGEST} largest types, choosing among all {len(names)}": float(
            np.mean(said[large] == kinds[large])
        ),
        f"accuracy, all {len(names)} types": float(np.mean(said == kinds)),
        "expected calibration error": expected_calibration_error(scores.max(axis=1), said == kinds),
    }
    for i, name in enumerate(names):
        if (kinds == i).any():
            figures[f"recall, {name}"] = float(np.mean(said[kinds == i] == i))
    return figures
