"""Taggers and budgets that do as they are told, for tests of when and at what is looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from support import make_frame

from pipeline.settings.section import Fixed
from pipeline.tagging.due import LookSettings
from pipeline.tagging.looks import LookStage
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
from pipeline.types import Box, Tag, TaggedFrame, Track, Work

BOX: Box = (100.0, 100.0, 160.0, 280.0)


def sure(label: str = "stripes", box: Box = BOX) -> Tag:
    """A tag no vote doubts."""
    return Tag("pattern", label, None, 0.9, box)


class Scripted(Tagger):
    """Reports ``tags`` of everything it is shown, and remembers what that was."""

    def __init__(
        self,
        name: str = "script",
        tags: Sequence[Tag] | Callable[[Subject], Sequence[Tag]] = (),
        settings: Any = None,
        gives: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(Fixed(settings or TaggerSettings()))
        self.name = name  # type: ignore[misc]
        self.shown: list[Subject] = []
        self._tags = tags
        self._gives = gives or {}

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        self.shown += subjects
        return [
            Evidence(tuple(self._tags(s) if callable(self._tags) else self._tags), self._gives)
            for s in subjects
        ]


class Companion(Scripted):
    """Takes part in the looks of others, and never asks for one."""

    def need(self, subject: Subject, memory: Memory, schedule: Schedule) -> Priority | None:
        return Priority(Urgency.ALONG)


class Scenic(Scripted):
    """Looks at whole pictures, every so often."""

    wants = frozenset[Kind]({"frame"})
    seconds = 1.0

    def every_s(self, kind: Kind, source: str) -> float:
        return self.seconds if kind == "frame" else 0.0


class FixedBudget:
    """So many crops a round, whatever they take."""

    def __init__(self, crops: int = 1000, slowdown: float = 1.0) -> None:
        self.slowdown = slowdown
        self.crops = crops
        self.counts: list[int] = []

    def allowed(self, work: Work) -> int:
        return self.crops

    def rate(self, work: Work) -> float:
        return 10.0 * self.crops

    def spent(self, work: Work, seconds: float, count: int) -> None:
        self.counts.append(count)

    def excuse(self, now: float) -> None:
        pass


def look_stage(
    *taggers: Tagger, budget: Any = None, settings: LookSettings | None = None
) -> LookStage:
    return LookStage(taggers, Fixed(settings or LookSettings()), budget or FixedBudget())


def person(track_id: int, x: float = 100.0, height: float = 180.0) -> Track:
    """A person; the higher, the better the view."""
    return Track(track_id, (x, 100.0, x + 60.0, 100.0 + height), 0.9)


def seen(
    pts: float, *tracks: Track, live: bool = False, source: str = "cam", **more: Any
) -> TaggedFrame:
    """A frame with people on it, just before they are looked at."""
    frame = replace(make_frame(pts, size=(1280, 720), source=source), live=live)
    return TaggedFrame(frame, tracks=tracks, **more)


def step(stage: LookStage, pts: float, *tracks: Track, **more: Any) -> TaggedFrame:
    """One round of one camera."""
    [out] = stage([seen(pts, *tracks, **more)])
    return out
