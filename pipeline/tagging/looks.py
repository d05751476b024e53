"""Which crops are looked at, and when: for every tagger, of all cameras together.

The only place that chooses crops, spends the budget on them and has them voted on. A person is
looked at when new (several times), when the view is clearly better, or when the tags are stale;
each tagger says how much it needs that. One look serves all taggers that take part in it.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Protocol

from pipeline.picture.crop import quality
from pipeline.protocols import Budget
from pipeline.settings.section import PerSource
from pipeline.tagging.aside import Aside, Origin
from pipeline.tagging.beside import Main
from pipeline.tagging.closeups import Closeups, Wanted
from pipeline.tagging.due import LookSettings
from pipeline.tagging.failures import Failures, Timed
from pipeline.tagging.persons import Persons
from pipeline.tagging.shares import Shares
from pipeline.tagging.surroundings import Surroundings
from pipeline.tagging.tagger import Evidence, Subject, Tagger
from pipeline.types import Frame, TaggedFrame

#: A subject, and the taggers that take part in the look at it.
Look = tuple[Subject, tuple[Tagger, ...]]
#: Who was seen better than ever before in a round, by camera and track, and where.
Best = dict[tuple[str, int | None], Subject]
#: Called when a tagger looks no more.
Gone = Callable[[], None]


class Looker(Protocol):
    """Shows subjects to a tagger."""

    def look(self, tagger: Tagger, subjects: Sequence[Subject]) -> list[Evidence] | None:
        """Evidence of each subject; ``None`` if it comes later."""
        ...


def show(
    looks: Sequence[Look],
    taggers: Sequence[Tagger],
    looker: Looker,
) -> list[dict[str, Evidence]]:
    """Evidence of every look, by tagger; none of those whose evidence comes later. What one tagger
    gives of a subject, those after it may use."""
    found: list[dict[str, Evidence]] = [{} for _ in looks]
    given: list[dict[str, object]] = [{} for _ in looks]
    for tagger in taggers:
        own = [i for i, (_, part) in enumerate(looks) if tagger in part]
        if not own:
            continue
        evidence = looker.look(tagger, [replace(looks[i][0], given=given[i]) for i in own])
        for i, one in zip(own, evidence or [], strict=evidence is not None):
            found[i][tagger.name] = one
            given[i] = {**given[i], **one.given}
    return found


class LookStage:
    """Shows subjects to taggers, and attaches the tags voted for.

    Taggers may come and go while it works: ``add`` and ``remove`` are for any thread.

    ``mains`` are the main streams of cameras whose frames are a sub-stream's, ``None`` while one is
    down.
    """

    name = "looks"

    def __init__(
        self,
        taggers: Sequence[Tagger],
        settings: PerSource[LookSettings],
        budget: Budget,
        timed: Timed = lambda name: nullcontext(),
        mains: Callable[[str], Main | None] = lambda source: None,
    ) -> None:
        self._taggers = list(taggers)
        self._coming: deque[Tagger] = deque()
        self._going: deque[tuple[Tagger, Gone]] = deque()
        self._leaving: list[tuple[Tagger, Gone]] = []
        self._budget = budget
        self._failures = Failures(timed)
        self._shares = Shares()
        self._aside = Aside(self._failures, self._shares)
        self._persons = Persons(taggers, settings)
        self._surroundings = Surroundings(taggers)
        self._closeups = Closeups(mains, self._persons, self._surroundings, settings)

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        self._change()
        batch = [_rated(tagged) for tagged in batch] if self._taggers else batch
        began = time.perf_counter()
        self._shares.begin(self._taggers, self._budget.slowdown)
        self._take_in()
        self._persons.poor = self._surroundings.poor = self._shares.poor() | self._aside.busy
        self._closeups.begin()
        people = self._people(batch)
        around = [one for tagged in batch for one in self._around(tagged)]
        known = [subject for subject, _ in people] + [subject for subject, _, _ in around]
        looks: list[Look] = [(self._closeups.shown(subject), part) for subject, part in people]
        looks += [(subject, (tagger,)) for _, subject, tagger in around]
        busy = self._aside.busy
        found = show(looks, self._taggers, self._aside)
        shared = sum(any(one.share is None for one in part) for _, part in looks)
        self._budget.spent("crop", time.perf_counter() - began, shared)
        best: Best = {}
        frames = [tagged.frame for tagged in batch]
        origins: list[Origin] = []
        for subject, (shown, _), evidence in zip(known, looks, found, strict=True):
            origins.append((subject, shown.box, self._closeups.placer(shown, frames)))
            if self._record(origins[-1], evidence):
                best[subject.frame.source, subject.id] = shown
        for tagger in self._taggers:
            if tagger.name in self._aside.busy - busy:
                pairs = zip(origins, looks, strict=True)
                self._aside.remember(tagger, [own for own, (_, part) in pairs if tagger in part])
        self._switch_off()
        return [self._attached(tagged, best, looks) for tagged in batch]

    def _record(self, origin: Origin, evidence: Mapping[str, Evidence]) -> bool:
        """Count what taggers found at one look; whether it shows somebody better than any did."""
        subject, shown, placed = origin
        hurried = self._slowdown(subject.frame) > 1
        there = {name: placed(one) for name, one in evidence.items()}
        if subject.kind == "person":
            return self._persons.record(subject, there, hurried, shown)
        for tagger in self._taggers:
            if tagger.name in there:
                self._surroundings.record(subject, tagger, there[tagger.name], hurried)
        return False

    def _take_in(self) -> None:
        """Count what was found aside, of whoever is still there."""
        for job in self._aside.arrived():
            for origin, evidence in zip(job.origins, job.evidence, strict=True):
                subject = origin[0]
                rooms = self._persons if subject.kind == "person" else self._surroundings
                if rooms.knows(subject, job.tagger):
                    self._record(origin, {job.tagger.name: evidence})

    def add(self, tagger: Tagger) -> None:
        """Have one more tagger look, behind the others, from the next round on."""
        self._coming.append(tagger)

    def remove(self, tagger: Tagger, gone: Gone) -> None:
        """Ask a tagger no more from the next round on; what it found on people stays. ``gone`` is
        called once it does not look any more."""
        self._going.append((tagger, gone))

    def _change(self) -> None:
        """Take in who came, and let go of who is to go."""
        while self._coming:
            tagger = self._coming.popleft()
            self._taggers.append(tagger)
            self._failures.forgive(tagger)
            self._persons.add(tagger)
            self._surroundings.add(tagger)
        while self._going:
            tagger, gone = self._going.popleft()
            self._drop(tagger)
            self._leaving.append((tagger, gone))
        for tagger, gone in list(self._leaving):
            if tagger.name not in self._aside.busy:
                self._leaving.remove((tagger, gone))
                gone()

    def close(self) -> None:
        """Wait for looks that are under way: their engines are about to be closed."""
        self._aside.close()

    def _around(self, tagged: TaggedFrame) -> list[tuple[Subject, Subject, Tagger]]:
        """What to look at besides people: as it is known, as it is shown, and by whom."""
        slowdown = self._slowdown(tagged.frame)
        if tagged.frame.sub:
            return list(self._closeups.around(tagged, slowdown))
        due = self._surroundings.due(tagged, slowdown)
        return [(subject, subject, tagger) for subject, tagger in due]

    def _switch_off(self) -> None:
        """Do without taggers that are broken."""
        for tagger in [one for one in self._taggers if self._failures.broken(one)]:
            self._drop(tagger)

    def _drop(self, tagger: Tagger) -> None:
        if tagger in self._taggers:
            self._taggers.remove(tagger)
        self._persons.drop(tagger)
        self._surroundings.drop(tagger)

    def pending(self, frame: Frame) -> bool:
        """Whether a picture of a camera's main stream waits for a detection on its sub-stream."""
        return self._closeups.pending(frame)

    def forget(self, source: str) -> None:
        self._persons.forget(source)
        self._surroundings.forget(source)
        self._closeups.forget(source)
        for tagger in self._taggers:
            tagger.forget(source)

    def _slowdown(self, frame: Frame) -> float:
        return self._budget.slowdown if frame.live else 1.0

    def _people(self, batch: list[TaggedFrame]) -> list[Look]:
        """The people to look at: all that recordings want, and of live cameras as many as the
        budget allows, those that need it most."""
        wanted: list[Wanted] = []
        for tagged in batch:
            slowdown = self._slowdown(tagged.frame)
            if tagged.frame.sub:
                wanted += self._closeups.people(tagged, slowdown)
            elif tagged.decision == "detect":
                looks = (self._persons.wanted(tagged, track, slowdown) for track in tagged.tracks)
                wanted += [look for look in looks if look]
        live = [look for look in wanted if look[1].frame.live]
        live.sort(key=lambda look: (look[0], look[1].quality), reverse=True)
        chosen = [look for look in wanted if not look[1].frame.live]
        out: list[Look] = [(subject, part) for _, subject, part in chosen]
        for _, subject, part in live[: self._budget.allowed("crop")]:
            affordable = tuple(tagger for tagger in part if self._shares.admit(tagger))
            out += [(subject, affordable)] if affordable else []
        self._closeups.ask([subject for subject, _ in out], self._budget.rate("crop"))
        return out

    def _attached(self, tagged: TaggedFrame, best: Best, looks: Sequence[Look]) -> TaggedFrame:
        frame = tagged.frame
        own = [look for look in looks if self._closeups.belongs(look[0], frame)]
        tracks = []
        for track in tagged.tracks:
            shown = best.get((frame.source, track.id))
            better = shown is not None and self._closeups.belongs(shown, frame)
            tracks.append(self._persons.tagged(frame.source, track, better))
        counts = Counter(tagger.name for _, part in own for tagger in part)
        close = sum(subject.frame is not frame for subject, _ in own)
        self._persons.ended(frame.source, tagged.ended)
        return replace(
            tagged,
            tracks=tuple(tracks),
            tags=self._surroundings.tags(frame.source),
            looks=tuple(counts.items()),
            views=(close, len(own) - close) if frame.sub else (0, 0),
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
