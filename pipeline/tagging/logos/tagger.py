"""Brand marks as a tagger: on people, and on what lies around."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.picture.crop import nearer
from pipeline.settings.section import PerSource, Share, model_of, per_run
from pipeline.tagging.logos.decision import Level
from pipeline.tagging.logos.finder import Finder
from pipeline.tagging.logos.gallery import open_gallery
from pipeline.tagging.logos.lettering import Lettering, installed
from pipeline.tagging.logos.reader import Ask, Embedder, LogoReader, Mark
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.tagger import (
    Evidence,
    Kind,
    Memory,
    Opener,
    Priority,
    Schedule,
    Subject,
    Tagger,
    TaggerSettings,
    Urgency,
)
from pipeline.tagging.vote import VoteSettings
from pipeline.types import Box, Tag, Window


class LogoVote(VoteSettings):
    """When a brand is believed: two crops always, since most crops show no brand."""

    appear: Share = Field(0.2, description="fused score at which a brand appears")
    vanish: Share = Field(0.1, description="fused score below which it vanishes")
    fine: Share = Field(0.2, description="of no use here: brands have no categories")
    hurry: bool = Field(False, description="under pressure, one crop of a live camera is enough")
    memory: Share = Field(0.95, description="weight of the past against an equally good new crop")


class LogoSettings(TaggerSettings):
    """Brand marks, recognised by a gallery of pictures."""

    gallery: str = per_run("", description="folder of the gallery; empty: logos are not searched")
    detector: str = model_of("logo-detection", "logo-detector-lite0-int8")
    tile_detector: str = model_of("logo-detection", "logo-detector-world-int8")
    embedder: str = model_of("logo-embedding", "logo-embedder-lite0")
    score: Share = Field(0.3, description="score from which something counts as a mark")
    tile_score: Share = Field(0.45, description="the same on tiles, by the detector of tiles")
    sure: Level = Field("normal", description="how sure a brand must be: strict, normal or lenient")
    vote: LogoVote = LogoVote()
    most_looks: int = Field(
        12, ge=1, le=1000, description="looks at a person; then only better crops are searched"
    )
    lettering: bool | Literal["auto"] = per_run(
        "auto",
        description="read letters where looks leave a doubt (needs rapidocr); auto: where that is",
    )
    tile_s: float = Field(
        0.5, ge=0, le=3600, description="seconds between two tiles searched for signs; 0: none"
    )

    @property
    def wanted(self) -> bool:
        return self.enabled and bool(self.gallery)


class LogoTagger(Tagger):
    """Searches people and tiles for marks. Uses ``parsing``, where it is given: the garment a mark
    is on."""

    name = "logos"
    wants = frozenset[Kind]({"person", "tile"})

    def __init__(self, reader: LogoReader, settings: PerSource[LogoSettings]) -> None:
        super().__init__(settings)
        self.reader = reader
        self.tile_shape = reader.tiles.size

    def need(self, subject: Subject, memory: Memory, schedule: Schedule) -> Priority | None:
        if self._nothing_known():
            return None
        settings = self.settings.of(subject.frame.source)
        if memory.looks < settings.most_looks:
            return schedule.due(subject, memory, settings.vote.looks)
        better = subject.quality / max(schedule.better * memory.best, 1e-6)
        if better >= 1:
            return Priority(Urgency.AGAIN, better)
        return Priority(Urgency.ALONG) if subject.quality > memory.best else None

    def every_s(self, kind: Kind, source: str) -> float:
        seconds: float = self.settings.of(source).tile_s
        return 0.0 if kind != "tile" or self._nothing_known() else seconds

    def _nothing_known(self) -> bool:
        """Whether the gallery has no brand, now: then no look would find one."""
        self.reader.refresh(time.monotonic())
        return self.reader.empty

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        self.reader.refresh(time.monotonic())
        return [Evidence(tuple(self._tags(subject))) for subject in subjects]

    def _tags(self, subject: Subject) -> list[Tag]:
        frame, model = subject.frame, self.reader.model
        settings = self.settings.of(frame.source)
        if subject.kind == "tile":
            ask = Ask(settings.tile_score, settings.sure)
            return loose_tags(self.reader.read(frame, [window_of(subject.box)], ask), model)
        ask = Ask(settings.score, settings.sure)
        marks = [
            mark
            for mark in self.reader.on(frame, subject.box, ask, all_scales=subject.id is None)
            if not any(nearer(mark.box, other, subject.box) for other in subject.others)
        ]
        return mark_tags(marks, subject.given.get("parsing"), model)


def open_tagger(settings: PerSource[LogoSettings], models: Opener) -> LogoTagger:
    """The configured models and gallery, ready to read.

    Raises:
        GalleryError: the gallery cannot be used.
        ConfigError: letters are to be read, and what reads them is not installed.
    """
    base = settings.of("")
    people, tiles = (finder(models, name) for name in (base.detector, base.tile_detector))
    embedder = Embedder(*models.open(base.embedder))
    gallery = open_gallery(Path(base.gallery), embedder.pack)
    read = installed() if base.lettering == "auto" else base.lettering
    lettering = Lettering() if read else None
    return LogoTagger(LogoReader(people, embedder, gallery, lettering, tiles), settings)


def finder(models: Opener, name: str) -> Finder:
    """The model of a pack as what finds marks."""
    engine, pack = models.open(name)
    return Finder(engine, pack.size)


def window_of(box: Box) -> Window:
    """A box of whole pixels as a window."""
    x0, y0, x1, y1 = (round(v) for v in box)
    return x0, y0, x1, y1


def mark_tags(marks: Sequence[Mark], parsing: Parsing | None, model: str = "") -> list[Tag]:
    """A tag for every brand recognised on a person, by the surest of its marks; with a parsing,
    also on which garment it is."""
    best: dict[str, Tag] = {}
    for mark in marks:
        garment = parsing.category_under(mark.box) if parsing else None
        tag = _tag(mark, model, garment)
        if tag is not None and (tag.label not in best or best[tag.label].score < tag.score):
            best[tag.label] = tag
    return list(best.values())


def loose_tags(marks: Sequence[Mark], model: str = "") -> list[Tag]:
    """A tag for every mark recognised that is on nobody."""
    return [tag for mark in marks if (tag := _tag(mark, model)) is not None]


def _tag(mark: Mark, model: str, garment: str | None = None) -> Tag | None:
    brand = mark.match.brand
    if brand is None:
        return None
    more = (("on", garment),) if garment else ()
    return Tag(
        "logo",
        brand,
        None,
        mark.match.probability,
        mark.box,
        attributes=more,
        model=model,
        outlined=True,
    )
