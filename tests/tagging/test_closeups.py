"""Where people were at the moment of another stream's picture, and what is asked of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from pipeline.picture.registration import Registration
from pipeline.settings.section import Fixed
from pipeline.tagging.beside import BETWEEN_S, KEPT_S, NEAR_S, PATIENCE_S, Beside, Closeup
from pipeline.tagging.due import LookSettings
from pipeline.tagging.looks import LookStage
from pipeline.tagging.tagger import Evidence, Tagger, TaggerSettings
from pipeline.types import Tag, TaggedFrame, Track

SUB, MAIN = (640, 360), (1920, 1080)


class Budget:
    slowdown = 1.0
    crops = 100
    crops_a_second = 1000.0

    def rate(self, work):
        return self.crops_a_second

    def allowed(self, work):
        return self.crops

    def spent(self, work, seconds, count):
        pass

    def excuse(self, now):
        pass


class Sees(Tagger):
    """Notes what it is shown, and finds something on the person."""

    name = "sees"

    def __init__(self):
        super().__init__(Fixed(TaggerSettings()))
        self.shown = []

    def look(self, subjects):
        self.shown += subjects
        return [
            Evidence((Tag("garment", "jeans", None, 0.9, subject.box),)) for subject in subjects
        ]


class Recorded:
    """A main stream that gives the pictures it is told to, and notes what it is asked for."""

    size = MAIN
    registration = Registration()

    def __init__(self):
        self.asked, self.ready = [], []

    def ask(self, after, urgent):
        self.asked.append((after, urgent))

    def take(self):
        ready, self.ready = self.ready, []
        return ready

    def show(self, pts):
        frame = replace(make_frame(pts, MAIN), live=True)
        self.ready.append(Closeup(frame, self.registration))
        return frame


@pytest.fixture
def scene():
    return Scene()


class Scene:
    """One person who walks to the right, 100 pixels of the sub-stream a second."""

    def __init__(self):
        self.main, self.sees = Recorded(), Sees()
        self.up, self.budget = True, Budget()
        self.stage = LookStage(
            [self.sees], Fixed(LookSettings()), self.budget,
            mains=lambda source: self.main if self.up else None,
        )  # fmt: skip

    def box(self, pts):
        left = 100 + 100 * pts
        return (left, 100.0, left + 60, 250.0)

    def at(self, pts, decision="detect", box=None):
        frame = replace(make_frame(pts, SUB), live=True, sub=True)
        track = Track(1, box or self.box(pts), 0.9, predicted=decision == "predict")
        [tagged] = self.stage([TaggedFrame(frame, decision, tracks=(track,))])
        return tagged


def test_a_look_at_the_main_stream_is_where_the_person_was_at_its_moment(scene):
    scene.at(0.0)
    shown = scene.main.show(0.1)
    tagged = scene.at(0.2)
    [subject] = scene.sees.shown
    assert subject.frame is shown
    assert subject.box == pytest.approx(tuple(3 * v for v in scene.box(0.1)))
    assert tagged.views == (1, 0)
    assert tagged.looks == (("sees", 1),)
    [track] = tagged.tracks
    assert track.best
    assert track.box == scene.box(0.2), "the track itself stays in the sub-stream's pixels"


def test_tags_are_placed_in_the_sub_streams_pixels(scene):
    for i in range(8):
        scene.main.show(i / 2 - 0.1)
        tagged = scene.at(i / 2)
    [tag] = tagged.tracks[0].tags
    assert tag.box[3] == pytest.approx(250.0, abs=1)


def test_a_picture_of_a_time_that_is_yet_to_come_waits(scene):
    scene.at(0.0)
    scene.main.show(0.3)
    scene.at(0.2)
    assert scene.sees.shown == []
    scene.at(0.4)
    assert len(scene.sees.shown) == 1


def test_nobody_is_looked_at_where_it_is_not_known_where_they_were(scene):
    scene.at(0.0)
    scene.main.show(1.0)
    scene.at(0.2 + BETWEEN_S)
    assert scene.sees.shown == []


def test_a_picture_soon_before_somebody_was_found_again_is_looked_at_however_long_they_were_not(
    scene,
):
    scene.at(0.0)
    shown = scene.main.show(2 * BETWEEN_S)
    tagged = scene.at(2 * BETWEEN_S + NEAR_S - 0.05)
    [subject] = scene.sees.shown
    assert subject.frame is shown
    assert subject.box == pytest.approx(tuple(3 * v for v in scene.box(2 * BETWEEN_S)))
    assert tagged.views == (1, 0)


def test_a_picture_waits_for_a_detection_once_its_moment_has_come_and_until_it_is_there(scene):
    def waits(pts):
        return scene.stage.pending(replace(make_frame(pts, SUB), live=True, sub=True))

    scene.at(0.0)
    assert not waits(0.2)
    scene.main.show(0.3)
    scene.at(0.2, "predict")
    assert not waits(0.2)
    assert waits(0.4)
    scene.at(0.4)
    assert not waits(0.6)


def test_under_pressure_nobody_new_has_pictures_after_a_key_frame_decoded_unless_they_leave(scene):
    scene.budget.slowdown = 2.0
    scene.at(0.0)
    scene.at(2.4)
    assert not scene.main.asked[-1][1], "longer than looks.wait_s, at this slowdown too"
    scene.at(2.6, box=(500.0, 100.0, 560.0, 250.0))
    scene.at(2.8, box=(540.0, 100.0, 600.0, 250.0))
    assert scene.main.asked[-1][1]


def test_who_is_new_waits_for_a_key_frame_and_then_not_any_longer(scene):
    scene.at(0.0)
    assert scene.main.asked == [(0.0, False)]
    scene.at(0.4)
    assert not scene.main.asked[-1][1]
    scene.at(0.8)
    assert scene.main.asked[-1][1], "longer than looks.wait_s"


def test_who_is_about_to_leave_does_not_wait(scene):
    scene.at(0.0, box=(500.0, 100.0, 560.0, 250.0))
    assert not scene.main.asked[-1][1]
    scene.at(0.2, box=(540.0, 100.0, 600.0, 250.0))
    assert scene.main.asked[-1][1]


def test_nobody_there_asks_for_nothing(scene):
    frame = replace(make_frame(0.0, SUB), live=True, sub=True)
    scene.stage([TaggedFrame(frame, "detect")])
    scene.stage([TaggedFrame(replace(frame, pts=0.2), "still")])
    assert scene.main.asked == []


def test_looks_are_at_the_sub_stream_while_the_main_stream_is_down(scene):
    scene.up = False
    tagged = scene.at(0.0)
    [subject] = scene.sees.shown
    assert subject.frame is tagged.frame
    assert subject.box == scene.box(0.0)
    assert tagged.views == (0, 1)


def test_a_main_stream_that_gives_nothing_is_not_waited_for_for_ever(scene):
    for i in range(30):
        tagged = scene.at(i / 5)
        if scene.sees.shown:
            break
    assert tagged.frame.pts == pytest.approx(PATIENCE_S, abs=0.3)
    assert scene.sees.shown[0].frame is tagged.frame
    assert scene.sees.shown[0].box == pytest.approx(scene.box(tagged.frame.pts))


def test_smaller_people_are_tagged_than_the_sub_stream_alone_would_allow(scene):
    small = (100.0, 100.0, 112.0, 130.0)  # 30 pixels there, 90 in the main stream
    scene.at(0.0, box=small)
    scene.main.show(0.1)
    scene.at(0.2, box=small)
    assert len(scene.sees.shown) == 1


@given(st.lists(st.tuples(st.floats(0.01, 0.6), st.booleans()), max_size=60), st.floats(0, 1))
def test_a_box_between_two_is_between_them_and_memory_is_bounded(steps, share):
    beside, pts, known = Beside(), 0.0, []
    for step, found in steps:
        pts += step
        frame = make_frame(pts, SUB)
        box = (100 * pts, 10.0, 100 * pts + 50, 90.0)
        beside.note(TaggedFrame(frame, "detect", tracks=(Track(1, box, 0.9, not found),)))
        known += [pts] * found
    at = pts * share
    box = beside.box(1, at)
    kept = [t for t in known if t >= pts - KEPT_S]
    assert len(beside.boxes) <= len(steps)
    assert not beside.boxes or beside.boxes[0][0] >= pts - KEPT_S
    before, after = ([t for t in kept if t <= at], [t for t in kept if t >= at])
    if box is None:
        assert not before or not after or after[0] - before[-1] > BETWEEN_S - 1e-6
    else:
        assert before[-1] <= at <= after[0]
        assert box == pytest.approx((100 * at, 10.0, 100 * at + 50, 90.0), abs=1e-6)


def test_a_stream_that_begins_anew_forgets_where_people_were(scene):
    scene.at(5.0)
    scene.main.show(5.1)
    scene.at(0.0)
    scene.at(0.2)
    assert all(subject.frame.pts < 1 for subject in scene.sees.shown)
    assert np.all([after <= 1 for after, _ in scene.main.asked[1:]])


def test_a_picture_that_comes_when_nothing_moves_any_more_is_looked_at(scene):
    box = scene.box(0.0)
    scene.at(0.0, box=box)
    scene.main.show(0.1)
    scene.at(0.2, "still", box=box)
    assert len(scene.sees.shown) == 1


def test_no_more_is_asked_for_than_there_are_crops_for(scene):
    scene.budget.crops = 0
    scene.at(0.0)
    scene.main.show(0.1)
    scene.at(0.2)
    asked = len(scene.main.asked)
    for i in range(2, 10):
        scene.at(i / 5)
    assert len(scene.main.asked) == asked, "a picture of the person is at hand"
    scene.budget.crops = 1
    scene.at(2.0)
    assert len(scene.sees.shown) == 1


class Floor:
    """Several cameras, somebody in view of each."""

    def __init__(self, rate: float) -> None:
        self.mains = {f"cam{i}": Recorded() for i in range(8)}
        self.sees, self.budget = Sees(), Budget()
        self.budget.crops_a_second = rate
        self.stage = LookStage(
            [self.sees], Fixed(LookSettings()), self.budget, mains=lambda source: self.mains[source]
        )

    def at(self, pts: float, without: Collection[str] = ()) -> None:
        batch = []
        for name in sorted(self.mains.keys() - set(without)):
            frame = make_frame(pts, SUB, source=name)
            frame = replace(frame, captured_at=pts, live=True, sub=True)
            track = Track(1, (100.0, 100.0, 160.0, 250.0), 0.9)
            batch.append(TaggedFrame(frame, "detect", tracks=(track,)))
        self.stage(batch)

    def asked(self) -> list[str]:
        return [name for name, main in self.mains.items() if main.asked]


def test_no_more_cameras_are_asked_than_there_will_be_time_to_look_at():
    floor = Floor(rate=1.5)
    for i in range(5):
        floor.at(i / 5)
    assert len(floor.asked()) == 3, "three looks in two seconds"


def test_who_was_looked_at_makes_room_for_others():
    floor = Floor(rate=1.5)
    floor.at(0.0)
    first = floor.asked()
    for name in first:
        floor.mains[name].show(0.1)
        floor.mains[name].asked.clear()
    floor.at(0.2)
    assert len(floor.sees.shown) == 3
    floor.at(0.3)
    assert len(floor.asked()) == 3
    assert not set(floor.asked()) & set(first), "who was looked at just now comes later"


def test_with_time_enough_every_camera_is_asked():
    floor = Floor(rate=100.0)
    floor.at(0.0)
    assert len(floor.asked()) == 8


def test_a_picture_that_never_comes_gives_its_room_back():
    floor = Floor(rate=0.5)
    floor.at(0.0)
    assert floor.asked() == ["cam0"]
    for i in range(1, 14):
        floor.at(i / 5)
    assert floor.asked() == ["cam0"], "key frames may be seconds apart"
    floor.at(PATIENCE_S)
    assert floor.asked() == ["cam0", "cam1"]


def test_a_camera_that_sends_nothing_any_more_keeps_no_room():
    floor = Floor(rate=0.5)
    floor.at(0.0)
    assert floor.asked() == ["cam0"]
    floor.mains["cam0"].show(0.1)
    floor.budget.crops = 0
    floor.at(0.2)  # a look is left for its picture, and then it is gone
    floor.mains["cam0"].asked.clear()
    for i in range(1, 6):
        floor.at(0.2 + i, without=["cam0"])
    assert floor.asked() != []


class Larger:
    """What a recording shows at the moment of its proxy's frame, and how often it was asked."""

    size = MAIN

    def __init__(self, pts, place=(0.0, 0.0, 1.0, 1.0), there=True):
        self.frame, self.place, self.there, self.asked = make_frame(pts, MAIN), place, there, 0

    def hiding(self, mask):
        return self

    def picture(self):
        self.asked += 1
        return (self.frame.planes, self.place) if self.there else None


