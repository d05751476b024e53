"""The shipped scorer of outfits on people of the street photos it has not learnt from."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from training import outfits
from training.outfit_data import Person, street_people
from training.outfit_scorer import SEED
from training.outfit_street import split
from training.outfits import F64, Outfit

from engines import EngineOptions, Packs, open_engine
from engines.nets.efficientnet_lite import EMBEDDING
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.tagger import GarmentSettings
from pipeline.tagging.outfits.items import Item
from pipeline.tagging.outfits.scorer import Scorer

#: Outfits that time is measured on.
_TIMED = 200


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """The table of ``tools/evaluate.py outfits``."""
    pack = packs.find(args.model or GarmentSettings().model)

    def nothing(images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), EMBEDDING), np.float16)

    with open_engine(pack, args.engine, EngineOptions()) as engine:
        parser = GarmentParser(engine, pack)
        people = list(street_people(args.data / "street_fashion", parser, nothing, 0))
    return figures(split(people, SEED).held, Scorer.load())


def figures(held: Sequence[Person], scorer: Scorer) -> dict[str, float]:
    """FITB and AUC with garments of the same category of other people; how often the garment that
    was swapped is the one said to fit least; and how long a judgement takes."""
    names = list(scorer.categories)
    known = [
        Outfit(np.array([names.index(name) for name in one.categories]), one.colours)
        for one in held
        if set(one.categories) <= set(names)
    ]
    rng = np.random.default_rng(1)
    swap = outfits.same_category(known)

    def items(one: Outfit) -> list[Item]:
        pairs = zip(one.kinds, one.items, strict=True)
        return [Item(names[kind], colours, 0) for kind, colours in pairs]

    def score(many: Sequence[Outfit]) -> F64:
        judged = [items(one) for one in many]
        return np.array([scorer.with_each(own[:-1], own[-1:])[0] for own in judged], float)

    asked = [one for _ in range(4) for one in outfits.questions(known, swap, rng)]
    named, chance = [], []
    for one in known:
        place = int(rng.integers(len(one.kinds)))
        verdict = scorer.judge(items(one.swapped(place, *swap(one, place, rng))))
        named.append(verdict is not None and verdict.least == place)
        chance.append(1 / len(one.kinds))
    timed = [items(one) for one in known[:_TIMED]]
    spent = []
    for own in timed:
        began = time.perf_counter()
        scorer.judge(own)
        spent.append(time.perf_counter() - began)
    return {
        "outfits": len(known),
        "FITB, same category": outfits.filled(score, asked),
        "AUC, one swapped, same category": outfits.told_apart(score, asked),
        "swapped garment named as fitting least": float(np.mean(named)),
        "the same by chance": float(np.mean(chance)),
        "milliseconds a person, median": 1000 * float(np.median(spent)),
    }
