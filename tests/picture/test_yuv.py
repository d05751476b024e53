from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.picture.yuv import PAD, Planes, from_bgr, rotate, to_rgb

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


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation(turns):
    bgr = picture(16, 8)
    turned = to_rgb(rotate(from_bgr(bgr), turns))
    assert np.abs(turned.astype(int) - np.rot90(to_rgb(from_bgr(bgr)), turns)).max() <= 1


def test_grey_pictures_stay_grey():
    rgb = to_rgb(Planes(np.full((5, 7), 60, np.uint8), full_range=True))
    assert (rgb == 60).all()
