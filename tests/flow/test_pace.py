"""Holding real time, under a simulated clock: pace, schedule and the clock of a stream."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from pipeline.flow.pace import GATHER_S, MOST_GAP_S, SHARES, Pace, PaceSettings, adjusted
from pipeline.people.detect import PersonSettings
from pipeline.people.schedule import START_S, STILL_S, MotionSettings, ScheduleStage
from pipeline.people.zones import Zones
from pipeline.settings.section import Fixed
from pipeline.sources.clock import HURRY, MOST_WAIT_S, SPAN_S, Metronome, StreamClock
from pipeline.types import Frame, TaggedFrame

SETTINGS = PaceSettings(latency_s=0.2, most_slowdown=8.0)
PERSON = PersonSettings(interval_s=0.2, refresh_s=2.0)


def schedule(pace: Pace) -> ScheduleStage:
    """The schedule, looking at whole pictures always."""
    motion, steer = Fixed(MotionSettings(threshold=0.01)), (pace.budget, pace.decoding)
    return ScheduleStage(Fixed(PERSON), motion, Fixed(Zones()), None, steer)


@given(st.floats(1, 8), st.lists(st.floats(0, 100), max_size=30))
def test_the_slowdown_stays_within_its_bounds_and_moves_the_right_way(slowdown, ages):
    after = adjusted(slowdown, ages, SETTINGS)
    assert 1 <= after <= 8
    if ages and min(ages) > 0.2:
        assert after >= slowdown
    if not ages or max(ages) < 0.1:
        assert after <= slowdown


def settle(pace, capacity, seconds=120):
    """Feed a pace the latencies of a machine that can do ``capacity`` of the full work."""
    for step in range(seconds * 5):
        load = 1 / pace.slowdown.factor / capacity
        pace.slowdown.finished(step * 0.2, 0.05 / max(1 - load, 0.02) if load < 1 else 1.0)
    return pace.slowdown.factor


def test_an_idle_machine_gives_nothing_up():
    pace = Pace(SETTINGS)
    assert settle(pace, 10) == 1
    assert (
        pace.gathering.gap_s,
        pace.decoding.choose("cam", 0.1, "all"),
        pace.slowdown.seconds,
    ) == (0, "all", 0)


@pytest.mark.parametrize("capacity", [0.6, 0.3, 0.2])
def test_an_overloaded_machine_settles_where_the_latency_is_held(capacity):
    pace = Pace(SETTINGS)
    slowdown = settle(pace, capacity)
    assert 0.05 / (1 - 1 / slowdown / capacity) < 0.25
    assert slowdown < 2 / capacity, "no more is given up than needed"
    assert pace.gathering.gap_s == MOST_GAP_S or slowdown < 2
    assert pace.slowdown.seconds > 60


def test_a_hopeless_machine_ends_at_the_limit_and_comes_back():
    pace = Pace(SETTINGS)
    assert settle(pace, 0.01) == 8
    assert pace.decoding.choose("cam", 0.1, "all") == "quick"
    for step in range(600):
        pace.slowdown.finished(1000 + step, 0.02)
    assert pace.slowdown.factor == 1
    assert pace.decoding.choose("cam", 0.1, "quick") == "all"


def test_cameras_are_decoded_quickly_while_detections_have_to_wait():
    pace = Pace(SETTINGS)
    for _ in range(100):
        pace.decoding.asked(4, 0)
    assert pace.decoding.choose("cam", 0, "all") == "all"
    for _ in range(100):
        pace.decoding.asked(4, 2)
    assert pace.decoding.choose("cam", 0, "all") == "quick"
    for _ in range(100):
        pace.decoding.asked(4, 0)
    assert pace.decoding.choose("cam", 0, "quick") == "quick", "not at once"
    for _ in range(500):
        pace.decoding.asked(4, 0)
    assert pace.decoding.choose("cam", 0, "quick") == "all"


def test_one_camera_that_fell_behind_skips_to_key_frames_until_it_caught_up():
    pace = Pace(SETTINGS)
    assert pace.decoding.choose("cam", 0.5, "all") == "all"
    assert pace.decoding.choose("cam", 0.7, "all") == "key"
    assert pace.decoding.choose("cam", 0.4, "key") == "key"
    assert pace.decoding.choose("cam", 0.1, "key") == "all"


def test_under_pressure_work_gets_its_share_of_the_time_and_no_more():
    """Rounds follow each other at once; each kind of work takes all it is allowed."""
    pace, now, spent = Pace(SETTINGS, slowdown=2.0), 0.0, {"detection": 0.0, "crop": 0.0}
    pace.begin(now)
    while now < 60:
        for work, cost in (("detection", 0.01), ("crop", 0.03)):
            count = pace.budget.allowed(work)
            pace.budget.spent(work, count * cost, count)
            spent[work] += count * cost
            now += count * cost
        now += 0.002
        pace.begin(now)
    assert spent["detection"] / now == pytest.approx(SHARES["detection"] / 2, rel=0.1)
    assert spent["crop"] / now == pytest.approx(SHARES["crop"] / 2, rel=0.1)


def test_rounds_gather_frames_only_under_pressure():
    pace = Pace(SETTINGS)
    pace.begin(10.0)
    assert pace.gathering.pause(10.0) == 0
    pace.slowdown.factor = 1.5
    assert pace.gathering.pause(10.01) == pytest.approx(GATHER_S - 0.01)
    assert pace.gathering.pause(11.0) == 0


def test_frames_that_waited_for_something_that_will_not_come_again_do_not_count():
    pace = Pace(SETTINGS)
    pace.budget.excuse(100.0)
    for step in range(40):
        pace.slowdown.finished(100.5 + step / 10, 0.6 + step / 10)
    assert pace.slowdown.factor == 1


def test_a_round_does_as_much_as_its_slice_of_the_budget_and_never_nothing():
    pace = Pace(SETTINGS)
    assert pace.budget.allowed("detection") == 1, "nothing is known yet"
    pace.budget.spent("detection", 0.1, 10)
    pace.budget.spent("crop", 30.0, 1)
    assert pace.budget.allowed("detection") == 4
    assert pace.budget.allowed("crop") == 1
    pace.budget.spent("crop", 1.0, 0)
    assert pace.budget.allowed("crop") == 1


def rounds(cameras, seconds, pace, moving=lambda camera, t: True, rate=15):
    """Detections per camera when every camera's frames arrive at the same moments."""
    stage, found = schedule(pace), {name: [] for name in cameras}
    for step in range(round(seconds * rate)):
        t = step / rate
        batch = []
        for name in cameras:
            level = 40 + 90 * (step % 2) if moving(name, t) else 100
            batch.append(TaggedFrame(replace(make_frame(t, level=level, source=name), live=True)))
        for tagged in stage(batch):
            if tagged.decision == "detect":
                found[tagged.frame.source].append(t)
    return found


