"""How well somebody's garments go together, as a tagger. Experimental: docs/outfits.md."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.settings.section import PerSource, model_of, per_run
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.outfits.items import Item, items_of
from pipeline.tagging.outfits.scorer import Scorer
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.tagger import (
    Evidence,
    Opener,
    Subject,
    Tagger,
    TaggerSettings,
)
from pipeline.types import Tag

#: People whose garments are remembered, all cameras together.
_PEOPLE = 512


class OutfitSettings(TaggerSettings):
    """How well somebody's garments go together, by their colours. Experimental."""

    enabled: bool = Field(False, description="whether outfits are judged")
    model: str = model_of("garment-parsing", "garments-lite0-int8")
    weights: str = per_run("", description="a scorer's file; empty: the one that comes along")
    products: str = per_run("", description="a folder or CSV file of the store's products")
    looks: int = Field(4, ge=1, le=100, description="looks at somebody before they are judged")


#: What is told of somebody's outfit.
_Told = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Person:
    """The best view of each garment so far, by category, with how good it was; of which categories
    something was told last, and what."""

    looks: int = 0
    best: dict[str, tuple[float, Item]] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()
    told: _Told = ()


class OutfitTagger(Tagger):
    """Judges each person once, when they were looked at often enough; again only if a garment of
    another category comes in view. Uses the ``parsing`` that garments give; without, it parses
    people itself."""

    name = "outfits"

    def __init__(
        self, scorer: Scorer, parser: GarmentParser, settings: PerSource[OutfitSettings]
    ) -> None:
        super().__init__(settings)
        self._scorer = scorer
        self._parser = parser
        self._people: OrderedDict[tuple[str, int], _Person] = OrderedDict()

    def forget(self, source: str) -> None:
        for key in [key for key in self._people if key[0] == source]:
            del self._people[key]

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        given = [subject.given.get("parsing") for subject in subjects]
        bare = [(s.frame, s.box) for s, one in zip(subjects, given, strict=True) if one is None]
        own = iter(self._parser.parse(bare))
        parsings = [next(own)[0] if one is None else one for one in given]
        return [
            Evidence(self._tags(subject, parsing))
            for subject, parsing in zip(subjects, parsings, strict=True)
        ]

    def _tags(self, subject: Subject, parsing: Parsing) -> tuple[Tag, ...]:
        items = items_of(subject.frame, parsing)
        # Of a picture without a track there is one look.
        told = self._judged(items) if subject.id is None else self._followed(subject, items)
        if not told:
            return ()
        return (Tag("outfit", "outfit", None, 1.0, subject.box, attributes=told),)

    def _followed(self, subject: Subject, items: Sequence[Item]) -> _Told:
        assert subject.id is not None
        key = (subject.frame.source, subject.id)
        person = self._people.setdefault(key, _Person())
        self._people.move_to_end(key)
        while len(self._people) > _PEOPLE:
            self._people.popitem(last=False)
        person.looks += 1
        for item in items:
            worth = subject.quality * item.cells
            if worth > person.best.get(item.category, (0.0, item))[0]:
                person.best[item.category] = worth, item
        seen = frozenset(person.best)
        enough = person.looks >= self.settings.of(subject.frame.source).looks
        if enough and seen != person.judged:
            person.told = self._judged([item for _, item in person.best.values()])
            person.judged = seen
        return person.told

    def _judged(self, items: Sequence[Item]) -> _Told:
        verdict = self._scorer.judge(items)
        if verdict is None:
            return ()
        return (("fits", f"{verdict.fits:.2f}"), ("least", items[verdict.least].category))


def open_tagger(settings: PerSource[Any], models: Opener) -> OutfitTagger:
    """The scorer, read, and the parser that garments use."""
    base = settings.of("")
    scorer = Scorer.load(Path(base.weights)) if base.weights else Scorer.load()
    return OutfitTagger(scorer, GarmentParser(*models.open(base.model)), settings)
