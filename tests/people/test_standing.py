"""People who do not move: found, tagged and kept, though nothing in the picture asks for a look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from support import CLIP, encode, lines, make_frame

from pipeline.flow.pace import Pace
from pipeline.flow.runner import Runner
from pipeline.people.detect import PersonSettings
from pipeline.people.schedule import MotionSettings, ScheduleStage
from pipeline.people.track import PATIENCE, SETTLED, Trackers, TrackSettings
from pipeline.people.tracking import TrackStage
from pipeline.people.zones import Zones
from pipeline.picture.yuv import Planes
from pipeline.settings.schema import make_config
from pipeline.settings.section import Fixed
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.types import Box, Detection, Frame, TaggedFrame, Window

STANDING: Box = (100.0, 100.0, 160.0, 280.0)
#: Whom the detector sees at a time, and how surely.
Seen = Callable[[float], Sequence[tuple[Box, float]]]
#: How long somebody is waited for who vanishes away from the picture's edges.
LOST_S = TrackSettings().lost_s * PATIENCE


def alone(score: float = 0.6, begin: float = 0.0, end: float = 1e9) -> Seen:
    """Somebody who stands there for a time."""
    return lambda t: [(STANDING, score)] if begin <= t < end else []


def nobody(t: float) -> list[tuple[Box, float]]:
    return []


def holds(window: Window, box: Box) -> bool:
    return (
        window[0] <= box[0] and window[1] <= box[1] and window[2] >= box[2] and window[3] >= box[3]
    )


@dataclass
class Camera:
    """One camera whose picture changes only where ``moves`` says; what its looks found is noted.

    ``looks`` are the times of looks, the last one at the ``whole`` picture or not; ``tagging`` are
    those at which each person could be tagged.
    """

    rate: float = 10.0
    size: tuple[int, int] = (640, 480)
    parts: bool = True
    whole: bool = False
    looks: list[float] = field(default_factory=list)
    tagging: dict[int, list[float]] = field(default_factory=dict)
    shown: dict[float, list[int]] = field(default_factory=dict)
    ended: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        person = Fixed(PersonSettings())
        trackers, pace = Trackers(Fixed(TrackSettings()), person), Pace()
        known = (Fixed(MotionSettings()), Fixed(Zones()), trackers)
        steer = (pace.budget, pace.decoding)
        self._schedule = ScheduleStage(person, *known, steer, parts=self.parts)
        self._track = TrackStage(trackers)

    def run(
        self,
        seen: Seen,
        seconds: float,
        moves: Callable[[float], float | None] = lambda t: None,
        begin: float = 0.0,
    ) -> None:
        """``moves`` gives the left edge of something bright at a time, if it is there."""
        for i in range(round(seconds * self.rate)):
            t = begin + i / self.rate
            [tagged] = self._schedule([TaggedFrame(self._frame(t, moves(t)))])
            if tagged.decision == "detect":
                self.looks.append(t)
                self.whole = tagged.windows is None
                tagged = replace(tagged, detections=self._found(tagged, seen(t)))
            [tagged] = self._track([tagged])
            self.shown[t] = [track.id for track in tagged.tracks]
            self.ended += [(t, track_id) for track_id in tagged.ended]
            for track in tagged.tracks:
                if tagged.decision == "detect" and not track.predicted:
                    self.tagging.setdefault(track.id, []).append(t)

    def _frame(self, t: float, bright: float | None) -> Frame:
        frame = make_frame(t, self.size)
        if bright is None:
            return frame
        y = frame.planes.y.copy()
        y[100:280, int(bright) : int(bright) + 60] = 220
        return replace(frame, planes=Planes(y, frame.planes.u, frame.planes.v))

    def _found(
        self, tagged: TaggedFrame, people: Sequence[tuple[Box, float]]
    ) -> tuple[Detection, ...]:
        windows = tagged.windows
        return tuple(
            Detection(box, score)
            for box, score in people
            if windows is None or any(holds(window, box) for window in windows)
        )

    def people(self) -> set[int]:
        return {track_id for ids in self.shown.values() for track_id in ids}


@pytest.mark.parametrize("parts", [True, False], ids=["parts", "whole pictures"])
@pytest.mark.parametrize("rate", [1.0, 2.0, 10.0, 25.0])
def test_who_stands_there_from_the_first_picture_is_found_and_tagged_and_then_left_alone(
    rate, parts
):
    camera = Camera(rate, parts=parts)
    camera.run(alone(), 60)
    assert camera.people() == {1}
    gap = max(0.2, 1 / rate)
    assert camera.tagging[1][0] <= 3 * gap + 0.1, "three detections make a person"
    assert len(camera.tagging[1]) >= SETTLED, "time for all the first looks"
    assert camera.tagging[1][SETTLED - 1] <= (SETTLED + 3) * (gap + 0.05)
    assert len([t for t in camera.looks if t > 25]) <= 3, "of a still scene: one look in 16 s"


def test_the_same_after_a_stream_begins_anew():
    camera = Camera()
    camera.run(alone(), 30, begin=1000.0)
    camera.run(alone(), 30)
    assert camera.ended == [(0.0, 1)]
    assert camera.tagging[2][0] < 1
    assert len([t for t in camera.tagging[2] if t < 5]) >= SETTLED


def test_the_same_after_the_picture_became_another_size():
    """The grid it is compared by may still have the same number of cells."""
    camera = Camera()
    camera.run(alone(), 30)
    camera.size = (1280, 960)
    camera.run(alone(), 30, begin=30.0)
    assert camera.ended == [(30.0, 1)]
    assert camera.tagging[2][0] < 31
    assert len([t for t in camera.tagging[2] if t < 35]) >= SETTLED


@pytest.mark.parametrize("stops", [20.15, 20.35, 20.75, 21.5])
def test_who_walks_in_and_stands_still_too_soon_is_found_and_tagged_all_the_same(stops):
    """Before being confirmed, or before being tagged."""

    def x(t):
        return None if t < 20 else 100.0 * (min(t, stops) - 20) + 50

    def seen(t):
        left = x(t)
        return [] if left is None else [((left, 100.0, left + 60, 280.0), 0.6)]

    camera = Camera()
    camera.run(seen, 60, moves=x)
    assert camera.people() == {1}
    assert camera.tagging[1][0] < 21
    assert len([t for t in camera.tagging[1] if t < 26]) >= SETTLED
    assert len([t for t in camera.looks if t > 30]) <= 3


def test_who_is_doubtful_at_first_is_found_in_the_first_seconds():
    """A first look finds nobody sure enough; those that follow do."""
    camera = Camera()
    camera.run(lambda t: [(STANDING, 0.3 if t < 0.9 else 0.6)], 10)
    assert camera.tagging[1][0] < 2


def test_a_still_scene_without_people_costs_a_few_looks_at_first_and_no_more_than_before_later():
    camera = Camera()
    camera.run(nobody, 125)
    assert len([t for t in camera.looks if t < 5]) <= 11, "five a second for two seconds"
    assert len([t for t in camera.looks if t > 5]) <= 7, "one look in 16 s"


def test_what_is_found_once_and_never_again_costs_one_more_look():
    camera = Camera()
    camera.run(lambda t: [(STANDING, 0.5)] if int(t) in (18, 34, 50) else [], 60)
    assert camera.people() == set()
    assert len([t for t in camera.looks if t > 5]) <= 8


class Unsure:
    """Sees somebody standing but in the first ``misses`` looks after a time."""

    def __init__(self, after: float, misses: int) -> None:
        self.after, self.left, self.missed_at = after, misses, []

    def __call__(self, t: float) -> list[tuple[Box, float]]:
        if t > self.after and self.left:
            self.left -= 1
            self.missed_at.append(t)
            return []
        return [(STANDING, 0.6)]


@pytest.mark.parametrize("parts", [True, False], ids=["parts", "whole pictures"])
@pytest.mark.parametrize("misses", [1, 2, 3])
@pytest.mark.parametrize("rate", [2.0, 10.0])
def test_a_missed_detection_after_a_still_spell_changes_nobody(misses, rate, parts):
    camera, seen = Camera(rate, parts=parts), Unsure(10, misses)
    camera.run(seen, 90)
    assert len(seen.missed_at) == misses
    assert camera.people() == {1}
    assert camera.ended == []
    again = min(t for t in camera.looks if t > seen.missed_at[-1])
    assert again - seen.missed_at[0] <= misses * (0.2 + 1 / rate), "looked at again at once"
    assert len([t for t in camera.looks if t > 40]) <= 5


def test_a_missed_detection_while_others_move_changes_nobody():
    """Somebody walks to and fro; somebody else stands and is missed by one look at everything."""

    def x(t):
        return 300 + 100 * abs((t % 4) - 2)

    camera, stands = Camera(), Unsure(10, 1)

    def seen(t):
        walks = ((x(t), 100.0, x(t) + 60, 280.0), 0.8)
        return [walks, *(stands(t) if camera.whole else [(STANDING, 0.6)])]

    camera.run(seen, 30, moves=x)
    assert len(stands.missed_at) == 1
    assert camera.people() == {1, 2}
    assert camera.ended == []


def test_a_missed_detection_after_a_gap_in_a_recording_changes_nobody():
    camera, seen = Camera(), Unsure(10, 1)
    camera.run(seen, 8)
    camera.run(seen, 8, begin=60.0)
    assert seen.missed_at == [60.0]
    assert camera.people() == {1}
    assert camera.ended == []


@pytest.mark.parametrize("parts", [True, False], ids=["parts", "whole pictures"])
@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_who_has_really_left_is_reported_and_costs_few_looks(rate, parts):
    camera = Camera(rate, parts=parts)
    camera.run(alone(end=12), 60, moves=lambda t: 100.0 if t < 12 else None)
    [(at, who)] = camera.ended
    assert who == 1
    assert at - 12 <= LOST_S + 2 / rate + 0.2
    assert len([t for t in camera.looks if t > 12.5]) <= 8


def test_who_vanishes_without_a_trace_is_reported_after_the_next_look():
    camera = Camera()
    camera.run(alone(end=12), 60)
    [(at, who)] = camera.ended
    noticed = min(t for t in camera.looks if t > 12)
    assert who == 1
    assert at - noticed <= LOST_S + 0.3


def test_people_of_a_clip_that_does_not_move_are_entered_and_tagged_within_seconds(tmp_path):
    with open_source(CameraSettings(url=str(CLIP))) as source:
        picture = next(iter(source)).rgb()
    path = encode(tmp_path / "standing.mp4", [np.ascontiguousarray(picture)] * 60)
    settings = make_config(cameras=[{"url": str(path)}], outputs={"video": False})
    with Runner(settings, tmp_path / "out") as runner:
        runner.start()
        runner.wait()
    events = lines(tmp_path / "out" / "events.jsonl")
    entered = {e["track_id"]: e["pts"] for e in events if e["event"] == "entered"}
    tagged = {e["track_id"] for e in events if e["event"] == "appeared" and e["pts"] < 3}
    assert len(entered) >= 3
    assert max(entered.values()) < 2
    assert tagged == set(entered)
    assert runner.stats.camera("standing").detector_runs <= 25
