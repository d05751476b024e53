"""Many looks at one subject, by labels that each have their own threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.tagging.vote import STAY, Past, VoteSettings
from pipeline.types import Tag


class LabelVote:
    """The vote over one subject: the mean of every label's probability over looks, weighted by how
    well each showed the subject.

    Of labels of one category only the surest is reported; with ``exclusive``, of all labels.

    Args:
        least: probability at which a label appears; it vanishes in proportion to
            ``settings.vanish``.
    """

    def __init__(
        self, settings: VoteSettings, least: Callable[[str], float], exclusive: bool = False
    ) -> None:
        self.settings = settings
        self.looks = 0
        self._least = least
        self._exclusive = exclusive
        self._past = Past(settings.memory)
        self._reports = False
        self._means: dict[str, float] = {}
        self._latest: dict[str, Tag] = {}
        self._shown: set[str] = set()

    def add(self, evidence: Sequence[Tag], quality: float = 1.0) -> None:
        """Count one look's evidence with a weight of its ``quality`` (above 0, any unit)."""
        self.looks += 1
        keep = self._past.kept(quality)
        self._means = {label: mean * keep for label, mean in self._means.items()}
        for tag in evidence:
            self._means[tag.label] = self._means.get(tag.label, 0.0) + (1 - keep) * tag.score
            self._latest[tag.label] = tag

    def result(self, hurry: bool = False) -> tuple[Tag, ...]:
        """Tags believed now, best first; remembers which are shown. In a ``hurry`` one look is
        enough."""
        self._reports |= self.looks >= (1 if hurry else self.settings.looks)
        if not self._reports:
            return ()
        stays = self.settings.vanish / max(self.settings.appear, 1e-6)
        best: dict[object, str] = {}
        for label in sorted(self._means, key=self._rank, reverse=True):
            bar = self._least(label) * (stays if label in self._shown else 1.0)
            if self._means[label] >= bar:
                best.setdefault(None if self._exclusive else self._latest[label].slot, label)
        self._shown = set(best.values())
        found = (
            replace(self._latest[label], score=round(min(self._means[label], 1.0), 4))
            for label in self._shown
        )
        return tuple(sorted(found, key=lambda tag: (-tag.score, tag.label)))

    def _rank(self, label: str) -> tuple[float, str]:
        return self._means[label] + STAY * (label in self._shown), label
