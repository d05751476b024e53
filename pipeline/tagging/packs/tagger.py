"""A pack as a tagger: any classifier, tagger, detector or embedder with a list of labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from engines.base import Array, Arrays, Engine
from engines.packs import Pack
from engines.packs.label_files import F32, thresholds
from engines.packs.tagger import WHOLE, Background, TaggerTable
from pipeline.picture.crop import nearer
from pipeline.settings.section import PerSource
from pipeline.tagging.label_vote import LabelVote
from pipeline.tagging.packs.again import TwoLooks, part_window
from pipeline.tagging.packs.cutting import Matter, as_input, pictures, place, window
from pipeline.tagging.packs.outputs import Found, boxes_found, label_scores
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.packs.vocabulary import Vocabulary
from pipeline.tagging.tagger import (
    Evidence,
    Kind,
    Memory,
    Priority,
    Schedule,
    Subject,
    Tagger,
    TaggerSettings,
    Urgency,
)
from pipeline.tagging.vote import Ballot
from pipeline.types import Box, Tag, Window

#: Pictures in one run of a model that takes several.
MOST_BATCH = 8
#: Share of its threshold under which a label is no evidence: the vote cannot show it.
HOPELESS = 0.25
#: Most labels of one look that are evidence.
MOST_LABELS = 64

#: A subject, where on it is looked, and what was cut.
_Look = tuple[Subject, Box, Window]


class PackTagger(Tagger):
    """Does what a pack's ``[tagger]`` table says.

    Args:
        parsed: settings of the tagger that parses people, where there is one: a pack that looks at
            garments, or changes backgrounds, joins its looks.
        matter: tells what lies behind people who are not parsed.

    Raises:
        PackError: the pack's files or outputs do not fit its labels.
    """

    def __init__(
        self,
        engine: Engine,
        pack: Pack,
        settings: PerSource[PackSettings],
        parsed: PerSource[TaggerSettings] | None = None,
        matter: Matter | None = None,
    ) -> None:
        super().__init__(settings)
        assert pack.tagger is not None
        self.name = pack.name
        self.wants = frozenset({pack.tagger.shown})
        self.tile_shape = pack.size
        self._engine = engine
        self._pack = pack
        self._table: TaggerTable = pack.tagger
        self._parsed = parsed
        self._matter = matter
        named = settings.of("").labels
        self._words = Vocabulary(pack, Path(named) if named else None)
        self._own = thresholds(pack)
        self._input = next(tensor for tensor in pack.inputs if tensor.layout)
        self._looks = TwoLooks(engine, pack) if pack.tagger.again_below else None
        self._read(self._run([np.zeros((pack.size[1], pack.size[0], 3), np.uint8)]))  # fits, or not

    # -- When ----------------------------------------------------------------------------------

    def need(self, subject: Subject, memory: Memory, schedule: Schedule) -> Priority | None:
        due = super().need(subject, memory, schedule)
        if due is None or not self._joins(subject.frame.source):
            return due
        return Priority(Urgency.ALONG, due.degree)

    def _joins(self, source: str) -> bool:
        """Whether it looks along with what parses people, whose parsing it uses."""
        if self._parsed is None or not self._parsed.of(source).wanted:
            return False
        return self._table.subject not in WHOLE or self._background(source) != "keep"

    def every_s(self, kind: Kind, source: str) -> float:
        if kind not in self.wants or kind == "person":
            return 0.0
        own: float | None = self.settings.of(source).every_s
        return own or self._table.every_s

    @property
    def share(self) -> float | None:
        share: float = self.settings.of("").share
        return share

    def vote(self, source: str) -> Ballot:
        settings = self.settings.of(source).vote
        exclusive = self._table.kind == "classifier"
        return LabelVote(settings, lambda label: self._least(label, source), exclusive)

    def _least(self, label: str, source: str) -> float:
        """Probability at which a label is reported."""
        own: float | None = self.settings.of(source).least
        return self._own.get(label, self._table.least if own is None else own)

    @property
    def changes_backgrounds(self) -> bool:
        """Whether it is shown people with something done to what lies behind them."""
        return self._background("") != "keep"

    def _background(self, source: str) -> Background:
        own: Background | None = self.settings.of(source).background
        return own or self._table.background

    # -- What ----------------------------------------------------------------------------------

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        self._words.refresh(time.monotonic())
        found: list[Evidence] = [Evidence()] * len(subjects)
        where = [place(subject, self._table) for subject in subjects]
        seen = [i for i, box in enumerate(where) if box is not None]
        several = isinstance(self._input.shape[0], str) and self._looks is None
        most = MOST_BATCH if several else 1
        for start in range(0, len(seen), most):
            part = seen[start : start + most]
            looks = [(subjects[i], where[i] or subjects[i].box) for i in part]
            for i, evidence in zip(part, self._batch(looks), strict=True):
                found[i] = evidence
        return found

    def _batch(self, looks: Sequence[tuple[Subject, Box]]) -> list[Evidence]:
        cuts = [(subject, window(box, self._table, self._pack.size)) for subject, box in looks]
        behind = [self._background(subject.frame.source) for subject, _ in looks]
        shown = pictures(cuts, self._pack, behind, self._matter)

        def part_of(part: Array) -> Array:
            [(subject, own)] = cuts  # a pack that looks again takes one at a time
            closer = [(subject, part_window(own, part))]
            return as_input(pictures(closer, self._pack, behind, self._matter), self._input)

        scores, boxes = self._read(self._run(shown, part_of))
        cut = [(subject, box, own) for (subject, box), (_, own) in zip(looks, cuts, strict=True)]
        if boxes is not None:
            return [Evidence(tuple(self._boxed(*one))) for one in zip(cut, boxes, strict=True)]
        assert scores is not None
        return [Evidence(tuple(self._scored(*one))) for one in zip(cut, scores, strict=True)]

    def _run(
        self, shown: Sequence[Array], part_of: Callable[[Array], Array] | None = None
    ) -> Arrays:
        """Outputs for pictures; ``part_of``: see ``TwoLooks.run``."""
        images = as_input(shown, self._input)
        if self._looks is None:
            return self._engine.infer({self._input.name: images})
        return self._looks.run(images, part_of or (lambda part: images))

    def _read(self, outputs: Arrays) -> tuple[F32 | None, list[Found] | None]:
        """Scores of labels, or boxes, of every picture."""
        if self._table.kind == "detector":
            return None, boxes_found(outputs, self._pack, self._words)
        return label_scores(outputs, self._pack, self._words), None

    def _scored(self, look: _Look, scores: F32) -> Iterator[Tag]:
        """Labels of a subject as a whole that are not hopeless."""
        subject, box, _ = look
        source = subject.frame.source
        lowest = HOPELESS * min([*self._own.values(), self._least("", source)])
        names = self._words.names
        likely = np.flatnonzero(scores >= lowest)
        likely = likely[np.argsort(-scores[likely], kind="stable")]
        allowed = [i for i in likely if names[i] not in self._words.silent]
        for i in allowed[:MOST_LABELS]:
            if self._tells(names[i], float(scores[i]), subject):
                yield self._tag(int(i), float(scores[i]), box, subject)

    def _boxed(self, look: _Look, found: Found) -> Iterator[Tag]:
        """Boxes on a subject that are not hopeless: of a person the surest of every label."""
        subject, _, (x0, y0, x1, y1) = look
        told: set[int] = set()
        for share, label, score in zip(found.boxes, found.labels, found.scores, strict=True):
            a, b, c, d = (float(v) for v in share)
            width, height = x1 - x0, y1 - y0
            box = (x0 + a * width, y0 + b * height, x0 + c * width, y0 + d * height)
            name, i = self._words.labels[label].name, int(label)
            others = any(nearer(box, other, subject.box) for other in subject.others)
            doubled = subject.kind == "person" and (i in told or others)
            if doubled or not (a < c and b < d) or not self._tells(name, float(score), subject):
                continue
            told.add(i)
            yield self._tag(i, float(score), box, subject)

    def _tells(self, label: str, score: float, subject: Subject) -> bool:
        """Whether a label is evidence. Tiles are not voted on: what is there was seen."""
        bar = self._least(label, subject.frame.source)
        return score >= (bar if subject.kind == "tile" else HOPELESS * bar)

    def _tag(self, i: int, score: float, box: Box, subject: Subject) -> Tag:
        label = self._words.labels[i]
        return Tag(
            self._table.report or self._pack.name,
            label.name,
            label.category,
            min(max(score, 0.0), 1.0),
            box,
            model=self._pack.name,
            outlined=subject.kind != "person" and self._table.kind == "detector",
        )