def proxied(scene, pts, decision="detect", tracks=None, **more):
    larger = Larger(pts, **more)
    frame = replace(make_frame(pts, SUB), sub=True, larger=larger)
    there = (Track(1, scene.box(pts), 0.9),) if tracks is None else tracks
    [tagged] = scene.stage([TaggedFrame(frame, decision, tracks=there)])
    return larger, tagged


def test_a_proxys_people_are_looked_at_in_the_recording(scene):
    larger, tagged = proxied(scene, 0.0)
    [subject] = scene.sees.shown
    assert subject.frame.planes is larger.frame.planes
    assert subject.box == pytest.approx(tuple(3 * v for v in scene.box(0.0)))
    assert tagged.views == (1, 0)
    [track] = tagged.tracks
    assert track.best
    assert track.box == scene.box(0.0), "the track itself stays in the proxy's pixels"


def test_a_recordings_picture_is_decoded_only_if_somebody_wants_a_look(scene):
    assert proxied(scene, 0.0, tracks=())[0].asked == 0
    assert proxied(scene, 0.1)[0].asked == 1
    assert proxied(scene, 0.2)[0].asked == 0, "the next look is 0.3 s later"
    assert proxied(scene, 0.3, decision="predict")[0].asked == 0
    assert proxied(scene, 0.5)[0].asked == 1
    assert len(scene.sees.shown) == 2


def test_a_proxy_that_shows_a_part_of_the_recording(scene):
    proxied(scene, 0.0, place=(0.25, 0.25, 0.75, 0.75))
    [subject] = scene.sees.shown
    x0, y0, x1, y1 = scene.box(0.0)
    assert subject.box == pytest.approx(
        (480 + 1.5 * x0, 270 + 1.5 * y0, 480 + 1.5 * x1, 270 + 1.5 * y1)
    )


def test_people_are_looked_at_in_the_proxy_where_the_recording_has_no_picture(scene):
    _, tagged = proxied(scene, 0.0, there=False)
    [subject] = scene.sees.shown
    assert (subject.frame.width, subject.frame.height) == SUB
    assert subject.box == pytest.approx(scene.box(0.0))
    assert tagged.views == (0, 1)


def test_what_is_small_in_the_proxy_may_be_large_enough_in_the_recording(scene):
    proxied(scene, 0.0, tracks=(Track(1, (100.0, 100.0, 112.0, 130.0), 0.9),))
    assert len(scene.sees.shown) == 1, "90 pixels high there"
