"""Sizes in cm: planes, boards, axes, shapes, heights, and whether a camera moved."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation.belt_scenes import belt_camera
from evaluation.floor_scenes import body, floor_camera
from evaluation.measures_made import badly_drawn, heights, squares
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from measure_support import arc, bar, flat
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.tagging.measures.axis import axis_of, longest_path, thinned
from pipeline.tagging.measures.belt import EmptyPlane, instances
from pipeline.tagging.measures.board import Board, lens_of, plane_of_board
from pipeline.tagging.measures.drawing import cell_cm, with_grid
from pipeline.tagging.measures.follow import Follower
from pipeline.tagging.measures.height import focal_of, height_of
from pipeline.tagging.measures.plane import Plane, PlaneSettings, along, plane_of_rectangle
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.measures.shape import Measure, measure
from pipeline.tagging.measures.steady import Steadiness

SQUARE = ((100.0, 100.0), (500.0, 100.0), (500.0, 400.0), (100.0, 400.0))


# -- Planes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        (((1, 1), (100, 100), (200, 200), (300, 300)), "on a line"),
        (((1, 1), (200, 1), (400, 1), (100, 300)), "on a line"),
        (((1, 1), (1, 1), (200, 200), (1, 200)), "on a line"),
        (((1, 1), (200, 200), (200, 1), (1, 200)), "crosses itself"),
        (((1, 1), (400, 1), (100, 100), (1, 400)), "crosses itself"),
        (((-5, 1), (400, 1), (400, 400), (1, 400)), "outside"),
        (((1, 1), (float("nan"), 1), (400, 400), (1, 400)), "no number"),
    ],
)
def test_what_is_no_rectangle_is_refused_in_one_line(corners, said):
    with pytest.raises(ConfigError, match=said) as caught:
        plane_of_rectangle(corners, (40, 30), (640, 480), 0.01)
    assert "\n" not in str(caught.value)


def test_a_rectangle_without_size_is_refused():
    with pytest.raises(ConfigError, match="longer than 0"):
        plane_of_rectangle(SQUARE, (0, 30), (640, 480), 0.01)
    with pytest.raises(ValidationError, match="on a line"):
        PlaneSettings(
            picture=(640, 480), corners=((1, 1), (2, 2), (3, 3), (4, 4)), size_cm=(1, 1), error_px=0
        )


def test_points_go_to_the_plane_and_back_through_a_lens():
    camera = belt_camera()
    plane = Plane(camera.plane(30, 20, 60, 25), camera.size)
    ground = np.random.default_rng(0).uniform((0, 0), (60, 25), (50, 2))
    seen = camera.project(np.hstack([ground + np.array([30, 20]), np.zeros((50, 1))]))
    assert np.abs(plane.to_ground(seen) - ground).max() < 0.01
    assert np.abs(plane.to_picture(ground) - seen).max() < 0.2


def test_pictures_of_another_size_are_scaled_and_of_another_shape_refused():
    plane = plane_of_rectangle(SQUARE, (40, 30), (640, 480), 0.01)
    half = Plane(plane, (320, 240))
    assert along(half.to_ground(np.array([[50.0, 50.0], [250.0, 50.0]]))) == pytest.approx(40)
    assert half.error_px == pytest.approx(Plane(plane, (640, 480)).error_px / 2)
    with pytest.raises(ConfigError, match="calibrate again"):
        Plane(plane, (640, 360))


def test_above_the_horizon_nothing_is_measured():
    corners = ((200.0, 300.0), (440.0, 300.0), (600.0, 460.0), (40.0, 460.0))
    plane = Plane(plane_of_rectangle(corners, (200, 200), (640, 480), 0.01), (640, 480))
    ground = plane.to_ground(np.array([[320.0, 400.0], [320.0, 10.0]]))
    assert np.isfinite(ground[0]).all()
    assert np.isnan(ground[1]).all()
    assert measure(np.ones((40, 200), np.uint8), (200, 5), plane) is None


@pytest.mark.parametrize("wrong", [0.003, 0.01, 0.02])
def test_the_error_of_badly_drawn_corners_is_told_within_a_factor_of_two(wrong):
    happened, told = badly_drawn(3, wrong, draws=60)
    assert happened / 2 < told < happened * 2


def test_corners_drawn_twice_as_badly_make_twice_the_error():
    line = np.array([[200.0, 200.0], [500.0, 400.0]])
    one, two = (flat(wrong=wrong).with_error(line, along)[1] for wrong in (0.005, 0.01))
    assert two == pytest.approx(2 * one, rel=0.02)
    assert flat().with_error(line, along)[1] == 0


# -- Boards ------------------------------------------------------------------------------------


def board_picture(charuco=False, tilt=0.5, size=(1280, 720), distortion=0.0, shift=(0.0, 0.0)):
    """A board on a plane as a camera sees it: picture, camera matrix, and its corner (cm)."""
    if charuco:
        kind = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        flat_board = cv2.aruco.CharucoBoard((8, 6), 4.0, 3.0, kind).generateImage((1600, 1200))
    else:
        cells = (np.indices((7, 10)).sum(0) % 2 * 255).astype(np.uint8)
        flat_board = cv2.copyMakeBorder(
            cells.repeat(160, 0).repeat(160, 1), 160, 160, 160, 160, cv2.BORDER_CONSTANT, value=255
        )
    height, width = flat_board.shape
    per_cm = 50.0
    matrix = np.array([[1100.0, 0, size[0] / 2], [0, 1100.0, size[1] / 2], [0, 0, 1]])
    rotation = cv2.Rodrigues(np.array([tilt, tilt / 3, 0.1]))[0]
    middle = np.array([width / per_cm / 2, height / per_cm / 2, 0])
    translation = np.array([*shift, 70.0]) - rotation @ middle
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float64)
    rays = cv2.undistortPoints(
        np.stack([x.ravel(), y.ravel()], 1).reshape(-1, 1, 2),
        matrix, np.array([distortion, 0, 0, 0, 0.0]),
    ).reshape(-1, 2)  # fmt: skip
    columns = np.stack([rotation[:, 0], rotation[:, 1], translation], 1)
    ground = np.hstack([rays, np.ones((len(rays), 1))]) @ np.linalg.inv(columns).T
    ground = (ground[:, :2] / ground[:, 2:] * per_cm).astype(np.float32).reshape(*size[::-1], 2)
    seen = cv2.remap(
        flat_board, ground[..., 0], ground[..., 1], cv2.INTER_AREA,
        borderMode=cv2.BORDER_CONSTANT, borderValue=190,
    )  # fmt: skip
    return cv2.GaussianBlur(seen, (0, 0), 0.8)


@pytest.mark.parametrize("charuco", [False, True])
def test_a_board_tells_the_plane_it_lies_on(charuco):
    board = Board(8, 6, 4.0, "4X4_50") if charuco else Board(9, 6, 3.2)
    view = board.find(board_picture(charuco))
    assert view is not None
    settings = plane_of_board(view, (1280, 720))
    plane = Plane(settings, (1280, 720))
    ground = plane.to_ground(view[0])
    gaps = np.linalg.norm(ground[:, None] - ground[None], axis=2)
    true = np.linalg.norm(view[1][:, None] - view[1][None], axis=2)
    there = true > 0
    off = np.abs(gaps[there] / true[there] - 1)
    assert off.mean() < 0.005
    assert off.max() < 0.03
    assert settings.error_px < 0.5


def test_half_a_chessboard_is_no_board_but_half_a_charuco_board_is_one():
    assert Board(9, 6, 3.2).find(board_picture(shift=(36.0, 0.0))) is None
    assert Board(8, 6, 4.0, "4X4_50").find(board_picture(True, shift=(36.0, 0.0))) is not None
    assert Board(9, 6, 3.2).find(np.full((100, 100), 128, np.uint8)) is None


def test_a_lens_is_told_from_several_views_and_not_from_few():
    board = Board(9, 6, 3.2)
    views = [
        view
        for tilt in (-0.6, -0.3, 0.3, 0.6)
        for shift in ((-8.0, 0.0), (8.0, 4.0))
        if (view := board.find(board_picture(tilt=tilt, distortion=-0.2, shift=shift)))
    ]
    assert len(views) >= 6
    lens = lens_of(views, (1280, 720))
    assert lens.focal[0] == pytest.approx(1100, rel=0.02)
    assert lens.distortion[0] == pytest.approx(-0.2, abs=0.06)
    with pytest.raises(ConfigError, match="4 or more"):
        lens_of(views[:2], (1280, 720))


@pytest.mark.parametrize(
    ("size", "markers", "said"),
    [((2, 6, 2.0), "", "from 3"), ((9, 6, 0.0), "", "longer than 0"), ((9, 6, 2.0), "X", "names")],
)
def test_boards_that_cannot_be_are_refused(size, markers, said):
    said = "dictionary" if markers else said
    with pytest.raises(ConfigError, match=said):
        Board(*size, markers).find(np.zeros((50, 50), np.uint8))


def samples() -> Path:
    """Where the chessboard pictures of Debian's opencv-doc are."""
    given = os.environ.get("OPENCV_SAMPLES")
    return Path(given or "/usr/share/doc/opencv-doc/examples/data")


