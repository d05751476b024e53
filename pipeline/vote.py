"""Many looks at one person, one answer: tags fused over a track's crops, with hysteresis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.types import Tag


@dataclass(frozen=True, slots=True)
class VotePolicy:
    """When a tag is believed.

    Attributes:
        appear: fused score at which a tag appears.
        vanish: fused score under which a shown tag vanishes.
        looks: crops needed before anything is said.
        memory: weight (0 to 1) the past keeps when a new crop arrives, once there are several.
    """

    appear: float = 0.25
    vanish: float = 0.15
    looks: int = 2
    memory: float = 0.75


def slot_of(tag: Tag) -> tuple[str, str]:
    """Tags that compete with each other: a person wears jeans or pants, not both."""
    return tag.kind, tag.category or tag.label


@dataclass(slots=True)
class _Slot:
    """Evidence for one category of one person."""

    score: float = 0.0
    labels: dict[str, float] = field(default_factory=dict)
    colours: dict[str, float] = field(default_factory=dict)
    latest: Tag | None = None
    shown: bool = False

    def decay(self, keep: float) -> None:
        self.score *= keep
        for votes in (self.labels, self.colours):
            for name in votes:
                votes[name] *= keep

    def add(self, tag: Tag, share: float) -> None:
        self.score += share * tag.score
        self.labels[tag.label] = self.labels.get(tag.label, 0.0) + share * tag.score
        if tag.colour:
            self.colours[tag.colour] = self.colours.get(tag.colour, 0.0) + share * tag.score
        self.latest = tag


class TrackVote:
    """The vote of one track."""

    def __init__(self, policy: VotePolicy) -> None:
        self.policy = policy
        self.looks = 0
        self._slots: dict[tuple[str, str], _Slot] = {}

    def add(self, tags: Sequence[Tag]) -> None:
        """Count one crop's tags. The first crops weigh equally, later ones fade the past."""
        self.looks += 1
        keep = min(1 - 1 / self.looks, self.policy.memory)
        best: dict[tuple[str, str], Tag] = {}
        for tag in tags:
            slot = slot_of(tag)
            if slot not in best or tag.score > best[slot].score:
                best[slot] = tag
        for evidence in self._slots.values():
            evidence.decay(keep)
        for slot, tag in best.items():
            self._slots.setdefault(slot, _Slot()).add(tag, 1 - keep)

    def result(self) -> tuple[Tag, ...]:
        """Tags believed now, best first; remembers which are shown."""
        if self.looks < self.policy.looks:
            return ()
        tags = []
        for slot in self._slots.values():
            limit = self.policy.vanish if slot.shown else self.policy.appear
            slot.shown = slot.score >= limit
            if slot.shown and slot.latest is not None:
                label = max(slot.labels, key=lambda name: slot.labels[name])
                colour = max(slot.colours, key=lambda name: slot.colours[name], default=None)
                score = round(min(slot.score, 1.0), 4)
                tags.append(replace(slot.latest, label=label, colour=colour, score=score))
        return tuple(sorted(tags, key=lambda tag: -tag.score))