def test_cameras_that_start_together_are_spread_over_rounds():
    pace = Pace(SETTINGS)
    pace.budget.spent("detection", 0.01, 1)
    found = rounds([f"cam{i}" for i in range(8)], 4, pace)
    at = [t for times in found.values() for t in times]
    assert max(at.count(t) for t in set(at)) <= 4
    assert all(len(times) >= 4 * 4 for times in found.values())


def test_a_few_detections_a_round_are_shared_evenly():
    pace = Pace(SETTINGS)
    pace.budget.spent("detection", 0.04, 1)
    found = rounds([f"cam{i}" for i in range(12)], 10, pace)
    counts = [len(times) for times in found.values()]
    assert sum(counts) == pytest.approx(150, abs=2), "one in every round"
    assert max(counts) - min(counts) <= 1


def test_a_camera_whose_main_stream_gave_a_picture_comes_before_the_others():
    pace = Pace(SETTINGS)
    pace.budget.spent("detection", 0.04, 1)  # one in every round
    stage, waiting = schedule(pace), {"cam5"}
    stage.pending = lambda frame: frame.source in waiting
    searched = []
    for step in range(90):
        batch = [
            TaggedFrame(
                replace(
                    make_frame(step / 15, level=40 + 90 * (step % 2), source=f"cam{i}"), live=True
                )
            )
            for i in range(12)
        ]
        searched += [one.frame.source for one in stage(batch) if one.decision == "detect"]
    assert searched.count("cam5") >= 2 * searched.count("cam4")
    assert set(searched) == {f"cam{i}" for i in range(12)}, "nobody starves"