@pytest.mark.parametrize("side", ["left", "right"])
def test_squares_of_real_chessboard_pictures_are_alike(side):
    files = sorted(samples().glob(f"{side}0*.jpg"))
    if not files:
        pytest.skip("no chessboard pictures: install opencv-doc or set OPENCV_SAMPLES")
    found = squares(files)
    assert found["pictures"] >= 8
    assert found["error"] <= 0.01


# -- Axes and shapes ---------------------------------------------------------------------------


def test_a_skeleton_is_thin_connected_and_inside():
    mask, _ = arc(200, 24, 1.2)
    thin = thinned(mask)
    assert not (thin & ~mask & 1).any()
    assert cv2.connectedComponents(thin)[0] == 2
    assert thin.sum() < mask.sum() / 10
    assert len(longest_path(thin)) > 150
    assert len(longest_path(np.zeros((5, 5), np.uint8))) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.floats(60, 400), st.floats(0.08, 0.35), st.floats(-1.57, 1.57)
)  # length in pixels, width against it, turn
def test_bars_are_as_long_as_they_are(length, slim, turn):
    assume(slim * length >= 8)  # thinner ones may be taken for several
    mask, at = bar(length, slim * length, turn)
    found = measure(mask, at, flat())
    assert found is not None
    assert found.state == "whole"
    assert found.length_cm * 10 == pytest.approx(length, abs=1.2 + 0.004 * length)
    assert found.box_cm[0] * 10 == pytest.approx(length, abs=2)
    assert found.width_cm * 10 == pytest.approx(slim * length, abs=2.5)
    edge = 1.2 * (1 + slim) * length  # a pixel more or less along half of the outline
    assert found.area_cm2 * 100 == pytest.approx(slim * length**2, abs=edge)


