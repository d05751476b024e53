"""Many looks at one person, one answer: evidence fused over a track's crops.

Each crop brings, per garment category, how likely it is worn and how likely each of its labels is.
A category is shown while its mean, weighted by how well each crop showed the person, stays above a
threshold (with hysteresis). Its finest label is said only when that is likely enough itself;
otherwise the category's own name is, which is less but right more often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.types import Tag


@dataclass(frozen=True, slots=True)
class VotePolicy:
    """When a tag is believed.

    Attributes:
        appear: fused probability at which a category appears.
        vanish: fused probability under which a shown one vanishes.
        fine: fused probability a label needs to be said instead of its category.
        looks: crops needed before anything is said.
        memory: weight (0 to 1) the past keeps when an equally good crop arrives.
    """

    appear: float = 0.4
    vanish: float = 0.25
    fine: float = 0.35
    looks: int = 2
    memory: float = 0.9


#: What a label that is being said has over others, so that two near equals do not alternate.
STAY = 0.05


def slot_of(tag: Tag) -> tuple[str, str]:
    """Tags that compete with each other: a person wears jeans or pants, not both."""
    return tag.kind, tag.category or tag.label


@dataclass(slots=True)
class _Slot:
    """Evidence for one category of one person: weighted means over crops."""

    whole: float = 0.0
    labels: dict[str, float] = field(default_factory=dict)
    colours: dict[tuple[str, ...], float] = field(default_factory=dict)
    attributes: dict[tuple[str, str], float] = field(default_factory=dict)
    latest: dict[str, Tag] = field(default_factory=dict)
    said: str | None = None
    shown: bool = False

    def decay(self, keep: float) -> None:
        self.whole *= keep
        for votes in (self.labels, self.colours, self.attributes):
            for name in votes:
                votes[name] *= keep  # type: ignore[index]

    def add(self, tag: Tag, share: float) -> None:
        if tag.level == "category" or tag.category is None:
            self.whole += share * tag.score
        if tag.level == "fine":
            self.labels[tag.label] = self.labels.get(tag.label, 0.0) + share * tag.score
        if tag.colours:
            self.colours[tag.colours] = self.colours.get(tag.colours, 0.0) + share * tag.score
        for pair in tag.attributes:
            self.attributes[pair] = self.attributes.get(pair, 0.0) + share * tag.score
        self.latest[tag.label if tag.level == "fine" else ""] = tag

    def result(self, policy: VotePolicy) -> Tag | None:
        """The tag to show, if any; remembers what is shown."""
        self.shown = self.whole >= (policy.vanish if self.shown else policy.appear)
        if not self.shown:
            self.said = None
            return None
        labels = {n: s + STAY * (n == self.said) for n, s in self.labels.items()}
        best = max(labels, key=lambda name: labels[name], default="")
        if not best or (labels[best] < policy.fine and "" in self.latest):
            best = ""
        self.said = best
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


class TrackVote:
    """The vote of one track."""

    def __init__(self, policy: VotePolicy) -> None:
        self.policy = policy
        self.looks = 0
        self._speaks = False
        self._weight = 0.0
        self._best = 0.0
        self._slots: dict[tuple[str, str], _Slot] = {}

    def add(self, evidence: Sequence[Tag], quality: float = 1.0) -> None:
        """Count one crop's evidence with a weight of its ``quality`` (above 0, any unit)."""
        self.looks += 1
        self._best = max(self._best, quality)
        memory = min(self.policy.memory, 0.999)
        past = min(self._weight, memory / (1 - memory) * self._best)
        self._weight = past + quality
        keep = past / self._weight
        for slot in self._slots.values():
            slot.decay(keep)
        for tag in evidence:
            self._slots.setdefault(slot_of(tag), _Slot()).add(tag, 1 - keep)

    def result(self, hurry: bool = False) -> tuple[Tag, ...]:
        """Tags believed now, best first; remembers which are shown. In a ``hurry`` one crop is
        enough to say something."""
        self._speaks |= self.looks >= (1 if hurry else self.policy.looks)
        if not self._speaks:
            return ()
        found = (slot.result(self.policy) for slot in self._slots.values())
        return tuple(sorted((tag for tag in found if tag), key=lambda tag: -tag.score))
