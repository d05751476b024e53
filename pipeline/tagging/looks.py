"""Which crops are looked at, and when: for every tagger, of all cameras together.

The only place that chooses crops, spends the budget on them and has them voted on. A person is
looked at when new (several times), when the view is clearly better, or when the tags are stale;
each tagger says how much it needs that. One look serves all taggers that take part in it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from pipeline.picture.crop import quality
from pipeline.protocols import Budget
from pipeline.settings.section import PerSource
from pipeline.tagging.due import LookSettings
from pipeline.tagging.failures import Failures, Timed
from pipeline.tagging.persons import Persons
from pipeline.tagging.surroundings import Surroundings
from pipeline.tagging.tagger import Evidence, Subject, Tagger
from pipeline.types import Frame, TaggedFrame

#: A subject, and the taggers that take part in the look at it.
Look = tuple[Subject, tuple[Tagger, ...]]


def show(
    looks: Sequence[Look], taggers: Sequence[Tagger], failures: Failures
) -> list[dict[str, Evidence]]:
    """Evidence of every look, by tagger. What one tagger gives of a subject, those after it may
    use."""
    found: list[dict[str, Evidence]] = [{} for _ in looks]
    given: list[dict[str, object]] = [{} for _ in looks]
    for tagger in taggers:
        own = [i for i, (_, part) in enumerate(looks) if tagger in part]
        if not own:
            continue
        evidence = failures.look(tagger, [replace(looks[i][0], given=given[i]) for i in own])
        for i, one in zip(own, evidence, strict=True):
            found[i][tagger.name] = one
            given[i] = {**given[i], **one.given}
    return found


class LookStage:
    """Shows subjects to taggers, and attaches the tags voted for."""

    name = "looks"

    def __init__(
        self,
        taggers: Sequence[Tagger],
        settings: PerSource[LookSettings],
        budget: Budget,
        timed: Timed = lambda name: nullcontext(),
    ) -> None:
        self._taggers = list(taggers)
        self._budget = budget
        self._failures = Failures(timed)
        self._persons = Persons(taggers, settings)
        self._surroundings = Surroundings(taggers)

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        batch = [_rated(tagged) for tagged in batch]
        began = time.perf_counter()
        people = self._people(batch)
        around: list[Look] = [
            (subject, (tagger,))
            for tagged in batch
            for subject, tagger in self._surroundings.due(tagged, self._slowdown(tagged.frame))
        ]
        looks = people + around
        found = show(looks, self._taggers, self._failures)
        self._budget.spent("crop", time.perf_counter() - began, len(looks))
        best = set()
        for (subject, part), evidence in zip(looks, found, strict=True):
            hurried = self._slowdown(subject.frame) > 1
            if subject.kind != "person":
                self._surroundings.record(subject, part[0], evidence[part[0].name], hurried)
            elif self._persons.record(subject, evidence, hurried):
                best.add((id(subject.frame), subject.id))
        self._switch_off()
        return [self._attached(tagged, best, looks) for tagged in batch]

    def _switch_off(self) -> None:
        """Do without taggers that are broken."""
        for tagger in [one for one in self._taggers if self._failures.broken(one)]:
            self._taggers.remove(tagger)
            self._persons.drop(tagger)
            self._surroundings.drop(tagger)

    def forget(self, source: str) -> None:
        self._persons.forget(source)
        self._surroundings.forget(source)
        for tagger in self._taggers:
            tagger.forget(source)

    def _slowdown(self, frame: Frame) -> float:
        return self._budget.slowdown if frame.live else 1.0

    def _people(self, batch: list[TaggedFrame]) -> list[Look]:
        """The people to look at: all that recordings want, and of live cameras as many as the
        budget allows, those that need it most."""
        wanted = [
            look
            for tagged in batch
            if tagged.decision == "detect"
            for track in tagged.tracks
            if (look := self._persons.wanted(tagged, track, self._slowdown(tagged.frame)))
        ]
        live = [look for look in wanted if look[1].frame.live]
        live.sort(key=lambda look: (look[0], look[1].quality), reverse=True)
        chosen = [look for look in wanted if not look[1].frame.live]
        chosen += live[: self._budget.allowed("crop")]
        return [(subject, part) for _, subject, part in chosen]

    def _attached(
        self, tagged: TaggedFrame, best: set[tuple[int, int | None]], looks: Sequence[Look]
    ) -> TaggedFrame:
        frame = tagged.frame
        tracks = tuple(
            self._persons.tagged(frame.source, track, (id(frame), track.id) in best)
            for track in tagged.tracks
        )
        counts = Counter(
            tagger.name for subject, part in looks if subject.frame is frame for tagger in part
        )
        self._persons.ended(frame.source, tagged.ended)
        return replace(
            tagged,
            tracks=tracks,
            tags=self._surroundings.tags(frame.source),
            looks=tuple(counts.items()),
        )


def _rated(tagged: TaggedFrame) -> TaggedFrame:
    """Add the quality of every detected (not merely predicted) person."""
    if tagged.decision != "detect":
        return tagged
    tracks = tuple(
        track
        if track.predicted
        else replace(track, quality=track.score * quality(tagged.frame, track.box))
        for track in tagged.tracks
    )
    return replace(tagged, tracks=tracks)
