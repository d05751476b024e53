"""Many looks at one subject, one answer: evidence fused over its crops.

Each crop brings, per category, how likely it is and how likely each of its labels is. A category is
reported while its mean, weighted by how well each crop showed the subject, stays above a threshold
(with hysteresis). Its likeliest label is reported only when that is likely enough itself; otherwise
the category is: less exact, but right more often. Where no category of a part of the body is likely
enough, the likeliest one is if it is no mere guess, else the part: that somebody wears something
there is surer than what. Of two garments that are hardly ever worn together, such as a coat and a
jacket, the likelier one is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pydantic import Field, model_validator

from pipeline.settings.section import Section, Share
from pipeline.types import Tag


class VoteSettings(Section):
    """When a tag is believed: fusing the crops of a subject."""

    appear: Share = Field(0.4, description="fused probability at which a tag appears")
    vanish: Share = Field(0.25, description="fused probability below which it vanishes")
    fine: Share = Field(
        0.3, description="probability a label needs; below it, its category is reported"
    )
    likely: Share = Field(
        0.3, description="the same of a part's likeliest garment, where none of that part appears"
    )
    looks: int = Field(2, ge=1, le=100, description="crops needed before anything is reported")
    hurry: bool = Field(True, description="under pressure, one crop of a live camera is enough")
    memory: Share = Field(0.9, description="weight of the past against an equally good new crop")

    @model_validator(mode="after")
    def _ordered(self) -> VoteSettings:
        if self.vanish > self.appear:
            raise ValueError("vanish must not exceed appear")
        return self


#: Head start of the label reported last, so that two near equals do not alternate.
STAY = 0.05


@dataclass(slots=True)
class _Slot:
    """Evidence for one category of one subject: weighted means over crops."""

    whole: float = 0.0
    labels: dict[str, float] = field(default_factory=dict)
    colours: dict[tuple[str, ...], float] = field(default_factory=dict)
    attributes: dict[tuple[str, str], float] = field(default_factory=dict)
    latest: dict[str, Tag] = field(default_factory=dict)
    reported: str | None = None
    shown: bool = False

    def decay(self, keep: float) -> None:
        self.whole *= keep
        for votes in (self.labels, self.colours, self.attributes):
            for name in votes:
                votes[name] *= keep  # type: ignore[index]

    def add(self, tag: Tag, share: float) -> None:
        if tag.level != "fine" or tag.category is None:
            self.whole += share * tag.score
        if tag.level == "fine":
            self.labels[tag.label] = self.labels.get(tag.label, 0.0) + share * tag.score
        if tag.colours:
            self.colours[tag.colours] = self.colours.get(tag.colours, 0.0) + share * tag.score
        for pair in tag.attributes:
            self.attributes[pair] = self.attributes.get(pair, 0.0) + share * tag.score
        self.latest[tag.label if tag.level == "fine" else ""] = tag

    def appears(self, settings: VoteSettings) -> bool:
        """Whether there is a tag to show; remembers whether it is shown."""
        self.shown = self.whole >= (settings.vanish if self.shown else settings.appear)
        return self.shown

    @property
    def part(self) -> str:
        """The part of the body that it is; empty for anything else."""
        tag = self.latest.get("")
        return tag.label if tag and tag.level == "part" else ""

    @property
    def layers(self) -> tuple[str, ...]:
        """What it is hardly ever worn together with another one of."""
        return next(iter(self.latest.values())).layers

    @property
    def covers(self) -> tuple[str, ...]:
        """Parts of the body that it covers; none of a part itself."""
        return () if self.part else next(iter(self.latest.values())).covers

    def rank(self) -> float:
        """How likely it is, with a start for what was told last time."""
        return self.whole + STAY * (self.reported is not None)

    def tag(self, settings: VoteSettings) -> Tag:
        """The tag to show; remembers its label."""
        labels = {n: s + STAY * (n == self.reported) for n, s in self.labels.items()}
        best = max(labels, key=lambda name: labels[name], default="")
        if not best or (labels[best] < settings.fine and "" in self.latest):
            best = ""
        self.reported = best
        score = self.labels[best] if best else self.whole
        colours = max(self.colours, key=lambda names: self.colours[names], default=())
        # Later, heavier pairs overwrite lighter ones of the same name.
        attributes = dict(sorted(self.attributes, key=lambda pair: self.attributes[pair]))
        return replace(
            self.latest[best],
            colours=colours,
            attributes=tuple(sorted(attributes.items())),
            score=round(min(score, 1.0), 4),
        )


def _one_a_layer(slots: Sequence[_Slot]) -> list[_Slot]:
    """Those that can be worn together: of two that take the same layer, the likelier one."""
    worn: list[_Slot] = []
    taken: set[str] = set()
    for slot in sorted(slots, key=_Slot.rank, reverse=True):
        if taken.isdisjoint(slot.layers):
            worn.append(slot)
            taken.update(slot.layers)
    return worn


class Past:
    """How much the past counts against one more look, by how well each showed the subject."""

    def __init__(self, memory: float) -> None:
        self._most = min(memory, 0.999) / (1 - min(memory, 0.999))
        self._weight = 0.0
        self._best = 0.0

    def kept(self, quality: float) -> float:
        """Share of the past in the mean with a look of this ``quality``; counts that look."""
        self._best = max(self._best, quality)
        past = min(self._weight, self._most * self._best)
        self._weight = past + quality
        return past / self._weight


class Ballot(Protocol):
    """A vote over one subject."""

    settings: VoteSettings
    looks: int

    def add(self, evidence: Sequence[Tag], quality: float = 1.0) -> None:
        """Count one crop's evidence with a weight of its ``quality`` (above 0, any unit)."""
        ...

    def result(self, hurry: bool = False) -> tuple[Tag, ...]:
        """Tags believed now, best first; remembers which are shown. In a ``hurry`` one crop is
        enough."""
        ...


class Vote:
    """The vote over one subject, by categories and their labels."""

    def __init__(self, settings: VoteSettings) -> None:
        self.settings = settings
        self.looks = 0
        self._reports = False
        self._past = Past(settings.memory)
        self._slots: dict[tuple[str, str], _Slot] = {}

    def add(self, evidence: Sequence[Tag], quality: float = 1.0) -> None:
        self.looks += 1
        keep = self._past.kept(quality)
        for slot in self._slots.values():
            slot.decay(keep)
        for tag in evidence:
            self._slots.setdefault(tag.slot, _Slot()).add(tag, 1 - keep)

    def result(self, hurry: bool = False) -> tuple[Tag, ...]:
        self._reports |= self.looks >= (1 if hurry else self.settings.looks)
        if not self._reports:
            return ()
        shown = _one_a_layer([s for s in self._slots.values() if s.appears(self.settings)])
        named = {part for slot in shown for part in slot.covers}
        unnamed = {slot.part for slot in shown} - named - {""}
        told = [slot for slot in shown if slot.part not in named]
        while unnamed and (guess := self._likeliest(unnamed)):
            told = [slot for slot in told if slot.part not in guess.covers] + [guess]
            unnamed -= set(guess.covers)
        for slot in self._slots.values():
            if not any(slot is one for one in told):
                slot.reported = None
        return tuple(sorted((slot.tag(self.settings) for slot in told), key=lambda t: -t.score))

    def _likeliest(self, parts: set[str]) -> _Slot | None:
        """The likeliest garment that covers nothing but some of these parts, unless a mere guess;
        what was told last time has a start."""
        own = [s for s in self._slots.values() if s.covers and parts.issuperset(s.covers)]
        best = max(own, key=_Slot.rank, default=None)
        return best if best and best.rank() >= self.settings.likely else None
