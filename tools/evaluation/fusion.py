"""Tags of single looks at a person against tags fused over looks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from training.garment_data import Photo, degrade, person_box
from training.garments import load_split

from engines import Packs
from evaluation.stills import still
from pipeline.events import EventStage
from pipeline.flow.stages import open_stages
from pipeline.flow.stats import Stats
from pipeline.models.opening import Models
from pipeline.picture.crop import quality
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.vote import Vote, VoteSettings
from pipeline.types import Box, Frame, Tag, TaggedFrame

#: Looks at each person of a photo.
LOOKS = 8
#: Whole pictures every 0.2 s, whatever moves in them.
EVEN: dict[str, Any] = {
    "motion": {"threshold": 0.0},
    "person": {"interval_s": 0.2, "refresh_s": 0.2, "parts": False},
}
CLOTHES = Path(__file__).parent.parent.parent / "tests" / "data" / "people"


@dataclass(slots=True)
class Tally:
    """Counts over frames of one way of tagging."""

    hits: int = 0
    wrong: int = 0
    missed: int = 0
    changes: int = 0
    looks: int = 0
    before: dict[int, frozenset[str]] = field(default_factory=dict)

    def count(self, person: int, truth: dict[str, Any], tags: tuple[Tag, ...]) -> None:
        """One person in one frame: categories right, wrong and missed, and labels that changed."""
        said = {tag.category for tag in tags if tag.category}
        groups = [set(group) for group in truth["wears"]]
        known = set().union(*groups, truth["maybe"])
        hits = sum(bool(said & group) for group in groups)
        # Two names for one garment are one too many.
        extra = sum(max(len(said & group) - 1, 0) for group in groups)
        self.looks += 1
        self.hits += hits
        self.missed += len(groups) - hits
        self.wrong += len(said - known) + extra
        labels = frozenset(tag.label for tag in tags)
        self.changes += len(labels ^ self.before.get(person, labels))
        self.before[person] = labels

    def f1(self) -> float:
        return 2 * self.hits / max(2 * self.hits + self.wrong + self.missed, 1)


def frames(clip: Path) -> Iterator[Frame]:
    with open_source(CameraSettings(url=str(clip))) as source:
        yield from source


def alone(vote: VoteSettings, evidence: tuple[Tag, ...]) -> tuple[Tag, ...]:
    """What one crop makes likely."""
    one = Vote(vote.model_copy(update={"looks": 1}))
    one.add(evidence)
    return one.result()


def as_figures(tallies: dict[str, Tally]) -> dict[str, float]:
    """Figures of tallies by name."""
    figures = {}
    for name, tally in tallies.items():
        figures[f"{name}: category F1"] = tally.f1()
        figures[f"{name}: label changes a look"] = tally.changes / max(tally.looks, 1)
    return figures


def walk(photo: Photo, rng: np.random.Generator) -> Iterator[tuple[Frame, Box]]:
    """A person of a street photo as a store camera sees them in successive looks: near and far,
    moving, compressed, in a box that never fits quite."""
    box = person_box(photo.mask)
    height, width = photo.mask.shape
    for _ in range(LOOKS):
        frame = still(degrade(photo.rgb, rng))
        size = np.tile(box[2:] - box[:2], 2)
        moved = np.clip(box + size * rng.normal(0, 0.04, 4), 0, [width, height] * 2)
        yield frame, tuple(moved.tolist())


def on_walks(
    args: argparse.Namespace, vote: VoteSettings, parser: GarmentParser
) -> dict[str, float]:
    """Validation photos, each seen several times as by a camera, with the true tags."""
    root = args.data / "street_fashion"
    train, held, names = load_split(root, args.seed)
    mapping = json.loads((root / "fashionpedia_map.json").read_text())
    single, fused = Tally(), Tally()
    for person, photo in enumerate(train + held if args.all else held):
        worn = {mapping[names[i]] for i in np.unique(photo.mask)} - {None}
        truth = {"wears": [[name] for name in worn], "maybe": []}
        track = Vote(vote)
        for frame, box in walk(photo, np.random.default_rng((args.seed, person))):
            [(_, evidence)] = parser.parse([(frame, box)])
            track.add(evidence, quality(frame, box))
            if track.looks >= vote.looks:
                single.count(person, truth, alone(vote, evidence))
                fused.count(person, truth, track.result())
    found = {"photos as a camera's: single looks": single, "photos as a camera's: fused": fused}
    return as_figures(found)


def on_clip(
    clip: Path, settings: LiveSettings, models: Models, parser: GarmentParser
) -> dict[str, float]:
    """A clip in which one person at a time was labelled by eye."""
    truth = json.loads((CLOTHES / f"{clip.stem}_clothes.json").read_text())
    single, fused = Tally(), Tally()
    vote = settings.section("garments").of("").vote
    stages = open_stages(settings, models, Stats(), (), EventStage("study")).every
    for frame in frames(clip):
        batch = [TaggedFrame(frame)]
        for stage in stages:
            batch = stage(batch)
        [tagged] = batch
        person = next((p for p in truth["people"] if p["from"] <= frame.index <= p["to"]), None)
        if person is None or tagged.decision != "detect" or not tagged.tracks:
            continue
        best = max(tagged.tracks, key=lambda t: t.box[3] - t.box[1])
        if best.tags:
            [(_, evidence)] = parser.parse([(tagged.frame, best.box)])
            single.count(person["from"], person, alone(vote, evidence))
            fused.count(person["from"], person, best.tags)
    return as_figures({f"{clip.name}: single looks": single, f"{clip.name}: fused": fused})


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Category F1 and label changes from look to look, on photos seen as by a camera and on each
    clip."""
    config = make_config(packs, garments={"model": args.model} if args.model else {}, **EVEN)
    settings = LiveSettings(config)
    garments = settings.section("garments").of("")
    with Models(config.engine, packs) as models:
        parser = GarmentParser(*models.open(garments.model))
        figures = on_walks(args, garments.vote, parser)
        for clip in args.clips:
            figures |= on_clip(clip, settings, models, parser)
    return figures
