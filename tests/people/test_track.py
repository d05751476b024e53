from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import make_frame

from pipeline.people.detect import PersonSettings
from pipeline.people.track import Tracker, Trackers, TrackSettings, assign
from pipeline.people.tracking import TrackStage
from pipeline.settings.section import Fixed
from pipeline.types import Detection, TaggedFrame

SETTINGS = TrackSettings(confirm_hits=2, lost_s=1.0)


def new_tracker() -> Tracker:
    return Tracker(SETTINGS, PersonSettings())


def person(x: float, score: float = 0.9, y: float = 100.0) -> Detection:
    return Detection((x, y, x + 40, y + 100), score)


def walk(tracker: Tracker, speed: float, step_s: float, until_s: float, x: float = 0.0) -> None:
    pts = 0.0
    while pts <= until_s:
        tracker.update([person(x + speed * pts)], pts)
        pts += step_s


def test_assignment_takes_the_cheapest_pairs_within_the_limit():
    cost = np.array([[0.1, 0.2], [0.15, 0.9]])
    assert sorted(assign(cost, 0.8)) == [(0, 1), (1, 0)]
    assert assign(np.full((2, 2), 0.95), 0.8) == []
    assert assign(np.zeros((0, 3)), 0.8) == []


@given(step=st.sampled_from([0.04, 0.1, 0.2, 0.5]), speed=st.floats(-80, 80))
@settings(deadline=None, max_examples=40)
def test_one_walker_is_one_person_at_any_detection_rate(step, speed):
    """Skipped frames change nothing: time, not frames, moves people."""
    tracker = new_tracker()
    walk(tracker, speed, step, 5.0, x=500.0)
    assert [t.id for t in tracker.confirmed()] == [1]


def test_prediction_follows_the_walk_between_detections():
    tracker = new_tracker()
    walk(tracker, 60.0, 0.2, 2.0)
    box = tracker.confirmed()[0].as_box(2.3)
    assert box[0] == pytest.approx(60 * 2.3, abs=8)


def test_one_detection_is_not_yet_a_person():
    tracker = new_tracker()
    tracker.update([person(0)], 0.0)
    assert tracker.confirmed() == []
    tracker.update([], 0.2)
    tracker.update([person(0)], 0.4)
    assert tracker.confirmed() == []


def test_doubtful_detections_keep_but_never_found_a_track():
    tracker = new_tracker()
    for i in range(5):
        tracker.update([person(0, score=0.3)], i * 0.2)
    assert tracker.confirmed() == []
    for i in range(5, 8):
        tracker.update([person(0)], i * 0.2)
    for i in range(8, 30):
        assert tracker.update([person(0, score=0.3)], i * 0.2) == []
    assert [t.id for t in tracker.confirmed()] == [1]


def test_doubtful_detections_alone_keep_nobody_for_ever():
    """A fence where somebody walked out of sight looks a little like a person, always."""
    tracker = new_tracker()
    walk(tracker, 0.0, 0.2, 1.0)
    for i in range(1, 45):
        assert tracker.update([person(0, score=0.3)], 1.0 + i * 0.2) == []
    tracker.update([person(0)], 10.0)  # certain again: the doubt begins anew
    for i in range(1, 50):
        assert tracker.update([person(0, score=0.3)], 10.0 + i * 0.2) == []
    ended = [j for i in range(50, 60) for j in tracker.update([person(0, 0.3)], 10.0 + i * 0.2)]
    assert ended == [1]


def test_one_doubtful_look_at_somebody_who_stood_still_for_long_ends_nobody():
    tracker = new_tracker()
    walk(tracker, 0.0, 0.2, 1.0)
    for i in range(100):
        tracker.update([], 1.2 + i * 0.2, windows=[])
    assert tracker.update([person(0, score=0.3)], 22.0) == []
    assert [t.id for t in tracker.confirmed()] == [1]


def test_a_doubtful_part_of_somebody_does_not_shrink_them():
    tracker = new_tracker()
    walk(tracker, 0.0, 0.2, 1.0)
    head = Detection((0, 100, 40, 145), 0.3)
    for i in range(1, 4):
        tracker.update([head], 1.0 + i * 0.2)
    tracker.update([person(0)], 1.8)
    (target,) = tracker.confirmed()
    assert (target.id, target.as_box(1.8)) == (1, pytest.approx((0, 100, 40, 200), abs=1))


def test_somebody_out_of_sight_keeps_their_size():
    tracker = new_tracker()
    for i in range(10):  # comes nearer, 20 px higher a second
        grown = 4.0 * i
        tracker.update([Detection((0, 100 - grown, 40, 200 + grown), 0.9)], i * 0.2)
    (target,) = tracker.confirmed()
    now, later = target.as_box(target.pts), target.as_box(target.pts + 1.0)
    assert later[3] - later[1] == pytest.approx(now[3] - now[1])