@pytest.mark.parametrize("bend", [-1.6, -0.8, 0.5, 1.2, 2.2])
def test_bent_bars_are_measured_along_their_axis(bend):
    mask, at = arc(300, 30, bend)
    found = measure(mask, at, flat())
    assert found is not None
    assert found.length_cm == pytest.approx(30, rel=0.01)
    if abs(bend) > 2:
        assert found.box_cm[0] < 28
    assert found.state == "whole"
    assert len(found.line) > 10


def test_round_things_are_measured_by_their_rectangle():
    mask = np.zeros((121, 121), np.uint8)
    cv2.circle(mask, (60, 60), 50, 1, -1)
    found = measure(mask, (200, 200), flat())
    assert found is not None
    assert found.length_cm == pytest.approx(10.1, abs=0.2)
    assert found.state == "whole"
    assert not len(found.line)


@pytest.mark.parametrize("at", [(0, 200), (200, 0), (800 - 60, 200), (200, 600 - 20)])
def test_what_the_picture_cuts_is_marked(at):
    found = measure(np.ones((20, 60), np.uint8), at, flat())
    assert found is not None
    assert found.state == "cut"


def crossed(kind):
    """Two bars that overlap, as one mask."""
    canvas = np.zeros((600, 800), np.uint8)
    places = {
        "cross": ((400, 300), 1.3), "tee": ((520, 360), 1.5), "corner": ((545, 380), 1.4),
    }  # fmt: skip
    for length, turn, at in ((300, 0.0, (400.0, 300.0)), (180, places[kind][1], places[kind][0])):
        mask, (x, y) = bar(length, 30, turn, at)
        canvas[y : y + mask.shape[0], x : x + mask.shape[1]] |= mask
    return canvas


@pytest.mark.parametrize("kind", ["cross", "tee", "corner"])
def test_things_across_each_other_are_marked(kind):
    x, y, w, h = cv2.boundingRect(crossed(kind))
    found = measure(crossed(kind)[y : y + h, x : x + w], (x, y), flat())
    assert found is not None
    assert found.state == "overlapping"


def test_two_round_ended_things_end_to_end_are_marked():
    canvas = np.zeros((60, 320), np.uint8)
    for x in (80, 235):
        cv2.ellipse(canvas, (x, 30), (80, 22), 0, 0, 360, 1, -1)
    found = measure(canvas, (100, 100), flat())
    assert found is not None
    assert found.state == "overlapping"


def test_things_around_a_hole_are_marked():
    mask, at = bar(200, 40, 0.3)
    assert measure(mask, at, flat(), holes=0.2).state == "overlapping"  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 40)])
