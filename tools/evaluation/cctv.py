"""``threadline tag`` on people of cameras that no training has seen, against PETA's labels.

The pictures are for measuring only: nothing that ships may be trained on them or fitted to them
(`tests/training/test_leaks.py`). Of four cameras, one is nearly grey, and the labels are noisy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from training.tag_figures import expected_calibration_error

from engines import Packs
from evaluation.command import tagged_files
from pipeline.picture.colour import BASIC
from pipeline.tagging.garments.tagger import GarmentSettings

Labels = frozenset[str]
#: What a tag calls an upper and a lower garment, and both in one.
ONE_PIECE = frozenset({"dress", "jumpsuit"})
UPPER = frozenset(
    {
        *("shirt, blouse", "top, t-shirt, sweatshirt", "sweater", "cardigan", "jacket", "coat"),
        *("vest", "cape", "upper garment"),
    }
)
LOWER = frozenset({"pants", "shorts", "skirt", "tights, stockings", "lower garment"})
#: PETA's types of an upper garment, and what a tag's label or category says of each.
UPPER_TYPES = {
    "t-shirt": ("upperBodyTshirt", ("t-shirt", "top")),
    "jacket": ("upperBodyJacket", ("jacket", "coat", "cape", "hoodie")),
    "suit": ("upperBodySuit", ("suit", "blazer")),
    "sweater": ("upperBodySweater", ("sweater", "jumper", "cardigan", "sweatshirt")),
}
#: The same of lower garments.
LOWER_TYPES = {
    "trousers": (("lowerBodyTrousers", "lowerBodySuits"), ("pants", "leggings")),
    "jeans": (("lowerBodyJeans",), ("jeans",)),
    "shorts": (("lowerBodyShorts", "lowerBodyHotPants"), ("shorts",)),
    "skirt": (("lowerBodyShortSkirt", "lowerBodyLongSkirt"), ("skirt", "dress", "romper")),
}
PATTERNS = {
    "plaid": ("upperBodyPlaid",),
    "striped": ("upperBodyThinStripes", "upperBodyThickStripes"),
    "printed": ("upperBodyLogo",),
}
BAGS = (
    *("carryingBackpack", "carryingMessengerBag", "carryingPlasticBags"),
    *("carryingSuitcase", "carryingLuggageCase"),
)
#: Categories whose tags are judged for calibration by a label of PETA.
WORN = {"hat": ("accessoryHat",), "scarf": ("accessoryMuffler",), "bag, wallet": BAGS}
HEIGHTS = ((0, 150), (150, 200), (200, 10000))


@dataclass(frozen=True, slots=True)
class Person:
    """One picture: its labels, and the tags reported of who stands in its middle."""

    camera: str
    height: int
    labels: Labels
    tags: tuple[dict[str, Any], ...]

    def garment(self, groups: Iterable[str]) -> dict[str, Any] | None:
        """The surest tag of some categories."""
        among = set(groups)
        found = [t for t in self.tags if t["category"] in among or t["label"] in among]
        return max(found, key=lambda tag: tag["score"], default=None)

    @property
    def upper(self) -> dict[str, Any] | None:
        return self.garment(UPPER) or self.garment(ONE_PIECE)

    @property
    def lower(self) -> dict[str, Any] | None:
        return self.garment(LOWER) or self.garment(ONE_PIECE)

    def any_of(self, labels: Iterable[str]) -> bool:
        return bool(self.labels.intersection(labels))


def own_tags(record: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Garment tags of the person nearest to the middle of a picture (or of the whole picture)."""
    middle = record["width"] / 2

    def away(person: dict[str, Any]) -> float:
        box = person["box"]
        return abs((box[0] + box[2]) / 2 - middle) - 0.25 * (box[3] - box[1])

    nearest = min(record["persons"], key=away, default={"track_id": None})
    return tuple(
        tag
        for tag in record["tags"]
        if tag["kind"] == "garment" and tag["track_id"] == nearest["track_id"]
    )


def _colour(tag: dict[str, Any] | None) -> str | None:
    return BASIC[tag["colours"][0]] if tag and tag["colours"] else None


def true_colours(labels: Labels, part: str) -> set[str]:
    """Basic colour names of a part of the body (``upperBody``, ``lowerBody``) by PETA's labels."""
    return {name for name in set(BASIC.values()) if f"{part}{name.capitalize()}" in labels}


def colours(people: Sequence[Person], part: str) -> dict[str, float]:
    """How often the first colour is one of the true ones: over people, and over colours."""
    right, by_name = [], {}
    for person in people:
        true = true_colours(person.labels, part)
        if not true:
            continue
        hit = _colour(person.upper if part == "upperBody" else person.lower) in true
        right.append(hit)
        for name in true:
            by_name.setdefault(name, []).append(hit)
    if not right:
        return {}
    balanced = [np.mean(hits) for hits in by_name.values() if len(hits) >= 5]
    name = "upper colour" if part == "upperBody" else "lower colour"
    return {
        f"{name} right": float(np.mean(right)),
        f"{name} right, balanced": float(np.mean(balanced)) if balanced else float("nan"),
    }


def _attribute(tag: dict[str, Any] | None, name: str) -> str | None:
    value: str | None = tag["attributes"].get(name) if tag else None
    return value


def _said_type(tag: dict[str, Any] | None, types: dict[str, tuple[Any, tuple[str, ...]]]) -> str:
    """Which of some types a tag names, by its label, else by its category."""
    for word in (tag["label"], tag["category"]) if tag else ():
        for name, (_, words) in types.items():
            if word in words or (word == "top, t-shirt, sweatshirt" and name == "t-shirt"):
                return name
    return ""


