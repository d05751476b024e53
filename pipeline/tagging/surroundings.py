"""What is looked at besides people: a camera's tiles, one after the other, and whole pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.tagging.persons import State
from pipeline.tagging.tagger import Evidence, Subject, Tagger
from pipeline.tagging.tiles import Rota
from pipeline.types import Box, Frame, Tag, TaggedFrame

_Key = tuple[str, str]


class Surroundings:
    """The tags of all cameras that are attached to no person.

    Attributes:
        poor: names of taggers that can afford no look at a live camera now.
    """

    def __init__(self, taggers: Sequence[Tagger]) -> None:
        self.poor: frozenset[str] = frozenset()
        self._taggers = [tagger for tagger in taggers if tagger.wants & {"tile", "frame"}]
        self._rotas: dict[_Key, Rota] = {}
        self._pictures: dict[_Key, State] = {}

    def every_s(self, source: str) -> float:
        """Seconds between two looks at a camera's surroundings; 0: never."""
        times = [
            tagger.every_s(kind, source)
            for tagger in self._taggers
            if tagger.settings.of(source).wanted
            for kind in ("tile", "frame")
        ]
        return min((seconds for seconds in times if seconds), default=0.0)

    def due(self, tagged: TaggedFrame, slowdown: float) -> Iterator[tuple[Subject, Tagger]]:
        """What to look at now in a frame: a tile, the whole picture, or nothing."""
        frame = tagged.frame
        people = tuple(track.box for track in tagged.tracks)
        for tagger in self._taggers:
            settings = tagger.settings.of(frame.source)
            if not settings.wanted or (frame.live and tagger.name in self.poor):
                continue
            key = (frame.source, tagger.name)
            tile_s = tagger.every_s("tile", frame.source)
            if tile_s:
                rota = self._rotas.setdefault(key, Rota(tile_s, settings.vote.looks))
                tile = rota.due(frame, tagger.tile_shape, slowdown)
                if tile is not None:
                    yield Subject("tile", frame, tile, others=people), tagger
            every_s = tagger.every_s("frame", frame.source)
            if every_s and self._picture(tagger, frame, every_s * slowdown):
                whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
                yield Subject("frame", frame, whole, others=people), tagger

    def _picture(self, tagger: Tagger, frame: Frame, every_s: float) -> bool:
        """Whether the whole picture is due."""
        key = (frame.source, tagger.name)
        state = self._pictures.get(key)
        if state is None or frame.pts < state.memory.at:  # new, or the stream began anew
            self._pictures[key] = State(tagger.vote(frame.source))
            return True
        return frame.pts - state.memory.at >= every_s

    def knows(self, subject: Subject, tagger: Tagger) -> bool:
        """Whether a camera's tiles or pictures are still looked at."""
        key = (subject.frame.source, tagger.name)
        return key in (self._rotas if subject.kind == "tile" else self._pictures)

    def record(self, subject: Subject, tagger: Tagger, evidence: Evidence, hurried: bool) -> None:
        """Take in what a tile or a whole picture shows."""
        key = (subject.frame.source, tagger.name)
        if subject.kind == "tile":
            self._rotas[key].saw(subject.box, evidence.tags, subject.others)
        elif "frame" in tagger.settled:
            self._pictures[key].take(subject, evidence)
        else:
            self._pictures[key].count(subject, evidence, hurried)

    def tags(self, source: str) -> tuple[Tag, ...]:
        """A camera's tags that are attached to no person."""
        found: list[Tag] = []
        for tagger in self._taggers:
            key = (source, tagger.name)
            found += self._rotas[key].tags if key in self._rotas else ()
            found += self._pictures[key].tags if key in self._pictures else ()
        return tuple(found)

    def add(self, tagger: Tagger) -> None:
        """Ask one more tagger."""
        if tagger.wants & {"tile", "frame"}:
            self._taggers.append(tagger)

    def drop(self, tagger: Tagger) -> None:
        """Ask a tagger no more, and let go of what it found: nobody would say when it is gone."""
        if tagger in self._taggers:
            self._taggers.remove(tagger)
        for source in [source for source, name in (*self._rotas, *self._pictures)]:
            self._forget(source, tagger)

    def forget(self, source: str) -> None:
        for tagger in self._taggers:
            self._forget(source, tagger)

    def _forget(self, source: str, tagger: Tagger) -> None:
        self._rotas.pop((source, tagger.name), None)
        self._pictures.pop((source, tagger.name), None)