def test_specks_are_no_trouble(shape):
    found = measure(np.ones(shape, np.uint8), (50, 50), flat())
    assert found is None or found.length_cm < 5
    axis_of(np.ones(shape, np.uint8))
    assert measure(np.zeros((5, 5), np.uint8), (50, 50), flat()) is None


# -- Masks -------------------------------------------------------------------------------------


def table(things=(), light=1.0, noise=0):
    """A light table with things on it, each (box, colour)."""
    rng = np.random.default_rng(noise)
    picture = np.full((300, 400, 3), 200.0) + rng.normal(0, 2, (300, 400, 3))
    for (x0, y0, x1, y1), colour in things:
        picture[y0:y1, x0:x1] = colour
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def found_in(picture, empty, **changes):
    given = {"contrast": 20, "shadow": 0.68, "least_px": 50, **changes}
    return instances(picture, empty, **given)


def test_things_are_found_to_the_pixel_and_shadows_are_not():
    things = [((50, 60, 150, 90), (40, 60, 120)), ((200, 100, 230, 200), (200, 30, 30))]
    shadow = ((50, 92, 150, 112), (152, 152, 152))
    found = found_in(table([*things, shadow], noise=1), table())
    assert found is not None
    boxes = sorted(one.box for one in found)
    assert len(boxes) == 2
    for box, (true, _) in zip(boxes, things, strict=True):
        assert np.abs(np.array(box) - true).max() <= 1
    assert len(found_in(table([shadow]), table(), shadow=1.0) or ()) == 1


def test_holes_are_filled_and_told():
    ring = [((100, 100, 200, 160), (30, 30, 90)), ((120, 115, 180, 145), (200, 200, 200))]
    [one] = found_in(table(ring), table()) or ()
    assert one.mask.sum() == pytest.approx(100 * 60, rel=0.02)
    assert one.holes == pytest.approx(0.3, abs=0.03)


def test_a_covered_view_is_told_and_an_empty_one_has_nothing():
    assert found_in(np.full((300, 400, 3), 20, np.uint8), table()) is None
    assert found_in(table(noise=4), table()) == []


def test_the_empty_plane_is_learnt_while_things_pass():
    empty = EmptyPlane(1.2)
    known = [
        empty.learn(table([((20 + 25 * i, 50, 100 + 25 * i, 120), (60, 20, 20))]), i / 10)
        for i in range(13)
    ]
    assert known == [False] * 12 + [True]
    assert empty.picture is not None
    assert np.abs(empty.picture.astype(int) - 200).max() < 15


def test_the_empty_plane_follows_the_light_but_not_what_lies_there():
    empty = EmptyPlane(1.0, table())
    covered = np.zeros((300, 400), np.uint8)
    covered[50:100, 50:100] = 1
    darker = table([((50, 50, 100, 100), (10, 10, 10))], light=0.8)
    for second in range(30):
        empty.follow(darker, covered, 2.0 * second)
    assert empty.picture is not None
    assert empty.picture[200:].mean() < 170
    assert empty.picture[50:100, 50:100].mean() > 190


# -- Tracks ------------------------------------------------------------------------------------


def look(length=20.0, state="whole"):
    return Measure(state, length, 0.1, (length, 2.0), 2.0, 40.0, np.zeros((0, 2)))


def test_on_a_belt_that_nothing_is_known_of_nobody_is_taken_for_a_neighbour():
    before = [(289, 340, 379, 518), (378, 361, 499, 592), (539, 351, 806, 452)]
    lengths = (12.4, 16.2, 16.6)
    follower = Follower(1.0)
    for step in range(3):
        found = [
            ((x0 + 110.0 * step, y0 - 20.0 * step, x1 + 110.0 * step, y1 - 20.0 * step), look(cm))
            for (x0, y0, x1, y1), cm in zip(before, lengths, strict=True)
        ]
        shown = follower.update(found, 0.1 * step)
    assert [one.id for one in shown] == [1, 2, 3]
    assert [one.mean("length_cm") for one in shown] == pytest.approx(lengths)


def test_objects_keep_their_numbers_as_the_belt_moves():
    follower = Follower(1.0)
    for i in range(8):
        boxes = [(10 + 30 * i, 10, 60 + 30 * i, 30), (200 + 30 * i, 10, 280 + 30 * i, 40)]
        shown = follower.update([(box, look(20 + 0.1 * (i % 2))) for box in boxes], i / 10)
        assert [one.id for one in shown] == [1, 2]
    assert shown[0].mean("length_cm") == pytest.approx(20.05)
    assert shown[0].spread_cm == pytest.approx(0.05)
    later = follower.update([((10, 10, 60, 30), look())], 9.0)
    assert [one.id for one in later] == [3], "what was gone long is another object"