def types(people: Sequence[Person]) -> dict[str, float]:
    """Sleeves and kinds of garments, of the people whose labels know them."""
    sleeve, upper, lower, trousers = [], [], [], []
    for person in people:
        true = {"upperBodyLongSleeve": "long", "upperBodyShortSleeve": "short"}
        known = [value for label, value in true.items() if label in person.labels]
        if len(known) == 1:
            said = _attribute(person.upper, "sleeve")
            sleeve.append(known[0] == ("short" if said == "none" else said))
        kinds = [name for name, (label, _) in UPPER_TYPES.items() if label in person.labels]
        if kinds:
            upper.append(_said_type(person.upper, UPPER_TYPES) in kinds)
        kinds = [name for name, (labels, _) in LOWER_TYPES.items() if person.any_of(labels)]
        if len(kinds) == 1:
            said = _said_type(person.lower, LOWER_TYPES)
            lower.append(said in kinds)
            both = {"jeans": "trousers"}
            trousers.append(both.get(said or "", said) == both.get(kinds[0], kinds[0]))
    rows = {
        "sleeve long or short": sleeve,
        "t-shirt, jacket, suit or sweater": upper,
        "trousers, jeans, shorts or skirt": lower,
        "the same, jeans as trousers": trousers,
    }
    return {name: float(np.mean(hits)) for name, hits in rows.items() if hits}


def f1(said: Sequence[bool], true: Sequence[bool]) -> float:
    """F1 of a yes or no about each of some people."""
    both = sum(a and b for a, b in zip(said, true, strict=True))
    return 2 * both / max(sum(said) + sum(true), 1)


def balanced_accuracy(said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """Mean of how often yes and how often no is right; both must occur in ``true``."""
    return float((said[true].mean() + 1 - said[~true].mean()) / 2)


def things(people: Sequence[Person]) -> dict[str, float]:
    """Hats, scarves, bags and patterns."""
    figures = {}
    for group in ("hat", "scarf"):
        true = [p.any_of(WORN[group]) for p in people]
        if sum(true) >= 5:
            figures[f"{group} F1"] = f1([p.garment([group]) is not None for p in people], true)
    said = np.array([p.garment(["bag, wallet"]) is not None for p in people])
    true = np.array([p.any_of(BAGS) for p in people])
    if 0 < true.sum() < len(true):
        figures["bag, balanced accuracy"] = balanced_accuracy(said, true)
    known = [{n for n, ls in PATTERNS.items() if p.any_of(ls)} or {"plain"} for p in people]
    scores = []
    for name in (*PATTERNS, "plain"):
        true = [name in own for own in known]
        if sum(true) >= 5:
            scores.append(f1([_attribute(p.upper, "pattern") == name for p in people], true))
    if len(scores) > 1:
        figures["pattern, macro-F1"] = float(np.mean(scores))
    return figures


def calibration(people: Sequence[Person]) -> float:
    """Error between score and being right, of all tags that a label can judge."""
    scores, right = [], []
    for person in people:
        for tag in person.tags:
            labels = WORN.get(tag["category"] or "")
            if labels:
                verdict = person.any_of(labels)
            elif tag["level"] == "part":
                verdict = True  # all of them wear something there
            elif tag is person.lower or tag is person.upper:
                table = LOWER_TYPES if tag is person.lower else UPPER_TYPES
                kinds = [n for n, (own, _) in table.items() if person.any_of(_several(own))]
                if not kinds:
                    continue
                said = _said_type(tag, table)
                coarse = tag["level"] != "fine" and {said, *kinds} <= {"trousers", "jeans"}
                verdict = said in kinds or coarse
            else:
                continue
            scores.append(tag["score"])
            right.append(verdict)
    return expected_calibration_error(scores, right) if scores else float("nan")


def _several(labels: str | tuple[str, ...]) -> tuple[str, ...]:
    return (labels,) if isinstance(labels, str) else labels


def rows(people: Sequence[Person]) -> dict[str, float]:
    """All figures of some people."""
    return {
        "people": len(people),
        "an upper garment reported": float(np.mean([p.upper is not None for p in people])),
        "a lower garment reported": float(np.mean([p.lower is not None for p in people])),
        **colours(people, "upperBody"),
        **colours(people, "lowerBody"),
        **types(people),
        **things(people),
        "calibration error": calibration(people),
    }


def read(data: Path) -> list[dict[str, Any]]:
    """Rows of ``cctv_people.jsonl``: image, set and labels."""
    return [json.loads(line) for line in (data / "cctv_people.jsonl").read_text().splitlines()]


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """The figures over all cameras, of each camera and of each height."""
    known = read(args.data)
    pack = packs.find(args.model or GarmentSettings().model)
    records = tagged_files([args.data / row["image"] for row in known], args.engine, pack)
    people = [
        Person(row["set"], record["height"], frozenset(row["labels"]), own_tags(record))
        for row, record in zip(known, records, strict=True)
    ]
    groups = {"all cameras": people}
    for camera in sorted({p.camera for p in people}):
        groups[camera] = [p for p in people if p.camera == camera]
    for low, high in HEIGHTS:
        groups[f"{low} to {high} px"] = [p for p in people if low <= p.height < high]
    return {
        f"{group}: {name}": value
        for group, members in groups.items()
        if members
        for name, value in rows(members).items()
    }