def test_the_rate_of_work_is_what_its_share_of_the_time_has_room_for():
    pace = Pace(SETTINGS)
    assert pace.budget.rate("crop") == inf, "nothing is known yet"
    pace.budget.spent("crop", 0.1, 2)
    assert pace.budget.rate("crop") == pytest.approx(SHARES["crop"] / 0.05)
    for step in range(20):
        pace.slowdown.finished(step / 2, 5.0)
    assert pace.slowdown.factor > 1
    assert pace.budget.rate("crop") == pytest.approx(SHARES["crop"] / 0.05 / pace.slowdown.factor)


def test_a_still_camera_is_looked_at_now_and_then_and_a_moving_one_not_slowed():
    pace = Pace(SETTINGS)
    pace.budget.spent("detection", 0.04, 1)
    found = rounds(["busy", "quiet"], 20, pace, lambda camera, t: camera == "busy")
    first = [t for t in found["quiet"] if t < START_S]
    assert len(first) <= 5 * START_S + 1
    gaps = np.diff([first[-1], *found["quiet"][len(first) :]])
    assert gaps == pytest.approx([2, 8, 8][: len(gaps)], abs=0.5), "rarely once it is still"
    assert len(found["busy"]) >= 20 * 4.5


def test_a_camera_without_motion_is_decoded_quickly_until_something_moves():
    pace = Pace(SETTINGS)
    stage, quick = schedule(pace), []
    for step in range(300):
        t = step / 15
        moving = t < 2 or t > 15
        frame = make_frame(t, level=40 + 90 * (step % 2) if moving else 100, source="cam")
        stage([TaggedFrame(replace(frame, live=True))])
        quick.append(pace.decoding.choose("cam", 0, "all"))
    changes = [step / 15 for step in range(1, 300) if quick[step] != quick[step - 1]]
    assert set(quick) == {"all", "quick"}
    assert changes == [pytest.approx(2 + STILL_S, abs=0.4), pytest.approx(15, abs=0.4)]


def test_recordings_get_every_detection_they_ask_for():
    pace = Pace(SETTINGS, slowdown=8.0)
    pace.budget.spent("detection", 9.0, 1)
    stage = schedule(pace)
    for step in range(20):
        batch = [
            TaggedFrame(make_frame(step * 0.2, level=40 + 90 * (step % 2), source=f"file{i}"))
            for i in range(6)
        ]
        assert all(tagged.decision == "detect" for tagged in stage(batch))


def test_a_stream_that_begins_anew_is_looked_at_at_once():
    stage = schedule(Pace(SETTINGS))
    assert stage([TaggedFrame(make_frame(100.0))])[0].decision == "detect"
    assert stage([TaggedFrame(make_frame(100.1))])[0].decision == "predict"
    assert stage([TaggedFrame(make_frame(0.0))])[0].decision == "detect"


def test_late_pictures_are_dated_back():
    clock = StreamClock()
    for i in range(100):
        assert clock.captured_at(i / 10, 50 + i / 10, waited=True) == pytest.approx(50 + i / 10)
    assert clock.captured_at(10.0, 60.3, waited=False) == pytest.approx(60.0)


def test_drift_and_jumps_are_followed():
    clock = StreamClock()
    for i in range(3000):
        arrived = 50 + i / 10 * 1.0005
        lag = arrived - clock.captured_at(i / 10, arrived, waited=True)
    assert lag < SPAN_S * 0.001
    assert clock.captured_at(5.0, 1000.0, waited=False) <= 1000.0


def test_stamps_at_a_wrong_rate_do_not_seem_late():
    """Declared 25 frames/s, sent 21: stamps fall behind by 16 %."""
    clock = StreamClock()
    lags = []
    for i in range(2000):
        arrived = i / 21
        lags.append(arrived - clock.captured_at(i / 25, arrived, waited=True))
    assert max(lags[100:]) <= 0.51