def test_what_was_measured_apart_stays_when_things_touch():
    follower = Follower(1.0)
    for i in range(3):
        follower.update([((10, 10, 60, 30), look()), ((100, 10, 150, 30), look(30))], i / 10)
    [one] = follower.update([((10, 10, 150, 30), look(50.0))], 0.3)
    assert one.state == "overlapping"
    assert one.mean("length_cm") in (20, 30)


# -- People ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lens", [True, False])
def test_heights_on_made_floors(lens):
    found = heights(2, lens, people=20)
    assert found["people"] >= 15
    assert found["error"] <= 0.03
    assert found["error"] / 2 < found["told"] < 4 * found["error"]


def test_a_focal_length_is_told_by_a_rectangle_seen_aslant_and_not_from_above():
    camera = floor_camera(np.random.default_rng(3))
    ground = np.array([[-60, 0, 0], [60, 0, 0], [60, 200, 0], [-60, 200, 0]], float)
    plane = Plane(camera.plane(-60, 0, 120, 200), camera.size)
    seen = plane.straight(camera.project(ground)).astype(np.float32)
    homography = cv2.getPerspectiveTransform(ground[:, :2].astype(np.float32), seen)
    focal = focal_of(homography, camera.matrix[:2, 2])
    assert focal == pytest.approx(camera.matrix[0, 0], rel=0.02)
    assert focal_of(np.diag([2.0, 2.0, 1.0]), np.array([320.0, 240.0])) is None
    assert height_of(flat(), (300.0, 100.0, 400.0, 400.0)) is None


def test_what_is_no_persons_height_is_not_told():
    camera = floor_camera(np.random.default_rng(3))
    plane = Plane(camera.plane(-60, 0, 120, 200), camera.size)
    seen = camera.project(body(175, np.array([0.0, 50.0]), 0.0, 0.0))
    (x0, y0), (x1, y1) = seen.min(0), seen.max(0)
    found = height_of(plane, (x0, y0, x1, y1))
    assert found is not None
    assert found.cm == pytest.approx(175, rel=0.03)
    assert height_of(plane, (x0, y1 - 20, x1, y1)) is None, "a bag"
    assert height_of(plane, (x0, y1, x1, y1)) is None
    assert height_of(plane, (x0, -400.0, x1, -300.0)) is None, "in the sky"


# -- The camera --------------------------------------------------------------------------------


def street(shift=0):
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    whole = cv2.resize(small, (1000, 600), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(whole[20 : 20 + 540, 20 + shift : 20 + shift + 960])


def test_a_camera_that_moved_is_noticed_and_so_is_its_return():
    steady = Steadiness(street(), 4.0)
    assert [steady.look(street()) for _ in range(4)][-1] == "steady"
    assert [steady.look(street(14)) for _ in range(3)] == ["steady", "steady", "moved"]
    assert [steady.look(street()) for _ in range(3)][-1] == "steady"


def test_less_light_and_passers_by_are_no_movement():
    steady = Steadiness(street(), 4.0)
    seen = (street() * 0.6).astype(np.uint8)
    seen[:, 100:700] = 90
    assert {steady.look(seen) for _ in range(5)} == {"steady"}
    assert steady.shift(street()).px < 0.5


def test_of_a_plain_picture_nothing_can_be_said():
    steady = Steadiness(np.full((540, 960, 3), 200, np.uint8), 4.0)
    assert steady.stand == "unknown"
    assert steady.look(street()) == "unknown"
    assert steady.shift(street()).places == 0


# -- Settings and drawing ----------------------------------------------------------------------


def test_measuring_needs_a_plane():
    with pytest.raises(ValidationError, match="threadline measure calibrate"):
        MeasureSettings(enabled=True)
    assert not MeasureSettings().wanted
    plane = plane_of_rectangle(SQUARE, (40, 30), (640, 480), 0.01)
    assert MeasureSettings(enabled=True, plane=plane).wanted
    assert not MeasureSettings(enabled=True, plane=plane, objects=False).wanted


def test_the_grid_is_drawn_on_the_plane():
    picture = np.full((480, 640, 3), 200, np.uint8)
    plane = Plane(plane_of_rectangle(SQUARE, (40, 30), (640, 480), 0.01), (640, 480))
    drawn = with_grid(picture, plane)
    assert (drawn[100, 110:490, 0] > 200).mean() > 0.9, "the rectangle's upper side is red"
    assert (picture == 200).all()
    assert [cell_cm(side) for side in (40, 7, 300, 4)] == [10, 2, 100, 1]
