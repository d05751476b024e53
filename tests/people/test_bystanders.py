"""Heads of people of whom nothing is reported are known as well."""

from __future__ import annotations

from dataclasses import replace

from support import make_frame

from pipeline.people.bystanders import KEEP_S, Bystanders
from pipeline.people.detect import PersonSettings
from pipeline.people.track import Trackers, TrackSettings
from pipeline.people.tracking import TrackStage
from pipeline.picture.heads import head_region
from pipeline.settings.section import Fixed
from pipeline.types import Box, Detection, TaggedFrame

SIZE = (640, 480)
BOX = (100.0, 100.0, 150.0, 250.0)
FAR = (400.0, 100.0, 450.0, 250.0)


def covered(box: Box, regions: tuple[Box, ...]) -> bool:
    """Whether the upper fifth of a person is hidden by one of the regions."""
    x0, y0, x1, y1 = box
    down = y0 + 0.2 * (y1 - y0)
    return any(a <= x0 and b <= y0 and c >= x1 and d >= down for a, b, c, d in regions)


def stage() -> TrackStage:
    return TrackStage(Trackers(Fixed(TrackSettings()), Fixed(PersonSettings())))


def seen(pts, *boxes, score=0.9, others=(), decision="detect", windows=None):
    found = tuple(Detection(box, score) for box in boxes)
    frame = make_frame(pts, SIZE)
    return TaggedFrame(frame, decision, windows=windows, detections=found, bystanders=others)


def test_somebody_is_hidden_before_they_are_believed_and_after_they_are_missed():
    stages = stage()
    for i in range(4):
        [done] = stages([seen(0.2 * i, BOX)])
        hidden = (*done.others, *(head_region(track.box) for track in done.tracks))
        assert covered(BOX, hidden), f"look {i + 1}"
    for i in range(4, 14):  # lost: shown for 0.4 s, followed for 2.5
        [done] = stages([seen(0.2 * i)])
        hidden = (*done.others, *(head_region(track.box) for track in done.tracks))
        assert covered(BOX, hidden), f"{0.2 * i:.1f} s"
    [done] = stages([seen(6.0)])
    assert not done.tracks
    assert not done.others


def test_who_is_uncertain_or_does_not_count_is_hidden_also_between_looks():
    stages = stage()
    [done] = stages([seen(0.0, others=(FAR,))])
    assert not done.tracks
    assert covered(FAR, done.others)
    walked = (FAR[0] + 20, FAR[1], FAR[2] + 20, FAR[3])
    [done] = stages([seen(0.2, decision="predict")])
    assert covered(walked, done.others), "a step in the meantime"
    for pts in (25.0, 50.0):
        [done] = stages([seen(pts, decision="still")])
        assert covered(FAR, done.others), "nothing moved"
    [done] = stages([seen(52.0)])
    assert not done.others


def test_nobody_is_followed_over_a_gap_between_two_recordings():
    stages = stage()
    for i in range(5):
        [done] = stages([seen(0.2 * i, BOX)])
    known = [track.id for track in done.tracks]
    [done] = stages([seen(3600.0, BOX)])
    assert known
    assert list(done.ended) == known
    assert not done.tracks


def test_what_was_not_searched_again_stays_hidden():
    one = Bystanders()
    one.follow("detect", 0.0, [FAR], [], None)
    for i in range(1, 40):
        one.follow("detect", 0.2 * i, [], [], ((0, 0, 300, 480),))
    assert covered(FAR, tuple(one.heads(7.8)))
    one.follow("detect", 8.0, [], [], None)
    assert covered(FAR, tuple(one.heads(8.0))), "one miss is no proof"
    one.follow("detect", 8.2 + KEEP_S, [], [], None)
    assert not one.heads(8.2 + KEEP_S)


def test_a_track_needs_no_second_cover():
    stages = stage()
    for i in range(5):
        [done] = stages([seen(0.2 * i, BOX, others=((101.0, 101.0, 151.0, 251.0),))])
    assert done.tracks
    assert not done.others


def test_another_picture_size_begins_anew():
    stages = stage()
    stages([seen(0.0, others=(FAR,))])
    [done] = stages([replace(seen(0.2), frame=make_frame(0.2, (320, 240)))])
    assert not done.others
