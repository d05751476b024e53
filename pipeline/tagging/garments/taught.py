"""Labels a parser was taught besides its own: evidence, and a vote of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engines.base import Array
from engines.packs.taught import TaughtLabels
from pipeline.tagging.label_vote import LabelVote
from pipeline.tagging.vote import Vote, VoteSettings
from pipeline.types import Box, Tag

#: Share of a label's threshold under which it is no evidence.
HOPELESS = 0.1


def evidence(known: TaughtLabels, scores: Array, box: Box, model: str) -> Iterator[Tag]:
    """What the scores (labels,) of one crop say of a person."""
    for label, score in zip(known.labels, scores.tolist(), strict=True):
        if label not in known.ignore and score >= HOPELESS * known.least:
            yield Tag(known.report, label, None, min(score, 1.0), box, model=model)


class BothVotes:
    """The vote over garments, and the one over labels that were taught."""

    def __init__(self, settings: VoteSettings, known: TaughtLabels) -> None:
        self.settings = settings
        self.looks = 0
        self._report = known.report
        self._garments = Vote(settings)
        self._taught = LabelVote(settings, lambda label: known.least, exclusive=True)

    def add(self, evidence: Sequence[Tag], quality: float = 1.0) -> None:
        """Count one crop's evidence with a weight of its ``quality``."""
        self.looks += 1
        self._garments.add([tag for tag in evidence if tag.kind != self._report], quality)
        self._taught.add([tag for tag in evidence if tag.kind == self._report], quality)

    def result(self, hurry: bool = False) -> tuple[Tag, ...]:
        """Tags believed now, best first."""
        found = (*self._garments.result(hurry), *self._taught.result(hurry))
        return tuple(sorted(found, key=lambda tag: -tag.score))
