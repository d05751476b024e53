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
    """All but where people were, which is told besides."""
    return [(e.name, e.track_id, e.pts) for e in events if e.name != "presence"]


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


def placed(track_id: int = 1, *zones: str, predicted: bool = False, crossed=()) -> Track:
    return Track(track_id, BOX, 0.9, predicted, zones=zones, crossed=crossed)


def moves(events: Sequence[Event]) -> list[tuple[object, ...]]:
    """Name, moment and what only such an event tells, of zones and lines."""
    names = ("zone_entered", "zone_left", "crossed")
    return [(e.name, e.pts, *dict(e.details).values()) for e in events if e.name in names]


def moved(stage: EventStage, *frames: TaggedFrame) -> list[tuple[object, ...]]:
    return moves([event for tagged in stage(list(frames)) for event in tagged.events])


def test_zones_are_entered_from_first_sight_and_left_with_the_time_spent():
    stage = EventStage("run")
    assert moved(stage, frame_of(1.0, placed(1, "till"))) == [("zone_entered", 1.0, "till")]
    assert moved(stage, frame_of(2.0, placed(1, "till", "door"))) == [("zone_entered", 2.0, "door")]
    assert moved(stage, frame_of(3.5, placed(1, "door"))) == [("zone_left", 3.5, "till", 2.5)]
    assert moved(stage, frame_of(4.0, placed(1, "door", crossed=(("exit", "out"),)))) == [
        ("crossed", 4.0, "exit", "out")
    ]


def test_who_is_out_of_sight_left_zones_with_the_last_frame_that_showed_them():
    stage = EventStage("run")
    moved(stage, frame_of(1.0, placed(1, "till")), frame_of(1.2, placed(1, "till")))
    assert moved(stage, frame_of(1.4, placed(1, "till", predicted=True))) == []
    [done] = stage([frame_of(5.0, ended=(1,))])
    assert [event.name for event in done.events] == ["zone_left", "left"]
    assert moves(done.events) == [("zone_left", 1.2, "till", 0.2)]


def test_a_lost_camera_empties_its_zones_and_a_stream_that_begins_anew_fills_them_again():
    stage = EventStage("run")
    moved(stage, frame_of(1.0, placed(1, "till")), frame_of(3.0, placed(1, "till")))
    lost = stage.lost("cam")
    assert moves(lost) == [("zone_left", 3.0, "till", 2.0)]
    assert [event.name for event in lost] == ["zone_left", "left", "presence"]
    back = frame_of(0.0, placed(1, "till"))
    assert moved(stage, back) == [("zone_entered", 0.0, "till")]
    assert moved(stage, frame_of(4.0, placed(1, "till"))) == []
    assert moved(stage, frame_of(0.5, placed(2, "till"), ended=(1,))) == [
        ("zone_left", 4.0, "till", 4.0),
        ("zone_entered", 0.5, "till"),
    ]


def presence(events: Sequence[Event]) -> list[tuple[str, float]]:
    """Hour and seconds in all cells."""
    told = [dict(event.details) for event in events if event.name == "presence"]
    return [(str(one["hour"]), sum(cell[2] for cell in one["grid"])) for one in told]


def test_presence_is_told_at_each_full_hour_and_at_the_end_in_seconds_not_frames():
    stage = EventStage("run")
    found = []
    for i in range(41):  # from 10 s before an hour to 10 s after it, twice a second
        frame = frame_of(i / 2, placed(1, predicted=i % 2 == 1), placed(2))
        at = replace(frame.frame, recorded_at=1_800_000_000 - 10 + i / 2)
        [done] = stage([replace(frame, frame=at)])
        found += presence(done.events)
    found += presence(stage.lost("cam"))
    assert [hour for hour, _ in found] == ["2027-01-15T07:00:00Z", "2027-01-15T08:00:00Z"]
    assert [seconds for _, seconds in found] == pytest.approx([18.5, 21.5], abs=1.1)
    assert sum(seconds for _, seconds in found) == pytest.approx(40), "two people for 20 s"


def test_presence_counts_where_the_feet_are_and_no_more_than_is_known():
    stage = EventStage("run")
    for pts in (0.0, 0.5, 1.5, 61.5):
        stage([replace(frame_of(pts, placed()), frame=make_frame(pts, (640, 480)))])
    [event] = [event for event in stage.lost("cam") if event.name == "presence"]
    # Feet at (130, 280) of 640 x 480; a minute unseen counts as 2.5 s.
    assert dict(event.details)["grid"] == [[9, 15, 4.0]]
    assert (event.track_id, event.visit) == (None, "")
    assert stage.lost("cam") == []
