from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.picture.turn import exif_turn
from pipeline.picture.yuv import PAD, Planes, believable, from_bgr, square, to_rgb, turned

sizes = st.integers(1, 40)


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def i420(bgr: np.ndarray) -> Planes:
    height, width = bgr.shape[:2]
    packed = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    y, rest = packed[:height], packed[height:].reshape(2, height // 2, width // 2)
    return Planes(y, rest[0], rest[1])


def test_video_range_colours_match_opencv():
    packed = cv2.cvtColor(picture(512, 384), cv2.COLOR_BGR2YUV_I420)
    theirs = cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420).astype(int)
    assert np.abs(to_rgb(i420(picture(512, 384))) - theirs).mean() < 1


def test_bt709_differs_from_bt601_and_keeps_grey():
    y = np.full((4, 4), 126, np.uint8)
    grey = np.full((2, 2), 128, np.uint8)
    red = np.full((2, 2), 200, np.uint8)
    assert to_rgb(Planes(y, grey, grey, "bt709")).tolist() == to_rgb(Planes(y, grey, grey)).tolist()
    assert (to_rgb(Planes(y, grey, red, "bt709")) != to_rgb(Planes(y, grey, red))).any()


def test_known_bt601_values():
    """Pure red, green and blue in video range, ITU-R BT.601."""
    for (y, u, v), rgb in {
        (81, 90, 240): (255, 0, 0), (145, 54, 34): (0, 255, 0), (41, 240, 110): (0, 0, 255),
    }.items():  # fmt: skip
        plane = [np.full((2, 2), value, np.uint8) for value in (y, u, v)]
        assert np.abs(to_rgb(Planes(*plane))[0, 0].astype(int) - rgb).max() <= 2


@given(width=sizes, height=sizes)
@settings(deadline=None)
def test_bgr_round_trip(width, height):
    bgr = picture(width, height)
    back = to_rgb(from_bgr(bgr))[:, :, ::-1].astype(int)
    assert back.shape == bgr.shape
    assert np.abs(back - bgr).max() <= 3


@given(
    size=st.tuples(sizes, sizes),
    window=st.tuples(*[st.integers(-30, 70)] * 4).filter(lambda w: w[0] < w[2] and w[1] < w[3]),
    out=st.tuples(sizes, sizes),
)
@settings(deadline=None)
def test_any_window_gives_the_size_asked_for(size, window, out):
    width, height = size
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    planes = Planes(np.full((height, width), 235, np.uint8), chroma, chroma)
    crop = to_rgb(planes, window, out)
    assert crop.shape == (out[1], out[0], 3)
    assert crop.dtype == np.uint8
    values = set(np.unique(crop).tolist())
    assert values <= {PAD, 255}, "only the picture's white and the padding"


def test_window_outside_is_padding():
    planes = from_bgr(picture(20, 20))
    assert (to_rgb(planes, (100, 100, 110, 120), (8, 16)) == PAD).all()


def test_crop_is_the_same_place_as_in_the_whole_picture():
    planes = i420(picture(64, 48))
    whole = to_rgb(planes)
    assert np.abs(to_rgb(planes, (16, 8, 48, 40)).astype(int) - whole[8:40, 16:48]).mean() < 2


@pytest.mark.parametrize("turn", [exif_turn(orientation) for orientation in range(1, 9)])
@pytest.mark.parametrize("window", [(0, 0, 600, 600), (70, 40, 290, 310), (-50, 100, 800, 330)])
@pytest.mark.parametrize("out", [(600, 600), (310, 170), (90, 140)])
def test_turned_pictures_are_views_and_look_as_turned_copies_do(turn, window, out):
    planes = i420(picture(800, 600))
    view = turned(planes, turn)
    copy = Planes(*(np.ascontiguousarray(plane) for plane in (view.y, view.u, view.v)))
    assert np.shares_memory(view.y, planes.y)
    assert (view.width, view.height) == turn.size(800, 600)
    assert np.abs(to_rgb(view).astype(int) - turn(to_rgb(planes))).max() <= 3
    assert np.abs(to_rgb(view, window, out).astype(int) - to_rgb(copy, window, out)).mean() < 2
    assert view.means([(3, 3, 40, 40)]) == copy.means([(3, 3, 40, 40)])
    assert (view.points((5, 5, 45, 50), 3) == copy.points((5, 5, 45, 50), 3)).all()


@pytest.mark.parametrize(
    ("pixel", "size"),
    [
        ("64/45", (1138, 600)), ("12/11", (873, 600)), ("8/9", (800, 675)), ("1/2", (800, 1200)),
        ("1", (800, 600)), ("1000/1001", (800, 600)), ("100", (800, 600)), ("0", (800, 600)),
    ],
)  # fmt: skip
def test_pixels_become_square_and_none_is_lost(pixel, size):
    planes = i420(picture(800, 600))
    made = square(planes, believable(Fraction(pixel)))
    assert (made.width, made.height) == size
    assert to_rgb(made).shape == (size[1], size[0], 3)
    small = to_rgb(made, size=(40, 30)).astype(int)
    assert np.abs(small - to_rgb(planes, size=(40, 30))).mean() < 2


def test_grey_pictures_stay_grey():
    rgb = to_rgb(Planes(np.full((5, 7), 60, np.uint8), full_range=True))
    assert (rgb == 60).all()
