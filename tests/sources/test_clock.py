"""The times of a live stream, whatever its stamps do."""

from __future__ import annotations

import itertools
import random

import pytest

from pipeline.sources import clock
from pipeline.sources.clock import Cadence, CameraClock, StreamTime

STEP = 0.1


def run(time, stamps, waited=True, jitter=0.0, seed=1):
    """Stream seconds of pictures with these stamps that arrive every tenth of a second."""
    chance = random.Random(seed)
    late = [jitter * chance.random() for _ in stamps]
    arrived = list(itertools.accumulate(
        (STEP * i + late[i] for i in range(len(stamps))), max))  # fmt: skip
    return [time.seconds(s, 1000 + a, waited) for s, a in zip(stamps, arrived, strict=True)]


def steps(seconds):
    return [b - a for a, b in itertools.pairwise(seconds)]


def even(count, start=0.0):
    return [start + STEP * i for i in range(count)]


def test_right_stamps_are_the_time_whatever_the_network_does():
    time = StreamTime()
    assert run(time, even(200), jitter=1.5) == pytest.approx(even(200))
    assert time.jumps == 0


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 37_600.0, 8.0, -8.0, 2.0**33 / 90_000])
def test_across_a_jump_time_goes_on_by_the_clock(jump):
    time = StreamTime()
    seconds = run(time, [*even(50), *even(50, 5.0 + jump)])
    assert steps(seconds) == pytest.approx([STEP] * 99, abs=0.01)
    assert time.jumps == 1


@pytest.mark.parametrize("jump", [37_600.0, -37_600.0])
def test_stray_stamps_are_bridged_and_the_rest_kept(jump):
    stamps = even(100)
    for i in (20, 40, 60, 61):
        stamps[i] += jump
    time = StreamTime()
    seconds = run(time, stamps, jitter=0.09)
    assert all(step > 0 for step in steps(seconds))
    assert seconds[99] == pytest.approx(9.9, abs=0.2)
    assert 3 <= time.jumps <= 4


def test_jumps_again_and_again_do_not_add_up():
    stamps = [s + 5000 * (i // 10) for i, s in enumerate(even(200))]
    time = StreamTime()
    assert run(time, stamps)[-1] == pytest.approx(19.9, abs=0.2)
    assert time.jumps == 19


def test_without_stamps_or_where_they_stand_still_the_clock_is_the_time():
    for time, stamps in (
        (StreamTime(), [None] * 100),
        (StreamTime(), [7.0] * 100),
        (StreamTime(stamped=False), [i / 25 for i in range(100)]),
    ):
        seconds = run(time, stamps)
        assert seconds[-1] - seconds[0] == pytest.approx(9.9, abs=0.01)
        assert time.jumps == 0


@pytest.mark.parametrize("speed", [0.1, 0.5, 2.0, 25.0])
def test_stamps_at_a_wrong_speed_are_not_used_after_a_while(speed):
    time = StreamTime()
    seconds = run(time, [s * speed for s in even(300)], jitter=0.05)
    assert seconds[-1] - seconds[160] == pytest.approx(13.9, abs=0.1)
    assert time.jumps >= 1


def test_a_machine_that_falls_behind_is_not_a_wrong_speed():
    time = StreamTime()
    assert run(time, [s * 0.5 for s in even(300)], waited=False)[-1] == pytest.approx(14.95)


def test_a_burst_at_the_start_and_a_pause_are_no_jumps():
    time = StreamTime()
    burst = [time.seconds(i * STEP, 1000.0 + i / 1000, False) for i in range(40)]
    assert burst == pytest.approx(even(40))
    late = [time.seconds(4 + i * STEP, 1006.0, True) for i in range(20)]
    assert late == pytest.approx(even(20, 4.0))
    assert time.jumps == 0


def test_a_pause_of_the_camera_itself_is_time_as_well():
    time = StreamTime()
    run(time, even(50))
    assert time.seconds(65.0, 1065.0, True) == 65.0
    assert time.jumps == 0


def test_segments_in_bursts_go_on_by_a_picture():
    time = StreamTime(step_s=STEP)
    first = [time.seconds(i * STEP, 1000.0, True) for i in range(60)]
    second = [time.seconds(9000 + i * STEP, 1006.0, True) for i in range(60)]
    assert steps([*first, *second]) == pytest.approx([STEP] * 119)
    assert time.jumps == 1


@pytest.mark.parametrize(("start", "first"), [(2.5, 2.5), (-1.0, 0.0), (90_000.0, 0.0)])
def test_a_stream_begins_where_it_says_if_that_can_be(start, first):
    seconds = run(StreamTime(), even(10, start))
    assert seconds[0] == first
    assert steps(seconds) == pytest.approx([STEP] * 9)


def test_the_camera_s_clock_goes_with_the_stamps():
    camera = CameraClock()
    assert camera.utc(5.0, 100.0, 0.0) is None
    camera.report(4.0, 3700.0)
    assert camera.utc(5.0, 100.0, 0.0) == 3701.0
    assert camera.utc(6.0, 101.0, 1.0) == 3702.0


def test_a_camera_s_clock_that_is_set_is_believed_after_a_while():
    camera = CameraClock()
    camera.report(0.0, 1000.0)
    told = []
    for second in range(20):
        if second == 10:
            camera.report(10.0, 1010.0 - 3600)
        told.append(camera.utc(float(second), 1000.0 + second, float(second)))
    assert told[:10] == [1000.0 + s for s in range(10)]
    wait = 10 + int(clock.BELIEVED_S)
    assert told[10:wait] == [None] * (wait - 10)
    assert told[wait:] == [1000.0 + s - 3600 for s in range(wait, 20)]


def test_stamps_that_jump_before_the_next_report_do_not_move_the_camera_s_clock():
    camera = CameraClock()
    camera.report(0.0, 1000.0)
    assert camera.utc(1.0, 1001.0, 1.0) == 1001.0
    assert camera.utc(37_602.0, 1002.0, 2.0) is None
    camera.report(37_603.0, 1003.0)
    assert camera.utc(37_604.0, 1004.0, 4.0) == 1004.0


def test_missing_pictures_are_counted_where_they_come_evenly():
    cadence, missing = Cadence(), 0
    stamps = [s for i, s in enumerate(even(200)) if i not in (50, 90, 91, 120)]
    for stamp in stamps:
        missing += cadence.missing(stamp)
    assert missing == 4


def test_pictures_that_come_unevenly_or_pause_are_not_missed():
    chance, cadence = random.Random(2), Cadence()
    times = itertools.accumulate(chance.choice([0.04, 0.1, 0.2]) for _ in range(300))
    assert sum(cadence.missing(t) for t in times) == 0
    cadence = Cadence()
    assert sum(cadence.missing(t) for t in [*even(50), *even(50, 20.0)]) == 0
