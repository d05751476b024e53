"""Tags of single frames against tags fused over tracks, on a clip labelled by eye."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.config import CameraConfig, Config
from pipeline.garments import GarmentParser, GarmentStage
from pipeline.pace import Pace
from pipeline.runner import open_detector, open_parser
from pipeline.schedule import ScheduleStage
from pipeline.skip import SkipPolicy
from pipeline.sources import open_source
from pipeline.stages import TrackStage
from pipeline.stats import Stats
from pipeline.types import Frame, Tag, TaggedFrame
from pipeline.vote import TrackVote

CLOTHES = Path(__file__).parent.parent.parent / "tests" / "data" / "people"


@dataclass(slots=True)
class Tally:
    """Counts over frames of one way of tagging."""

    hits: int = 0
    wrong: int = 0
    missed: int = 0
    changes: int = 0
    seconds: float = 0.0
    before: dict[int, frozenset[str]] = field(default_factory=dict)

    def count(self, person: int, truth: dict[str, Any], tags: tuple[Tag, ...]) -> None:
        """One person in one frame: categories right, wrong and missed, and labels that changed."""
        said = {tag.category for tag in tags if tag.category}
        groups = [set(group) for group in truth["wears"]]
        known = set().union(*groups, truth["maybe"])
        hits = sum(bool(said & group) for group in groups)
        # Two names for one garment are one too many.
        extra = sum(max(len(said & group) - 1, 0) for group in groups)
        self.hits += hits
        self.missed += len(groups) - hits
        self.wrong += len(said - known) + extra
        labels = frozenset(tag.label for tag in tags)
        self.changes += len(labels ^ self.before.get(person, labels))
        self.before[person] = labels

    def f1(self) -> float:
        return 2 * self.hits / max(2 * self.hits + self.wrong + self.missed, 1)


def frames(clip: Path) -> Iterator[Frame]:
    with open_source(CameraConfig(url=str(clip))) as source:
        yield from source


def single(parser: GarmentParser, config: Config, tagged: TaggedFrame, box: Any) -> tuple[Tag, ...]:
    """What one frame alone says of one person."""
    [(_, evidence)] = parser.parse([(tagged.frame, box)])
    vote = TrackVote(replace(config.vote_policy, looks=1))
    vote.add(evidence)
    return vote.result()


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Category F1 and changes of labels per person and second, for each clip."""
    config = Config()
    figures: dict[str, float] = {}
    for clip in args.clips:
        truth = json.loads((CLOTHES / f"{clip.stem}_clothes.json").read_text())
        alone, fused = Tally(), Tally()
        looked = 0.0
        with ExitStack() as stack:
            detect = open_detector(config, stack)
            parser = open_parser(config, stack)
            schedule = ScheduleStage(SkipPolicy(0.0, 0.2, 0.2), Stats(), Pace())
            track = TrackStage(config.track_policy)
            garments = GarmentStage(parser, config.garments, config.vote_policy)
            for frame in frames(clip):
                batch = schedule([TaggedFrame(frame)])
                for stage in (detect, track, garments):
                    batch = stage(batch)
                [tagged] = batch
                person = next(
                    (p for p in truth["people"] if p["from"] <= frame.index <= p["to"]), None
                )
                if person is None or tagged.decision != "detect" or not tagged.tracks:
                    continue
                best = max(tagged.tracks, key=lambda t: t.box[3] - t.box[1])
                if not best.tags:
                    continue
                looked += 0.2
                alone.count(person["from"], person, single(parser, config, tagged, best.box))
                fused.count(person["from"], person, best.tags)
        for name, tally in (("single frames", alone), ("fused over tracks", fused)):
            figures[f"{clip.name}: {name}: category F1"] = tally.f1()
            figures[f"{clip.name}: {name}: label changes a second"] = tally.changes / max(
                looked, 0.2
            )
    return figures