def test_a_reader_that_falls_behind_knows():
    """Frames every 66 ms, read every 80 ms from a socket that holds them back."""
    clock = StreamClock()
    for i in range(100):
        clock.captured_at(i / 15, i / 15, waited=True)
    for i in range(100, 160):
        arrived = 100 / 15 + (i - 100) * 0.08
        lag = arrived - clock.captured_at(i / 15, arrived, waited=False)
    assert lag == pytest.approx(60 * (0.08 - 1 / 15), rel=0.1)


def test_the_network_s_delay_is_not_work_of_this_machine():
    """Pictures half a second late, each of which had to be waited for: they waited nowhere here."""
    clock = StreamClock()
    for i in range(100):
        arrived = 50 + i / 10 + (0.45 if i > 50 else 0.0)
        taken = clock.captured_at(i / 10, arrived, waited=True)
        frame = Frame(
            "a", i, i / 10, taken, 0.0, None, True, None, clock.arrived_at(taken, arrived)
        )
        if i > 50:
            assert frame.captured_at == pytest.approx(arrived - 0.45)
            assert frame.waiting_since == arrived


def test_what_waited_in_the_socket_because_this_machine_was_slow_is_its_work():
    clock = StreamClock()
    for i in range(100):
        clock.captured_at(i / 15, i / 15, waited=True)
    for i in range(100, 160):
        arrived = 100 / 15 + (i - 100) * 0.08
        taken = clock.captured_at(i / 15, arrived, waited=False)
    assert clock.arrived_at(taken, arrived) == taken < arrived - 0.5


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e3), st.booleans()), max_size=40))
def test_no_picture_is_taken_after_it_arrived(steps):
    clock, now = StreamClock(), 0.0
    for pts, passed, waited in steps:
        now += passed
        assert clock.captured_at(pts, now, waited) <= now


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 8)), min_size=1, max_size=20))
def test_bursts_are_handed_out_in_order_and_hardly_faster_than_they_were_taken(bursts):
    metronome, pts, now, shown = Metronome(), 0.0, 0.0, []
    for pictures, pause in bursts:
        now += pause
        for _ in range(pictures):
            pts += 0.1
            wait = metronome.wait_s(pts, now)
            assert 0 <= wait <= MOST_WAIT_S
            now += wait
            shown.append(now)
    least = 0.1 * (1 - HURRY)
    assert all(later - earlier >= least - 1e-6 for earlier, later in pairwise(shown))


def ages_of_hls(begin, seconds, cut=(0.0, 0.0)):
    """Ages of the pictures of live HLS, ten a second in segments of two seconds, as it is opened at
    a time; between the two of ``cut``, nothing comes. FFmpeg asks every second for a segment that
    is not there yet."""
    metronome, now, ages = Metronome(), begin, []
    segment = int(begin // 2) - 1
    while now < begin + seconds:
        while now < 2 * (segment + 1) or cut[0] <= now < cut[1]:
            now += 1.0
        for i in range(20):
            pts = 2 * segment + i / 10
            now += metronome.wait_s(pts, now)
            ages.append(now - pts)
        segment += 1
    return ages


@pytest.mark.parametrize("phase", [0.1, 0.5, 1.0, 1.5, 1.9])
def test_a_stream_in_segments_is_soon_as_young_as_it_can_be_and_then_even(phase):
    ages = ages_of_hls(100 + phase, 120)
    settled = ages[300:]
    assert 2 <= min(settled) <= max(settled) <= 3.1
    assert max(settled) - min(settled) < 0.01
    after = ages_of_hls(100 + phase, 300, cut=(150, 160))[-300:]
    assert 2 <= min(after) <= max(after) <= 3.1


def test_a_jump_of_the_stream_s_time_holds_nothing_back_for_long():
    metronome = Metronome()
    assert metronome.wait_s(5.0, 100.0) == 0
    assert metronome.wait_s(5000.0, 100.1) == 0
    assert metronome.wait_s(5000.1, 100.1) == pytest.approx(0.1, rel=HURRY + 0.01)
    assert metronome.wait_s(1.0, 100.2) == 0
