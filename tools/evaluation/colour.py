"""Colours, sleeves and hems said against those read from the true masks."""

from __future__ import annotations

import argparse
import json
from collections import Counter

import cv2
import numpy as np
import numpy.typing as npt
from training import garments
from training.garment_data import Photo, crop_window, person_box, take_window

from engines import Packs, open_engine
from engines.packs import labels
from pipeline.picture.colour import SECOND, colour_map, colour_names, evenly_lit
from pipeline.tagging.garments.attributes import attributes, body_of
from pipeline.tagging.garments.tagger import GarmentSettings
from pipeline.tagging.parsing import cells_of, large_pieces

#: Cells a garment must have in both masks to be compared.
LEAST_CELLS = 20


def made_light(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A table (1, 256, 3) of coloured light, for one picture in three strongly coloured."""
    gains = np.exp(rng.normal(0, 0.045 + 0.13 * (rng.random() < 0.35), 3))
    table = np.clip(np.arange(256)[:, None] * (gains / gains.mean()), 0, 255)
    return table.astype(np.uint8)[None]


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """What is read from the parser's mask of each garment category against the true mask."""
    root = args.data / "street_fashion"
    train, held, names = garments.load_split(root, args.seed)
    photos: list[Photo] = train + held if args.all else held
    mapping = json.loads((root / "fashionpedia_map.json").read_text())
    pack = packs.find(args.model or GarmentSettings().model)
    known = labels(pack)
    tally: Counter[str] = Counter()
    rng = np.random.default_rng(args.seed)
    with open_engine(pack, args.engine) as engine:
        for photo in photos:
            crop, mask = take_window(photo, crop_window(person_box(photo.mask)))
            found = engine.infer({"images": crop[None]})["labels"][0]
            small = cv2.resize(crop, found.shape[::-1], interpolation=cv2.INTER_AREA)
            colours = colour_map(np.asarray(small, np.uint8))
            true = mask[::2, ::2] * (mask[::2, ::2] < len(names))
            light = cv2.LUT(small, made_light(rng))
            lit, plain = colour_map(evenly_lit(light)), colour_map(evenly_lit(small))
            bodies = body_of(found.astype(np.uint8), known), body_of(true, known)
            for category in {c for c in mapping.values() if c}:
                members = [i for i, label in enumerate(known) if label.category == category]
                ours, theirs = (large_pieces(cells_of(m, members)) for m in (found, true))
                if min(ours.sum(), theirs.sum()) < LEAST_CELLS:
                    continue
                said, right = colour_names(colours, ours), colour_names(colours, theirs)
                tally["lit"] += 1
                tally["lit same"] += colour_names(lit, theirs)[0][0] == right[0][0]
                tally["plain same"] += colour_names(plain, theirs)[0][0] == right[0][0]
                alike = (ours & theirs).sum() / (ours | theirs).sum() >= 0.5
                tally["all"] += 1
                tally["outlined"] += alike
                tally["same"] += said[0][0] == right[0][0]
                tally["outlined same"] += alike and said[0][0] == right[0][0]
                tally["among"] += said[0][0] in {name for name, _ in right}
                tally["outlined among"] += alike and said[0][0] in {name for name, _ in right}
                read = [
                    dict(attributes(body, part, category)) if body else {}
                    for body, part in zip(bodies, (ours, theirs), strict=True)
                ]
                for kind in ("sleeve", "length"):
                    if alike and kind in read[0] and kind in read[1]:
                        tally[kind] += 1
                        tally[f"{kind} same"] += read[0][kind] == read[1][kind]
    every, outlined = max(tally["all"], 1), max(tally["outlined"], 1)
    figures = {
        "garments found": tally["all"],
        "same first colour": tally["same"] / every,
        f"first colour has a share of {SECOND} or more": tally["among"] / every,
        "garments outlined with IoU 0.5 or more": tally["outlined"],
        "outlined: same first colour": tally["outlined same"] / outlined,
        f"outlined: first colour has a share of {SECOND} or more": tally["outlined among"]
        / outlined,
    }
    figures["garments seen in made light, the light's colour taken out"] = tally["lit"]
    figures["the same: same first colour"] = tally["lit same"] / max(tally["lit"], 1)
    figures["the same without made light"] = tally["plain same"] / max(tally["lit"], 1)
    for kind in ("sleeve", "length"):
        figures[f"outlined: garments with a {kind}"] = tally[kind]
        figures[f"outlined: same {kind}"] = tally[f"{kind} same"] / max(tally[kind], 1)
    return figures
