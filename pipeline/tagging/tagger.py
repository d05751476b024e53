"""What a tagger is: it says which subjects it wants and how much, and turns crops into evidence.

A tagger never chooses crops, keeps time or votes: ``pipeline.tagging.looks`` does that for all of
them. docs/extending.md adds one step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from engines.base import Engine
from engines.packs import Pack, Packs
from pipeline.settings.section import PerSource, Section
from pipeline.tagging.vote import Ballot, Vote, VoteSettings
from pipeline.types import Box, Frame, Tag

#: A followed person, a part of the picture that is searched in turn, or the whole picture.
Kind = Literal["person", "tile", "frame"]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Something to look at.

    Attributes:
        box: where it is, xyxy in frame pixels; may reach beyond the frame.
        id: the track it is; ``None`` for what is no person.
        quality: how well the frame shows it; see ``pipeline.picture.crop.quality``.
        others: boxes of the other people in the frame.
        given: what the taggers before this one found on it in this round, by name.
    """

    kind: Kind
    frame: Frame
    box: Box
    id: int | None = None
    quality: float = 1.0
    others: tuple[Box, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """What one tagger's looks at one subject left behind.

    Attributes:
        looks: how many there were.
        at: stream seconds of the last one.
        box: where the subject was then.
        best: highest quality so far.
        weight: of all looks so far against one more, in units of quality.
        unsure: 0 to 1: 1 less the mean probability of what is reported; 1 if nothing is.
    """

    looks: int = 0
    at: float = -inf
    box: Box = (0.0, 0.0, 0.0, 0.0)
    best: float = 0.0
    weight: float = 0.0
    unsure: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What one look brought: tags, however unlikely (the vote decides), and what later taggers may
    use of it, by name."""

    tags: tuple[Tag, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


class Urgency(IntEnum):
    """Why a look is wanted, from the least to the most urgent."""

    #: Only if another tagger has the crop taken anyway.
    ALONG = 0
    #: The tags are stale, or the view is clearly better than all before.
    AGAIN = 1
    #: Something is reported, after few looks.
    SETTLING = 2
    #: Nothing is reported yet.
    NEW = 3


@dataclass(frozen=True, slots=True, order=True)
class Priority:
    """How much a tagger needs a look: by urgency, then by degree."""

    urgency: Urgency
    degree: float = 0.0


class Schedule(Protocol):
    """When a subject is due by the common rules of ``looks``."""

    @property
    def better(self) -> float:
        """A crop this much better than the best before is looked at."""
        ...

    def due(
        self, subject: Subject, memory: Memory, least: int, sparing: bool = False
    ) -> Priority | None:
        """How much another look is needed; ``None`` if not now. ``least`` looks are needed before
        anything is reported; ``sparing``: those that will change little are only taken along."""
        ...


class TaggerSettings(Section):
    """What every tagger's section has."""

    enabled: bool = Field(True, description="whether this tagger is used")
    vote: VoteSettings = VoteSettings()

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return self.enabled


class Opener(Protocol):
    """Opens packs; engines are closed by whoever made it."""

    @property
    def packs(self) -> Packs:
        """The packs that there are."""
        ...

    def open(self, name: str) -> tuple[Engine, Pack]:
        """The model of a pack, ready to run.

        Raises:
            EngineError: there is no such pack, or it cannot run here.
        """
        ...


class Tagger:
    """Base of all taggers: persons only, looked at by the common schedule.

    Runs on the inference thread alone.

    Attributes:
        name: names its section of the settings, its counters and its stage times.
        wants: the kinds of subjects it is shown.
        settled: kinds of subjects whose tags it settles itself, over time: they are reported as
            they are, without a vote.
        sparing: each of its looks tells all there is, so that those at somebody whose tags are sure
            may be left out.
        tile_shape: width and height whose proportions its tiles have.
    """

    name: str
    wants: frozenset[Kind] = frozenset({"person"})
    settled: ClassVar[frozenset[Kind]] = frozenset()
    sparing: ClassVar[bool] = False
    tile_shape: tuple[int, int] = (1, 1)

    def __init__(self, settings: PerSource[Any]) -> None:
        self.settings = settings

    def need(self, subject: Subject, memory: Memory, schedule: Schedule) -> Priority | None:
        """How much a look at a person is needed; ``None``: none, not even along with others."""
        vote = self.settings.of(subject.frame.source).vote
        return schedule.due(subject, memory, vote.looks, self.sparing)

    def vote(self, source: str) -> Ballot:
        """A vote over the looks at one more subject of a camera."""
        return Vote(self.settings.of(source).vote)

    @property
    def share(self) -> float | None:
        """Share of the time that its looks at live cameras may take, where it pays for itself;
        ``None``: it shares the budget for crops with the others."""
        return None

    def every_s(self, kind: Kind, source: str) -> float:
        """Seconds between two looks at a camera's tiles (one after the other), or at its whole
        picture; 0: never."""
        return 0.0

    def forget(self, source: str) -> None:
        """Let go of what it keeps of a camera."""

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        """Evidence of each subject, of all cameras together."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TaggerEntry:
    """How a tagger is set and opened: what the table and entry points name."""

    settings: type[TaggerSettings]
    open: Callable[[PerSource[Any], Opener], Tagger]
