"""What is known of the people in view: each tagger's looks at them, and the tags voted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.picture.crop import moved_along
from pipeline.settings.section import PerSource
from pipeline.tagging.due import Due, LookSettings
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.tagger import Evidence, Memory, Priority, Subject, Tagger, Urgency
from pipeline.tagging.vote import Ballot
from pipeline.types import Box, Tag, TaggedFrame, Track


@dataclass(slots=True)
class State:
    """What one tagger knows of one subject."""

    vote: Ballot
    memory: Memory = field(default_factory=Memory)
    tags: tuple[Tag, ...] = ()

    def count(self, subject: Subject, evidence: Evidence, hurried: bool) -> None:
        """Let the evidence of one look vote."""
        self.vote.add(evidence.tags, max(subject.quality, 1.0))
        self.tags = self.vote.result(hurried and self.vote.settings.hurry)
        self._remember(subject)

    def take(self, subject: Subject, evidence: Evidence) -> None:
        """Take the tags of one look as they are: the tagger has settled them."""
        self.tags = evidence.tags
        self._remember(subject)

    def _remember(self, subject: Subject) -> None:
        memory = self.memory
        memory.looks, memory.at, memory.box = memory.looks + 1, subject.frame.pts, subject.box
        memory.best = max(memory.best, subject.quality)
        past = min(self.vote.settings.memory, 0.999)
        most = memory.best * past / (1 - past)
        memory.weight = min(memory.weight, most) + subject.quality
        scores = [tag.score for tag in self.tags]
        memory.unsure = 1 - sum(scores) / len(scores) if scores else 1.0


@dataclass(slots=True)
class _Person:
    """One track: what each tagger knows of it, the best quality looked at, its tags, and the head
    as the last parsing showed it, with the person's box then."""

    states: dict[str, State] = field(default_factory=dict)
    best: float = 0.0
    tags: tuple[Tag, ...] = ()
    head: tuple[Box, Box] | None = None


class Persons:
    """The people of all cameras, by track.

    Attributes:
        poor: names of taggers that can afford no look at a live camera now.
    """

    def __init__(self, taggers: Sequence[Tagger], settings: PerSource[LookSettings]) -> None:
        self._taggers = [tagger for tagger in taggers if "person" in tagger.wants]
        self._names = [tagger.name for tagger in self._taggers]
        self._settings = settings
        self.poor: frozenset[str] = frozenset()
        self._known: dict[tuple[str, int], _Person] = {}

    def wanted(
        self, tagged: TaggedFrame, track: Track, slowdown: float
    ) -> tuple[Priority, Subject, tuple[Tagger, ...]] | None:
        """How much a person needs a look, and the taggers that take part; ``None`` if not now."""
        frame = tagged.frame
        settings = self._settings.of(frame.source)
        if track.predicted or track.box[3] - track.box[1] < settings.min_height_px:
            return None
        subject = Subject("person", frame, track.box, track.id, track.quality)
        person = self._known.get((frame.source, track.id))
        needs: dict[Tagger, Priority] = {}
        for tagger in self._taggers:
            own = tagger.settings.of(frame.source)
            if not own.wanted or (frame.live and tagger.name in self.poor):
                continue
            state = person.states.get(tagger.name) if person else None
            due = Due(settings, slowdown, own.vote.hurry and slowdown > 1)
            need = tagger.need(subject, state.memory if state else Memory(), due)
            if need is not None:
                needs[tagger] = need
        most = max(needs.values(), default=Priority(Urgency.ALONG))
        if most.urgency is Urgency.ALONG:
            return None
        others = tuple(other.box for other in tagged.tracks if other.id != track.id)
        return most, replace(subject, others=others), tuple(needs)

    def knows(self, subject: Subject, tagger: Tagger) -> bool:
        """Whether a person was looked at and is still there."""
        return (subject.frame.source, subject.id) in self._known and tagger in self._taggers

    def record(
        self, subject: Subject, evidence: Mapping[str, Evidence], hurried: bool, shown: Box
    ) -> bool:
        """Count one look at a person, who was at ``shown`` in the picture that taggers had; whether
        it shows them better than all before."""
        source, track_id = subject.frame.source, subject.id
        assert track_id is not None
        person = self._known.setdefault((source, track_id), _Person())
        for tagger in self._taggers:
            if tagger.name in evidence:
                state = person.states.get(tagger.name) or State(tagger.vote(source))
                person.states[tagger.name] = state
                state.count(subject, evidence[tagger.name], hurried)
        person.tags = tuple(
            replace(tag, track_id=track_id)
            for name in self._names  # in their order, whichever looked first
            if name in person.states
            for tag in person.states[name].tags
        )
        for one in evidence.values():
            parsing = one.given.get("parsing")
            if isinstance(parsing, Parsing):
                head = parsing.head(shown)
                person.head = (head, shown) if head else None
        better = subject.quality > person.best
        person.best = max(person.best, subject.quality)
        return better

    def tagged(self, source: str, track: Track, best: bool) -> Track:
        """A track with its tags."""
        person = self._known.get((source, track.id))
        if person is None:
            return track
        head = moved_along(*person.head, track.box) if person.head else None
        return replace(track, tags=person.tags, best=best, head=head)

    def ended(self, source: str, track_ids: Sequence[int]) -> None:
        for track_id in track_ids:
            self._known.pop((source, track_id), None)

    def add(self, tagger: Tagger) -> None:
        """Ask one more tagger. What another of its name knew, it does not."""
        if "person" not in tagger.wants:
            return
        self._taggers.append(tagger)
        self._names += [] if tagger.name in self._names else [tagger.name]
        for person in self._known.values():
            person.states.pop(tagger.name, None)

    def drop(self, tagger: Tagger) -> None:
        """Ask a tagger no more; what it has found stays."""
        if tagger in self._taggers:
            self._taggers.remove(tagger)

    def forget(self, source: str) -> None:
        self.ended(source, [track_id for name, track_id in self._known if name == source])
