"""A tagger from outside of Threadline: whether people wear stripes."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from engines.base import Engine
from engines.packs import Pack, labels
from pipeline.picture.crop import crops, person_window
from pipeline.settings.section import PerSource, Share, model_of
from pipeline.tagging.tagger import Evidence, Opener, Subject, Tagger, TaggerEntry, TaggerSettings
from pipeline.types import Tag


class StripesSettings(TaggerSettings):
    """Stripes on people: the section ``stripes`` of a settings file."""

    model: str = model_of("stripes", "stripes-small")
    least: Share = Field(0.1, description="score under which a pattern is no evidence")


class StripesTagger(Tagger):
    """Classifies the crop of a person."""

    name = "stripes"

    def __init__(self, engine: Engine, pack: Pack, settings: PerSource[StripesSettings]) -> None:
        super().__init__(settings)
        self._engine = engine
        self._pack = pack
        self._patterns = labels(pack)

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        if not subjects:
            return []
        size = self._pack.size
        images = crops([(one.frame, person_window(one.box, size)) for one in subjects], size)
        scores = self._engine.infer({"images": images})["scores"].tolist()
        return [self._evidence(subject, row) for subject, row in zip(subjects, scores, strict=True)]

    def _evidence(self, subject: Subject, scores: list[float]) -> Evidence:
        least = self.settings.of(subject.frame.source).least
        return Evidence(
            tuple(
                Tag("pattern", label.name, None, score, subject.box, model=self._pack.name)
                for label, score in zip(self._patterns, scores, strict=True)
                if score >= least
            )
        )


def open_tagger(settings: PerSource[StripesSettings], models: Opener) -> StripesTagger:
    """The configured classifier, ready to run."""
    engine, pack = models.open(settings.of("").model)
    return StripesTagger(engine, pack, settings)


ENTRY = TaggerEntry(StripesSettings, open_tagger)
