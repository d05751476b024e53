"""Garments of people, as a tagger."""

from __future__ import annotations

from collections.abc import Sequence

from engines.packs import PackError
from engines.packs.tagger import Background
from pipeline.picture.colour import colour_table
from pipeline.settings.section import PerSource, model_of, per_run
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.taught import BothVotes
from pipeline.tagging.garments.types import TypeRefiner
from pipeline.tagging.tagger import Evidence, Opener, Subject, Tagger, TaggerSettings
from pipeline.tagging.vote import Ballot, Vote

#: The pack behind ``garments.types``.
TYPES = "garment-types-lite0"


class GarmentSettings(TaggerSettings):
    """Garments, parsed on person crops."""

    model: str = model_of("garment-parsing", "garments-lite0-int8")
    accept_licence: bool = per_run(False, description="what the model's licence asks is accepted")
    types: bool = per_run(False, description="look again at upper garments: polo, hoodie, blazer")
    background: Background = per_run("keep", description="behind what that look sees")


class GarmentTagger(Tagger):
    """Parses people. Gives ``parsing``: which garment lies where on the person."""

    name = "garments"
    sparing = True

    def __init__(self, parser: GarmentParser, settings: PerSource[GarmentSettings]) -> None:
        super().__init__(settings)
        self._parser = parser
        #: Labels of a parsing, in the order of their indices.
        self.labels = parser.labels

    def vote(self, source: str) -> Ballot:
        settings = self.settings.of(source).vote
        known = self._parser.taught
        return BothVotes(settings, known) if known is not None else Vote(settings)

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        people = [(subject.frame, subject.box) for subject in subjects]
        return [
            Evidence(tags, {"parsing": parsing}) for parsing, tags in self._parser.parse(people)
        ]


def open_tagger(settings: PerSource[GarmentSettings], models: Opener) -> GarmentTagger:
    """The configured parser, ready to run."""
    colour_table()
    base = settings.of("")
    known = models.packs.find(base.model)
    if known.terms and not base.accept_licence:
        raise PackError(
            f"garments.model {known.name}: {known.licence}: {known.terms}; accept that with "
            "garments.accept_licence: true"
        )
    refiner = None
    if base.types:
        refiner = TypeRefiner(*models.open(TYPES), base.background)
    return GarmentTagger(GarmentParser(*models.open(base.model), refiner), settings)
