"""What the parser's heads say of a person, laid over what it says of labels.

A head sees the whole crop and knows one answer to one question; cells and presence know what lies
where, also under something else. So the head says what is worn outermost, and what the parser finds
besides counts as far as something else is worn over it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from engines.base import Array
from engines.packs import Label
from pipeline.tagging.garments.attributes import SLEEVED
from pipeline.tagging.garments.parts import COVERS, UPPER

#: Labels that an answer stands for besides the one it is called by; the parser tells them apart.
ALSO: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sweatshirt": ("hoodie",),
        "sweater": ("jumper",),
        "coat": ("cape",),
        "blazer": ("suit",),
        "dress": ("romper", "bodysuit"),
    }
)
#: Categories worn over others.
OUTER = frozenset({"jacket", "coat", "cardigan", "vest", "cape"})
#: Questions about garments. What heads say of hats, scarves and bags is no better than the parser.
GARMENTS = ("upper", "lower")
#: Questions whose answers are attributes of the upper garment.
ATTRIBUTES = ("sleeve", "pattern")
#: Share of the heads in what is reported, against the parser alone.
SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Said:
    """Probability of each label and category, attributes, and the category they belong to."""

    worn: list[float]
    groups: list[float]
    attributes: tuple[tuple[str, str], ...] = ()
    outermost: str = ""


class Answers:
    """Reads the answers of a model that was asked ``questions``: question -> its answers, the first
    of which is that nothing is to be seen."""

    def __init__(
        self,
        questions: Mapping[str, tuple[str, ...]],
        known: Sequence[Label],
        groups: Sequence[str],
    ) -> None:
        self.questions = questions
        self._groups = groups
        index = {label.name: i for i, label in enumerate(known)}
        self._labels = {
            answer: [index[name] for name in (answer, *ALSO.get(answer, ())) if name in index]
            for question in GARMENTS
            for answer in questions.get(question, ())[1:]
        }
        place = {name: i for i, name in enumerate(groups)}
        #: Categories that answers are about.
        self.categories = frozenset(
            known[i].category for own in self._labels.values() for i in own
        ) - {None}
        self._group_of = [place.get(label.category or "") for label in known]
        self._upper = [i for i, name in enumerate(groups) if UPPER in COVERS.get(name, ())]

    def over(self, worn: list[float], groups: list[float], told: Mapping[str, Array]) -> Said:
        """The parser's probabilities with the answers (n,) of each question over them."""
        worn, groups = list(worn), list(groups)
        for question in GARMENTS:
            if question in self.questions:
                self._lay(worn, groups, question, told[question])
        if not self._upper:
            return Said(worn, groups)
        outermost = self._groups[max(self._upper, key=lambda i: groups[i])]
        return Said(worn, groups, self._attributes(told), outermost)

    def _lay(self, worn: list[float], groups: list[float], question: str, told: Array) -> None:
        """Put the answers of one question into labels and categories, in place."""
        share: dict[int, float] = {}
        for answer, chance in zip(self.questions[question][1:], told[1:].tolist(), strict=True):
            own = self._labels[answer]
            if question == "lower" and answer == "dress":
                continue  # the upper garment tells
            parts = [max(worn[i], 1e-6) for i in own]
            for i, part in zip(own, parts, strict=True):
                share[i] = chance * part / sum(parts)
        by_group: dict[int, float] = {}
        for i, chance in share.items():
            group = self._group_of[i]
            if group is not None:
                by_group[group] = by_group.get(group, 0.0) + chance
        for group, chance in by_group.items():
            under = self._over(question, by_group, group) * groups[group]
            groups[group] = _mixed(chance + (1.0 - chance) * under, groups[group])
        for i, chance in share.items():
            group = self._group_of[i]
            under = self._over(question, by_group, group) if group is not None else 0.0
            worn[i] = _mixed(chance + (1.0 - chance) * under * worn[i], worn[i])

    def _over(self, question: str, by_group: Mapping[int, float], group: int) -> float:
        """How likely something else is worn over a category."""
        if question != "upper":
            return 0.0
        over = (i for i in by_group if i != group and self._groups[i] in OUTER)
        return sum(by_group[i] for i in over)

    def _attributes(self, told: Mapping[str, Array]) -> tuple[tuple[str, str], ...]:
        found = []
        for name in ATTRIBUTES:
            if name in self.questions and told[name][0] < 0.5:
                answers = self.questions[name]
                found.append((name, answers[1 + int(np.argmax(told[name][1:]))]))
        return tuple(found)

    def attributes(
        self, seen: tuple[tuple[str, str], ...], category: str | None, said: Said
    ) -> tuple[tuple[str, str], ...]:
        """Attributes of a tag: those read from cells (``seen``) unless a head knows better."""
        kept = tuple(pair for pair in seen if pair[0] not in self.questions)
        if category not in SLEEVED or category not in (said.outermost, UPPER):
            return kept
        return (*said.attributes, *kept)


def _mixed(head: float, parser: float) -> float:
    return SHARE * head + (1.0 - SHARE) * parser
