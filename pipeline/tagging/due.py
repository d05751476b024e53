"""When a person is due for another look, by the rules that all taggers share."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from pydantic import Field

from engines.boxes import iou_matrix
from pipeline.settings.section import Seconds, Section, Share
from pipeline.tagging.tagger import Memory, Priority, Subject, Urgency

#: Overlap with the box last looked at from which a person has not moved.
STANDING = 0.85
#: How much longer tags of people who have not moved stay fresh: the same picture says the same.
PATIENCE = 4.0
#: Seconds after which two thirds of what a crop shows of somebody who moves is new.
FRESH_S = 0.3
#: How unsure tags count that are certain: a look may still show what none did.
SURE = 0.15


class LookSettings(Section):
    """When people are looked at, by every tagger."""

    min_height_px: int = Field(48, ge=8, le=10000, description="smaller people are not tagged")
    refresh_s: Seconds = Field(
        3.0, description="age at which tags are looked at again; later of people who stand still"
    )
    settle_s: float = Field(0.3, ge=0, le=60, description="time between the first looks")
    settle_looks: int = Field(8, ge=1, le=1000, description="first looks at a person")
    gain: Share = Field(
        0.08,
        description="share of an answer that one more of the first looks has to be expected to "
        "change; 0: all are taken",
    )
    better: float = Field(1.3, ge=1, le=10, description="a crop this much better is looked at")
    wait_s: float = Field(
        0.6,
        ge=0,
        le=60,
        description="with sub: time somebody new waits for a key frame before pictures after it "
        "are decoded",
    )


@dataclass(frozen=True, slots=True)
class Due:
    """The common schedule for one camera in one round.

    Attributes:
        hurried: under pressure one look is enough to report something: twice as many people have
            something reported that way, if a little less surely.
    """

    settings: LookSettings
    slowdown: float = 1.0
    hurried: bool = False

    @property
    def better(self) -> float:
        return self.settings.better

    def due(
        self, subject: Subject, memory: Memory, least: int, sparing: bool = False
    ) -> Priority | None:
        """People without anything reported first, those nearest to it before the others; then
        people with few looks; then stale tags and clearly better views."""
        settings = self.settings
        age = (subject.frame.pts - memory.at) / self.slowdown
        settling = memory.looks < settings.settle_looks and age >= settings.settle_s
        if settling and memory.looks < (1 if self.hurried else least):
            return Priority(Urgency.NEW, memory.looks)
        if settling and not (sparing and expected_gain(subject, memory, age) < settings.gain):
            return Priority(Urgency.SETTLING, settings.settle_looks - memory.looks)
        stale = age / settings.refresh_s
        if stale >= 1 and _stands(subject, memory):
            stale /= PATIENCE
        degree = max(stale, subject.quality / max(settings.better * memory.best, 1e-6))
        if degree >= 1:
            return Priority(Urgency.AGAIN, degree)
        return Priority(Urgency.ALONG) if settling else None


def _stands(subject: Subject, memory: Memory) -> bool:
    """Whether somebody has not moved since the last look."""
    return bool(iou_matrix([subject.box], [memory.box])[0, 0] > STANDING)


def expected_gain(subject: Subject, memory: Memory, age: float) -> float:
    """Share of an answer that a look at a subject will change: its weight among all looks, by how
    well it shows the subject, as far as the picture is a new one, and as unsure as the tags are.
    ``age``: seconds since the last look."""
    weight = subject.quality / max(memory.weight + subject.quality, 1e-6)
    fresh = 1 - exp(-age / (FRESH_S * (PATIENCE if _stands(subject, memory) else 1)))
    return weight * fresh * (SURE + memory.unsure)