def test_a_person_leaves_after_the_lost_time_and_comes_back_as_another():
    tracker = new_tracker()
    walk(tracker, 0.0, 0.2, 1.0)
    ended = [i for n in range(1, 12) for i in tracker.update([], 1.0 + n * 0.2)]
    assert ended == [1]
    for n in range(3):
        tracker.update([person(0)], 10 + n * 0.2)
    assert [t.id for t in tracker.confirmed()] == [2]


@pytest.mark.parametrize(("x", "known"), [(300.0, [1]), (0.0, []), (600.0, [])])
def test_who_vanishes_inside_the_picture_is_waited_for_longer_than_who_does_at_its_edge(x, known):
    tracker, size = new_tracker(), (640, 480)
    for n in range(6):
        tracker.update([person(x)], n * 0.2, size=size)
    for n in range(7):
        tracker.update([], 1.2 + n * 0.2, size=size)
    tracker.update([person(x)], 2.6, size=size)
    assert [t.id for t in tracker.confirmed()] == known


def test_somebody_in_other_clothes_is_somebody_else():
    tracker, dark, light = new_tracker(), (20.0,) * 6, (40.0,) * 6
    for n in range(6):
        tracker.update([replace(person(0), appearance=dark)], n * 0.2)
    for n in range(6, 12):
        tracker.update([replace(person(0), appearance=light)], n * 0.2)
    assert [t.id for t in tracker.confirmed()] == [2]


def test_time_without_looking_does_not_age_tracks():
    tracker = new_tracker()
    walk(tracker, 0.0, 0.2, 1.0)
    for _ in range(100):
        tracker.advance()
    assert tracker.update([person(0)], 1.4) == []
    assert [t.id for t in tracker.confirmed()] == [1]


def test_a_short_gap_with_movement_does_not_change_the_id():
    tracker = new_tracker()
    walk(tracker, 60.0, 0.2, 2.0)
    for n in range(1, 5):
        tracker.update([], 2.0 + 0.2 * n)
    tracker.update([person(60 * 3.0)], 3.0)
    assert [t.id for t in tracker.confirmed()] == [1]


def test_two_people_keep_their_ids():
    tracker = new_tracker()
    for n in range(20):
        pts = n * 0.2
        tracker.update([person(50 * pts), person(600 - 50 * pts, y=260)], pts)
    boxes = {t.id: t.box[1] for t in tracker.confirmed()}
    assert boxes[1] == pytest.approx(100, abs=2)
    assert boxes[2] == pytest.approx(260, abs=2)


def test_clothes_keep_ids_apart_where_boxes_do_not():
    """Somebody in light blue turns up where somebody in black was lost."""
    black, light = (10.0, 192.0, 192.0) * 2, (90.0, 215.0, 180.0) * 2

    def dressed(looks):
        return Detection((100.0, 100.0, 140.0, 200.0), 0.9, appearance=looks)

    tracker = new_tracker()
    for n in range(4):
        tracker.update([dressed(black)], n * 0.2)
    for n in range(4, 8):
        tracker.update([dressed(light)], n * 0.2)
    assert [t.id for t in tracker.confirmed()] == [2]
    for n in range(8, 10):
        tracker.update([dressed(tuple(v + 8 for v in light))], n * 0.2)
    assert [t.id for t in tracker.confirmed()] == [2], "a passing shadow changes nobody"


def test_clear_ends_all():
    tracker = new_tracker()
    walk(tracker, 0.0, 0.2, 1.0)
    assert tracker.clear() == [1]
    assert tracker.confirmed() == []


def stage() -> TrackStage:
    """Tracks of cameras, of which one has settings of its own."""
    hasty = TrackSettings(confirm_hits=1)
    return TrackStage(Trackers(Fixed(SETTINGS, {"hasty": hasty}), Fixed(PersonSettings())))


def seen(tracks: TrackStage, pts: float, source: str, size: tuple[int, int] = (640, 480)):
    frame = make_frame(pts, size, source=source)
    [out] = tracks([TaggedFrame(frame, detections=(person(100.0),))])
    return [track.id for track in out.tracks], list(out.ended)


def test_every_camera_has_people_and_settings_of_its_own():
    tracks = stage()
    assert [seen(tracks, 0.0, name)[0] for name in ("cam", "hasty")] == [[], [1]]
    assert [seen(tracks, 0.2, name)[0] for name in ("cam", "hasty")] == [[1], [1]]


@pytest.mark.parametrize(
    ("pts", "size"), [(0.1, (320, 240)), (-30.0, (640, 480))], ids=["another size", "begun anew"]
)
def test_another_picture_ends_everybody_there_was(pts, size):
    tracks = stage()
    for i in range(3):
        seen(tracks, i * 0.2, "cam")
    assert seen(tracks, 0.4 + pts, "cam", size) == ([], [1])


def test_of_a_forgotten_camera_nobody_is_known():
    tracks = stage()
    for i in range(3):
        for source in ("a", "b"):
            seen(tracks, i * 0.2, source)
    tracks.forget("a")
    assert seen(tracks, 0.6, "a") == ([], [])
    assert seen(tracks, 0.6, "b") == ([1], [])
    tracks.forget("never seen")
