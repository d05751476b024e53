"""Looks at the main stream's pictures while people are followed on the sub-stream's.

A main stream's pictures come when they are decoded, of a moment that has passed; people are taken
from where they were then. Persons are known in pixels of the main stream, whichever picture shows
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from pipeline.picture.crop import quality, visible_share
from pipeline.picture.registration import WHOLE, Registration
from pipeline.protocols import Larger
from pipeline.settings.section import PerSource
from pipeline.tagging.beside import PATIENCE_S, AtHand, Beside, Closeup, Main
from pipeline.tagging.due import LookSettings
from pipeline.tagging.persons import Persons
from pipeline.tagging.surroundings import Surroundings
from pipeline.tagging.tagger import Evidence, Priority, Subject, Tagger, Urgency
from pipeline.types import Frame, TaggedFrame

#: Seconds for which a picture is at hand once its moment has come, for crops put off till then.
AT_HAND_S = 2.0
#: Pictures of the main stream kept for a camera.
MOST_PICTURES = 2
#: Seconds of looking for which pictures are asked for ahead: what is decoded takes a while to come,
#: and what is decoded beyond that is not looked at before it is too old.
ROOM_S = 2.0

#: How much a look is needed, at what, and by whom.
Wanted = tuple[Priority, Subject, tuple[Tagger, ...]]


@dataclass(frozen=True, slots=True)
class _Ask:
    """A picture that one camera needs: how much, of which moment, and for the looks of how many
    people."""

    most: Priority
    camera: tuple[Beside, Main]
    after: float
    urgent: bool
    people: int


class Closeups:
    """The looks of cameras that have a sub-stream."""

    def __init__(
        self,
        mains: Callable[[str], Main | None],
        persons: Persons,
        surroundings: Surroundings,
        settings: PerSource[LookSettings],
    ) -> None:
        self._mains = mains
        self._persons = persons
        self._surroundings = surroundings
        self._settings = settings
        self._beside: dict[str, Beside] = {}
        #: Picture of the main stream -> frame it is looked at with, in this round.
        self._with: dict[int, int] = {}
        self._registrations: dict[int, Registration] = {}
        self._asks: list[_Ask] = []

    def begin(self) -> None:
        """A round begins."""
        self._with.clear()
        self._registrations.clear()
        self._asks.clear()

    def pending(self, frame: Frame) -> bool:
        """Whether a picture of the main stream waits for a detection on its camera's sub-stream."""
        beside = self._beside.get(frame.source)
        return beside is not None and beside.pending(frame.pts)

    def ask(self, chosen: Sequence[Subject], rate: float) -> None:
        """Ask for the pictures that those who need a look most are waiting for, of no more people
        than there is time to look at.

        Args:
            chosen: who is looked at in this round.
            rate: looks a second that there is time for.
        """
        for subject in chosen:
            beside = self._beside.get(subject.frame.source)
            if beside is not None and id(subject.frame) in self._with:
                beside.hanging = max(beside.hanging - 1, 0)
        now = max((beside.now for beside in self._beside.values()), default=0.0)
        room = ROOM_S * rate - sum(one.outstanding(now) for one in self._beside.values())
        # Of cameras whose people need it as much, those that were asked the longest time ago.
        self._asks.sort(key=lambda ask: (ask.most, -ask.camera[0].asked[0]), reverse=True)
        for ask in self._asks:
            beside, main = ask.camera
            before = beside.awaited(now)
            if before:  # its place is kept: key frames are rare
                beside.asked = beside.asked[0], ask.people
            elif room > 0:
                beside.asked = now, ask.people
            else:
                continue
            main.ask(ask.after, ask.urgent)
            room -= ask.people - before

    def forget(self, source: str) -> None:
        self._beside.pop(source, None)

    def belongs(self, subject: Subject, frame: Frame) -> bool:
        """Whether a subject was looked at in the round of a frame."""
        shown = id(subject.frame)
        return self._with.get(shown, shown) == id(frame)

    def people(self, tagged: TaggedFrame, slowdown: float) -> list[Wanted]:
        """Who of a sub-stream's frame wants a look: at pictures of the main stream that are there;
        what is not is asked for. Where the main stream is down, at the frame."""
        frame = tagged.frame
        beside = self._beside.setdefault(frame.source, Beside())
        if frame.pts < beside.latest:  # the stream began anew
            beside = self._beside[frame.source] = Beside(scale=beside.scale)
        beside.note(tagged)
        if frame.larger is not None:
            return self._proxied(tagged, frame.larger, beside)
        main = self._mains(frame.source)
        self._collect(beside, main, frame)
        beside.now = frame.captured_at
        if tagged.decision == "predict":
            return []  # where people were found has not changed
        found = [
            wanted
            for at_hand in beside.pictures
            for wanted in self._at(at_hand, tagged, beside, slowdown)
        ]
        beside.hanging = len(found)
        if tagged.decision != "detect":
            return found
        now = self._wanting(tagged, beside, slowdown)
        if main is None:
            return now
        served = {subject.id for _, subject, _ in found}
        unserved = [wanted for wanted in now if wanted[1].id not in served]
        return found + self._waiting(unserved, frame, (beside, main), slowdown)

    def _wanting(self, tagged: TaggedFrame, beside: Beside, slowdown: float) -> list[Wanted]:
        """Who of a sub-stream's frame wants a look, as well as the main stream would show them."""
        large = [beside.large(track, tagged.frame) for track in tagged.tracks]
        there = replace(tagged, tracks=tuple(large))
        looks = (self._persons.wanted(there, track, slowdown) for track in large)
        return [look for look in looks if look]

    def _proxied(self, tagged: TaggedFrame, larger: Larger, beside: Beside) -> list[Wanted]:
        """Who of a proxy's frame wants a look, at the recording's picture of the same moment; that
        is decoded only if somebody does."""
        beside.scale = beside.scale[0] if beside.scale else WHOLE, larger.size
        now = self._wanting(tagged, beside, 1.0) if tagged.decision == "detect" else []
        shown = self._decoded(tagged.frame, larger, beside) if now else None
        return now if shown is None else list(self._at(shown, tagged, beside, 1.0))

    def _decoded(self, frame: Frame, larger: Larger, beside: Beside) -> AtHand | None:
        """The recording's picture of the moment of its proxy's frame."""
        shown = beside.moment(frame, larger)
        if shown is not None:
            self._with[id(shown.closeup.frame)] = id(frame)
            self._registrations[id(shown.closeup.frame)] = shown.closeup.registration
        return shown

    def _collect(self, beside: Beside, main: Main | None, frame: Frame) -> None:
        """Take the pictures that have come, and let go of those that were at hand for long."""
        if main is None:
            beside.pictures.clear()
            return
        for closeup in main.take():
            beside.pictures.append(AtHand(closeup, max(frame.pts, closeup.frame.pts)))
            beside.last = max(beside.last, closeup.frame.pts)
            beside.asked = beside.asked[0], 0
        if main.size is not None:
            beside.scale = main.registration or WHOLE, main.size
        beside.pictures = [
            one for one in beside.pictures[-MOST_PICTURES:] if frame.pts <= one.since + AT_HAND_S
        ]
        if not beside.pictures:
            beside.hanging = 0
        for one in beside.pictures:
            self._with[id(one.closeup.frame)] = id(frame)
            self._registrations[id(one.closeup.frame)] = one.closeup.registration

    def _at(
        self, at_hand: AtHand, tagged: TaggedFrame, beside: Beside, slowdown: float
    ) -> Iterator[Wanted]:
        """Who wants a look at a picture of the main stream."""
        shown, known = at_hand.closeup.frame, at_hand.quality
        tracks = beside.there(at_hand.closeup, tagged.tracks, tagged.frame)
        there = replace(tagged, frame=shown, tracks=tracks)
        for track in tracks:
            if visible_share(track.box, shown.width, shown.height) <= 0:
                continue
            if track.id not in known:
                known[track.id] = track.score * quality(shown, track.box)
            rated = replace(track, quality=known[track.id])
            wanted = self._persons.wanted(there, rated, slowdown)
            if wanted:
                yield wanted

    def _waiting(
        self, now: list[Wanted], frame: Frame, known: tuple[Beside, Main], slowdown: float
    ) -> list[Wanted]:
        """Ask for pictures of those who want a look and are on none that is at hand: no more is
        decoded than looked at. Those who have waited for too long get a look at the frame."""
        beside, main = known
        settings = self._settings.of(frame.source)
        wanting = {subject.id: (priority, subject, part) for priority, subject, part in now}
        beside.since = {i: at for i, at in beside.since.items() if i in wanting}
        after, urgent, late = inf, False, []
        for track_id, wanted in wanting.items():
            assert track_id is not None
            since = beside.since.setdefault(track_id, frame.pts)
            if frame.pts - max(since, beside.last) >= PATIENCE_S:
                late.append(wanted)
                continue
            again = beside.last + settings.settle_s * slowdown
            after = min(after, max(beside.first.get(track_id, frame.pts), again))
            urgency, waited = wanted[0].urgency, frame.pts - since
            if slowdown > 1:  # pictures after a key frame cost several times as much
                urgent |= urgency is Urgency.NEW and beside.leaves(track_id, frame)
                continue
            urgent |= urgency is Urgency.NEW and waited >= settings.wait_s
            urgent |= urgency >= Urgency.SETTLING and beside.leaves(track_id, frame)
        if wanting:
            most = max(priority for priority, _, _ in now)
            first = min(after, frame.pts)
            ask = _Ask(most, (beside, main), first, urgent, len(wanting))
            self._asks.append(ask)
        return late

    def around(
        self, tagged: TaggedFrame, slowdown: float
    ) -> Iterator[tuple[Subject, Subject, Tagger]]:
        """What to look at besides people: as it is known, as it is shown, and by whom."""
        frame = tagged.frame
        every_s = self._surroundings.every_s(frame.source) * slowdown
        if not every_s:
            return
        beside = self._beside.setdefault(frame.source, Beside())
        if frame.larger is not None:
            due = list(self._surroundings.due(tagged, slowdown))
            at_hand = self._decoded(frame, frame.larger, beside) if due else None
            for subject, tagger in due:
                moved = self._moved(subject, at_hand.closeup, tagged) if at_hand else subject
                yield subject, moved, tagger
            return
        main = self._mains(frame.source)
        shown = beside.pictures[-1].closeup if beside.pictures else None
        silent = frame.pts - max(beside.last, beside.began) > PATIENCE_S + every_s
        if main is not None and shown is None and not silent:
            main.ask(beside.last + every_s, False)
            return
        if main is not None and silent:
            main.ask(beside.last + every_s, False)
        for subject, tagger in self._surroundings.due(tagged, slowdown):
            yield subject, subject if shown is None else self._moved(subject, shown, tagged), tagger

    def _moved(self, subject: Subject, closeup: Closeup, tagged: TaggedFrame) -> Subject:
        """Something that stays where it is, on a picture of the main stream."""
        frame = tagged.frame
        sizes = (frame.width, frame.height), (closeup.frame.width, closeup.frame.height)
        people = self._beside[frame.source].there(closeup, tagged.tracks, frame)
        box = closeup.registration.to_main(subject.box, *sizes)
        return replace(
            subject, frame=closeup.frame, box=box, others=tuple(track.box for track in people)
        )

    def shown(self, subject: Subject) -> Subject:
        """A person, known in the main stream's pixels, in those of the picture that shows them."""
        known = self._beside.get(subject.frame.source)
        if not subject.frame.sub or known is None or known.scale is None:
            return subject
        registration, size = known.scale
        sizes = (subject.frame.width, subject.frame.height), size
        others = tuple(registration.to_sub(box, *sizes) for box in subject.others)
        return replace(subject, box=registration.to_sub(subject.box, *sizes), others=others)

    def placer(self, shown: Subject, frames: Sequence[Frame]) -> Callable[[Evidence], Evidence]:
        """What brings evidence from a picture of the main stream into the pixels of the
        sub-stream's."""
        registration = self._registrations.get(id(shown.frame))
        frame = next((one for one in frames if self.belongs(shown, one)), None)
        if registration is None or frame is None:
            return lambda evidence: evidence
        sizes = (frame.width, frame.height), (shown.frame.width, shown.frame.height)

        def placed(evidence: Evidence) -> Evidence:
            boxes = [registration.to_sub(tag.box, *sizes) for tag in evidence.tags]
            tags = (replace(tag, box=box) for tag, box in zip(evidence.tags, boxes, strict=True))
            return replace(evidence, tags=tuple(tags))

        return placed
