"""Brands through the whole program: on people of composed clips whose truth is known, and wrongly
on clips and photos that hardly show any."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
from benchmark.accuracy import configured
from benchmark.sinks import Listener
from training.garments import split_ids
from training.logo_marks import DRAWN, Brand, load_brands, split_brands, without_twins

from engines import Packs
from engines.boxes import iou_matrix
from pipeline.flow.pace import Pace
from pipeline.flow.runner import Runner
from pipeline.flow.stages import open_detector, open_taggers
from pipeline.models.opening import EngineSettings, Models
from pipeline.photos import PhotoTagger
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config
from pipeline.sinks.annotate import annotated
from pipeline.tagging.logos.gallery import open_gallery
from pipeline.tagging.logos.gallery_edit import add, read_picture
from pipeline.tagging.logos.reader import Embedder
from pipeline.tagging.logos.tagger import LogoSettings
from pipeline.types import Box, TaggedFrame

#: Brands in the gallery, none seen by a training.
BRANDS = 1000
#: Longer side in pixels of a mark that must be recognised, and seconds for which it must be so.
LEAST_SIDE, LEAST_S = 32.0, 1.0
#: Overlap from which a track is the person of the truth.
SAME = 0.4
#: Share of its frames from which a track shows one wearer: where two walk close, trackers change
#: between them, the truth's as well as the run's, and nobody changes marks like that.
ONE = 0.8
#: What is counted of the tracks whose mark is large for long enough.
JUDGED = (
    "tracks", "brand right", "tracks of one wearer", "of these, some brand said",
    "of these, brand right", "wrong brands",
)  # fmt: skip


def brands_of(package: Path, seed: int) -> list[Brand]:
    """A thousand brands no training saw, those of the validation first."""
    _, held, test = split_brands(without_twins(load_brands(package, DRAWN)), seed)
    return [*held, *test][:BRANDS]


@contextmanager
def gallery_folder(package: Path, brands: Sequence[Brand], packs: Packs) -> Iterator[Path]:
    """A gallery of their SVG files, made as the command makes it."""
    with tempfile.TemporaryDirectory() as name, Models(EngineSettings(), packs) as models:
        embed = Embedder(*models.open(LogoSettings().embedder))
        gallery = open_gallery(Path(name), embed.pack)
        icons = package / "icons"
        pictures = [
            read_picture(b.name, icons / f"{b.name}.svg", embed, embed.size[0]) for b in brands
        ]
        add(gallery, pictures)
        yield Path(name)


@dataclass(slots=True)
class Person:
    """A track: its boxes by frame, and for how many frames each brand was said."""

    boxes: dict[int, Box] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Watcher(Listener):
    """Keeps every person, every mark on nobody, and a picture of everything said first."""

    pictures: Path | None = None
    people: dict[int, Person] = field(default_factory=lambda: defaultdict(Person))
    loose: Counter[str] = field(default_factory=Counter)
    shown: set[tuple[int, str]] = field(default_factory=set)

    def write(self, tagged: TaggedFrame) -> None:
        new = []
        for track in tagged.tracks:
            person = self.people[track.id]
            person.boxes[tagged.frame.index] = track.box
            for tag in track.tags:
                if tag.kind == "logo":
                    person.said[tag.label] += 1
                    new.append((track.id, tag.label))
        for tag in tagged.tags:
            self.loose[tag.label] += 1
            new.append((0, tag.label))
        fresh = {key for key in new if key not in self.shown}
        self.shown |= fresh
        if fresh and self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            for track_id, label in fresh:
                name = f"{tagged.frame.index:05d}-{track_id}-{label}.png"
                cv2.imwrite(str(self.pictures / name), annotated(tagged))


def watch(clip: Path, gallery: Path, pictures: Path | None, more: dict[str, Any]) -> Watcher:
    """Run the program over a clip."""
    sink = Watcher(pictures)
    changes: dict[str, Any] = {"logos": {"gallery": str(gallery), **more}}
    with tempfile.TemporaryDirectory() as folder:
        config = configured(changes, [str(clip)], "auto")
        with Runner(config, Path(folder), (sink,)) as runner:
            runner.start()
            runner.wait()
    return sink


def judged(clip: Path, sink: Watcher) -> dict[str, int]:
    """Tracks of people whose mark was large for long enough: whether its brand was said, and said
    longest; and brands that nobody wears."""
    truth = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
    with av.open(str(clip)) as source:
        rate = float(source.streams.video[0].average_rate or 10)
    found = Counter(dict.fromkeys(JUDGED, 0))
    for person in sink.people.values():
        shown = _shown(person, truth)
        mine = {truth[i]["brand"] for i in shown}
        found["wrong brands"] += sum(brand not in mine for brand in person.said)
        if not shown:
            continue
        [(who, frames)] = shown.most_common(1)
        wearer = truth[who]
        seen = sum(_large(wearer["marks"].get(str(frame))) for frame in person.boxes)
        if seen < LEAST_S * rate:
            continue
        best = person.said.most_common(1)
        right = bool(best) and best[0][0] == wearer["brand"]
        found["tracks"] += 1
        found["brand right"] += right
        if frames >= ONE * shown.total():
            found["tracks of one wearer"] += 1
            found["of these, some brand said"] += bool(best)
            found["of these, brand right"] += right
    found["wrong brands"] += len(sink.loose)
    return dict(found)


def _large(box: Sequence[float] | None) -> bool:
    return box is not None and max(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE


def _shown(person: Person, truth: Sequence[dict[str, Any]]) -> Counter[int]:
    """For how many frames a track shows whom of the truth."""
    shown: Counter[int] = Counter()
    for frame, box in person.boxes.items():
        here = [(i, row["people"][str(frame)]) for i, row in enumerate(truth)
                if str(frame) in row["people"]]  # fmt: skip
        if here:
            overlap = iou_matrix([box], [other for _, other in here])[0]
            if overlap.max() >= SAME:
                shown[here[int(overlap.argmax())][0]] += 1
    return shown


def photos(args: argparse.Namespace, gallery: Path, packs: Packs) -> dict[str, float]:
    """Brands said on street photos that no training of garments saw: false ones, nearly all."""
    root = args.data / "street_fashion"
    paths = [root / "photos" / f"{name}.jpg" for name in split_ids(root, args.seed)[1]]
    config = make_config(packs, logos={"gallery": str(gallery)})
    settings = LiveSettings(config)
    found = 0
    with Models(config.engine, packs) as models:
        detector = open_detector(settings, models, Pace().budget)
        tagger = PhotoTagger(detector, open_taggers(settings, models), settings)
        for path in paths:
            photo = tagger.tag(path)
            said = [tag for tag in photo.tags if tag.kind == "logo"]
            found += len(said)
            if said and args.pictures:
                args.pictures.mkdir(parents=True, exist_ok=True)
                names = "-".join(sorted({tag.label for tag in said}))[:60]
                cv2.imwrite(str(args.pictures / f"{path.stem}-{names}.png"), photo.drawing())
    return {"photos": len(paths), "brands said on photos": found}


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Clips with a truth beside them are judged; of others, and of photos, what is said counts."""
    figures: dict[str, float] = {}
    with gallery_folder(args.icons, brands_of(args.icons, args.seed), packs) as folder:
        for clip in args.clips:
            pictures = args.pictures / clip.stem if args.pictures else None
            sink = watch(clip, folder, pictures, {"lettering": args.lettering})
            if clip.with_suffix(".json").exists():
                found = judged(clip, sink)
            else:
                on_people = sum(len(person.said) for person in sink.people.values())
                found = {"people": len(sink.people), "brands said": on_people + len(sink.loose)}
            figures.update({f"{clip.stem}: {name}": value for name, value in found.items()})
        if args.data.is_dir() and not args.no_photos:
            figures.update(photos(args, folder, packs))
    return figures
