"""Zones and lines: from geometry to counts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import make_frame

from pipeline.errors import ConfigError
from pipeline.people.lines import Crossing, Line, Segment
from pipeline.people.places import PlaceStage, beyond
from pipeline.people.zones import Zones
from pipeline.picture.feet import GRID, PresenceGrid, feet
from pipeline.settings.file import parse
from pipeline.settings.section import Fixed
from pipeline.types import TaggedFrame, Track

SIZE = (640, 480)
SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
pixel = st.integers(-20, 120)
point = st.tuples(pixel.map(float), pixel.map(float))
whole = Segment((0.0, 50.0), (100.0, 50.0))


def walk(line: Segment, path, margin: float = 1.0) -> list[str]:
    crossing = Crossing(line)
    return [way for at in path if (way := crossing.step(at, margin)) is not None]


@given(st.lists(st.tuples(st.floats(1, 99), st.floats(0, 100)), min_size=2, max_size=40))
def test_crossings_alternate_and_their_parity_tells_the_side(path):
    """Between the ends of a line there is no way around it."""
    ways = walk(whole, path)
    assert all(a != b for a, b in pairwise(ways))
    far = [at for at in path if abs(whole.side(at)) >= 1.0]
    if far:
        moved = (whole.side(far[0]) > 0) != (whole.side(far[-1]) > 0)
        assert len(ways) % 2 == moved
        if ways:
            assert ways[-1] == ("in" if whole.side(far[-1]) > 0 else "out")


@given(st.lists(point, min_size=2, max_size=30), point, point)
def test_the_way_back_crosses_as_often_the_other_way_and_a_turned_line_turns_the_words(path, a, b):
    assume(np.hypot(a[0] - b[0], a[1] - b[1]) > 1)
    line, turned = Segment(a, b), Segment(b, a)
    assume(all(abs(line.side(at)) > 1e-6 for at in path))
    swapped = {"in": "out", "out": "in"}
    ways = walk(line, path, 0.0)
    assert walk(line, path[::-1], 0.0) == [swapped[way] for way in ways[::-1]]
    assert walk(turned, path, 0.0) == [swapped[way] for way in ways]


@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(45.1, 54.9)), max_size=50))
def test_who_stands_on_a_line_has_not_crossed_it(path):
    assert walk(whole, [(50.0, 30.0), *path], margin=5.0) == []


def test_around_the_end_of_a_line_is_not_through_it():
    around = [(50.0, 20.0), (130.0, 20.0), (130.0, 80.0), (50.0, 80.0)]
    assert walk(whole, around) == []
    assert walk(whole, [*around, (50.0, 20.0)]) == ["out"]
    lingering = [(90.0, 20.0), (95.0, 49.0), (120.0, 49.5), (120.0, 51.0), (120.0, 80.0)]
    assert walk(whole, lingering, margin=4.0) == [], "along the line and around its end"


def test_a_step_that_ends_on_the_line_meets_it_once():
    for path in ([(50.0, 20.0), (50.0, 50.0), (50.0, 80.0)], [(50.0, 20.0), (50.0, 80.0)]):
        assert walk(whole, path) == ["in"]
        assert walk(whole, path[::-1]) == ["out"]
    assert walk(whole, [(50.0, 20.0), (50.0, 50.0), (50.0, 20.0)]) == []


@pytest.mark.parametrize(
    ("into", "to"),
    [("down", (0.5, 0.9)), ("up", (0.5, 0.1)), ("left", (0.1, 0.5)), ("right", (0.9, 0.5))],
)
def test_the_way_in_is_as_seen_in_the_picture(into, to):
    ends = ((0.3, 0.3), (0.7, 0.71))
    for points in (ends, ends[::-1]):
        line = Line(points=points, into=into).within(640, 480)
        assert line.side((to[0] * 640, to[1] * 480)) > 0


@given(st.integers(0, 100), st.integers(0, 100))
def test_corners_and_edges_are_inside_and_distances_are_right(x, y):
    square = np.array([(20, 20), (80, 20), (80, 80), (20, 80)], np.float32)
    outside = np.hypot(max(20 - x, 0, x - 80), max(20 - y, 0, y - 80))
    assert max(beyond(square, (x, y)), 0) == pytest.approx(outside, abs=1e-3)
    assert (beyond(square, (x, y)) <= 0) == (20 <= x <= 80 and 20 <= y <= 80)


def test_what_a_polygon_that_touches_itself_encloses_twice_is_outside():
    bow = np.array([(0, 0), (100, 100), (100, 0), (0, 100)], np.float32)
    assert beyond(bow, (20, 50)) < 0, "one wing"
    assert beyond(bow, (80, 50)) < 0, "the other"
    assert beyond(bow, (50, 50)) == 0, "where they touch"
    assert beyond(bow, (50, 20)) > 0
    twice = np.array([(0, 0), (90, 0), (90, 90), (0, 90), (0, 0), (50, 0), (50, 50), (0, 50)])
    assert beyond(twice.astype(np.float32), (70, 70)) < 0


def at(x: float, y: float, track_id: int = 1, predicted: bool = False) -> Track:
    """Somebody 100 pixels high whose feet are at a point of the picture."""
    return Track(track_id, (x - 20, y - 100, x + 20, y), 0.9, predicted)


def zones_of(stage: PlaceStage, *tracks: Track, size=SIZE, ended=()) -> list[tuple[str, ...]]:
    [done] = stage([TaggedFrame(make_frame(size=size), tracks=tracks, ended=ended)])
    return [track.zones for track in done.tracks]


def squared(**more) -> PlaceStage:
    return PlaceStage(Fixed(Zones(zones={"square": SQUARE}, **more)))


@given(st.lists(st.floats(-5.9, 5.9), max_size=30))
def test_somebody_who_stands_on_a_border_does_not_flicker(tremble):
    stage = squared()
    assert zones_of(stage, at(165, 240)) == [("square",)]
    for shift in tremble:  # the border is at 160
        assert zones_of(stage, at(160 + shift, 240)) == [("square",)]
    assert zones_of(stage, at(153, 240)) == [()]
    for shift in tremble:
        assert zones_of(stage, at(min(160 + shift, 159.9), 240)) == [()]


def test_a_predicted_box_enters_and_leaves_nothing():
    stage = squared()
    assert zones_of(stage, at(320, 240)) == [("square",)]
    assert zones_of(stage, at(20, 240, predicted=True)) == [("square",)]
    assert zones_of(stage, at(20, 240)) == [()]
    assert zones_of(stage, at(320, 240, predicted=True)) == [()]


def test_feet_below_the_picture_are_taken_to_be_on_its_edge():
    assert feet((10.0, 400.0, 30.0, 600.0), 640, 480) == (20.0, 480.0)
    bottom = ((0.0, 0.8), (1.0, 0.8), (1.0, 1.0), (0.0, 1.0))
    stage = PlaceStage(Fixed(Zones(zones={"near": bottom})))
    assert zones_of(stage, at(320, 700)) == [("near",)]


def test_occupancy_counts_people_and_another_picture_size_scales_the_zones():
    stage = squared(lines={"door": Line(points=((0.0, 0.5), (1.0, 0.5)))})
    frame = TaggedFrame(make_frame(size=SIZE), tracks=(at(320, 240), at(300, 250, 2), at(9, 9, 3)))
    [done] = stage([frame])
    assert {place.name: place.count for place in done.places if place.is_zone} == {"square": 2}
    assert [place.name for place in done.places if not place.is_zone] == ["door"]
    assert zones_of(stage, at(300, 220, 4), size=(1280, 960)) == [()]
    assert zones_of(stage, at(640, 480, 4), size=(1280, 960)) == [("square",)]


def test_without_zones_nothing_is_added_and_a_forgotten_camera_begins_anew():
    plain = TaggedFrame(make_frame(size=SIZE), tracks=(at(320, 240),))
    assert PlaceStage(Fixed(Zones()))([plain]) == [plain]
    stage = squared()
    zones_of(stage, at(165, 240))
    stage.forget("cam")
    assert zones_of(stage, at(159, 240)) == [()]


@given(st.lists(st.tuples(st.floats(-9, 700), st.floats(-9, 500), st.floats(0, 2)), max_size=40))
def test_the_grid_holds_every_second_once(sights):
    grid = PresenceGrid()
    for x, y, seconds in sights:
        grid.add((x, y), SIZE, seconds)
    cells = grid.take()
    assert all(0 <= x < GRID[0] and 0 <= y < GRID[1] for x, y, _ in cells)
    assert len({(x, y) for x, y, _ in cells}) == len(cells)
    total = sum(cell[2] for cell in cells)
    assert total == pytest.approx(sum(s for *_, s in sights), abs=0.05 * len(sights) + 1e-6)
    assert grid.take() == []


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("zones: {till: [[0.1, 0.1], [0.9, 0.9], [0.5, 0.5]]}", "zones.till: encloses nothing"),
        ("zones: {till: [[0.1, 0.1], [0.9, 0.9]]}", "at least 3"),
        ("zones: {'': [[0, 0], [1, 0], [1, 1]]}", "at least 1 character"),
        (f"zones: {{{'x' * 300}: [[0, 0], [1, 0], [1, 1]]}}", "at most 64 characters"),
        ("lines: {door: [[0.5, 0.5], [0.5, 0.5]]}", "lines.door: its ends are one point"),
        ("lines: {door: {points: [[0.1, 0.5], [0.9, 0.5]], into: left}}", "set into: up or down"),
        ("lines: {door: {points: [[0.1, 0.5], [0.9, 0.5]], into: away}}", "'up', 'down'"),
    ],
)
def test_what_can_be_no_zone_or_line_is_refused_with_the_reason(setting, reason):
    with pytest.raises(ConfigError, match=reason) as refused:
        parse(f"cameras:\n  - url: a.mp4\n    {setting}\n", "x.yaml")
    assert str(refused.value).startswith("x.yaml:3: cameras.0.")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["it's 50 %", "Eingang \U0001f6aa", 'a "b"'])
def test_names_may_hold_any_character(name):
    zones = Zones(zones={name: SQUARE}, lines={name: ((0.0, 0.5), (1.0, 0.5))})
    assert zones_of(PlaceStage(Fixed(zones)), at(320, 240)) == [(name,)]
