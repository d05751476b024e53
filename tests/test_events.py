"""When it is said that somebody left, and for when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support import make_frame

from pipeline.events import EventStage
from pipeline.types import Event, Tag, TaggedFrame, Track

BOX = (100.0, 100.0, 160.0, 280.0)
JEANS = Tag("garment", "jeans", "pants", 0.9, BOX)
SIGN = Tag("logo", "disc", None, 0.9, BOX)


def frame_of(pts: float, *people: Track, source: str = "cam", **more) -> TaggedFrame:
    frame = replace(make_frame(pts, source=source), utc=1000.0 + pts, camera_utc=2000.0 + pts)
    return TaggedFrame(frame, tracks=people, **more)


def person(track_id: int = 1, predicted: bool = False) -> Track:
    return Track(track_id, BOX, 0.9, predicted=predicted, tags=(JEANS,))


def said(events: Sequence[Event]) -> list[tuple[str, int | None, float]]:
    return [(event.name, event.track_id, event.pts) for event in events]


def run(stage: EventStage, *frames: TaggedFrame) -> list[tuple[str, int | None, float]]:
    return said([event for tagged in stage(list(frames)) for event in tagged.events])


def begun(stage: EventStage) -> None:
    """Two people, of whom one is no longer seen, and a sign."""
    people = (person(1), person(2))
    run(stage, frame_of(5.0, *people, tags=(SIGN,)), frame_of(5.2, *people, tags=(SIGN,)))
    unseen = (person(1), person(2, predicted=True))
    run(stage, frame_of(5.4, *unseen, tags=(SIGN,)), frame_of(5.6, person(1), tags=(SIGN,)))


EVERYBODY = {("left", 1, 5.6), ("left", 2, 5.2), ("vanished", None, 5.6)}


def test_who_left_did_so_when_last_seen_and_not_when_that_is_known():
    stage = EventStage("run")
    begun(stage)
    frames = [frame_of(5.8 + i / 5, person(1), tags=(SIGN,)) for i in range(10)]
    assert run(stage, *frames) == []
    assert run(stage, frame_of(8.0, person(1), ended=(2,), tags=(SIGN,))) == [("left", 2, 5.2)]


def test_when_a_source_is_lost_all_there_was_ends_with_the_last_frame_that_showed_it():
    stage = EventStage("run")
    begun(stage)
    events = stage.lost("cam")
    assert set(said(events)) == EVERYBODY
    left = next(event for event in events if event.track_id == 1)
    assert (left.source, left.at.frame, left.tags) == ("cam", 56, (JEANS,))
    assert (left.at.utc, left.at.camera_utc) == (1005.6, 2005.6)
    assert [event.tag for event in events if event.name == "vanished"] == [SIGN]
    assert stage.lost("cam") == [], "said once"
    again = [frame_of(0.0, ended=(1, 2)), frame_of(0.6, person(3))]
    assert run(stage, *again) == [("entered", 3, 0.6), ("appeared", 3, 0.6)]


@pytest.mark.parametrize("at", [5.5, 0.0], ids=["a moment", "a long time"])
def test_a_stream_that_begins_anew_ends_all_there_was_before_anything_new(at):
    stage = EventStage("run")
    begun(stage)
    [first] = stage([frame_of(at, person(3), ended=(1, 2), tags=(SIGN,))])
    events = said(first.events)
    assert set(events[:3]) == EVERYBODY
    assert events[3:] == [("entered", 3, at), ("appeared", 3, at), ("appeared", None, at)]


def test_sources_are_lost_one_by_one_and_one_never_seen_is_no_matter():
    stage = EventStage("run")
    for source in ("a", "b"):
        run(stage, frame_of(1.0, person(), source=source))
    assert said(stage.lost("a")) == [("left", 1, 1.0)]
    assert run(stage, frame_of(1.2, person(), source="b")) == []
    assert stage.lost("never seen") == []


def test_a_forgotten_source_says_nothing_more():
    stage = EventStage("run")
    begun(stage)
    stage.forget("cam")
    assert stage.lost("cam") == []
