"""Where the picture of one stream lies in that of another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.picture.registration import (
    MOMENT,
    PLACE,
    Registration,
    differences,
    is_plain,
    registered,
    seen,
    thumbnail,
)
from pipeline.picture.yuv import Planes

shares = st.floats(0.3, 2.5)
shifts = st.floats(-0.5, 0.5)


def scene(width: int = 1920, height: int = 1080) -> np.ndarray:
    """A street of blocks and shadows, luma (h, w)."""
    chance = np.random.default_rng(3)
    rough = chance.integers(20, 235, (18, 32), dtype=np.uint8)
    fine = chance.integers(0, 40, (90, 160), dtype=np.uint8)
    large = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(large, cv2.resize(fine, (width, height), interpolation=cv2.INTER_NEAREST))


def small(luma: np.ndarray, size=PLACE) -> np.ndarray:
    return thumbnail(Planes(luma), size)


@given(shares, shares, shifts, shifts, st.tuples(*[st.floats(-50, 700)] * 4))
def test_boxes_go_there_and_back(x, y, left, top, box):
    sizes = (640, 360), (1920, 1080)
    place = Registration(x, y, left, top)
    assert place.to_sub(place.to_main(box, *sizes), *sizes) == pytest.approx(box, abs=1e-6)


def test_a_box_is_scaled_to_the_main_stream():
    assert Registration().to_main((64, 36, 128, 72), (640, 360), (1920, 1080)) == (
        192, 108, 384, 216,
    )  # fmt: skip


CUTS = {
    "the whole": (0, 0, 1920, 1080),
    "its middle, 4:3": (240, 0, 1680, 1080),
    "its middle, wider": (0, 135, 1920, 945),
    "a part somewhere": (480, 200, 1440, 740),
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("swapped", [False, True], ids=["cut", "more"])
def test_what_part_the_other_stream_shows_is_found(name, swapped):
    x0, y0, x1, y1 = CUTS[name]
    whole = scene()
    part = cv2.convertScaleAbs(whole[y0:y1, x0:x1], alpha=0.8, beta=15)  # another exposure
    aspects = ((x1 - x0) / (y1 - y0), 1920 / 1080)
    true = Registration((x1 - x0) / 1920, (y1 - y0) / 1080, x0 / 1920, y0 / 1080)
    if swapped:
        found, like = registered(small(whole), small(part), aspects[::-1])
        true = true.inverse
    else:
        found, like = registered(small(part), small(whole), aspects)
    assert like > 0.8
    assert (found.x, found.y) == pytest.approx((true.x, true.y), rel=0.02)
    assert (found.left, found.top) == pytest.approx((true.left, true.top), abs=0.02)


def test_a_stretched_picture_is_the_whole():
    whole = scene()
    found, _ = registered(small(cv2.resize(whole, (640, 480))), small(whole), (4 / 3, 16 / 9))
    assert found == Registration()


def test_another_scene_is_nowhere():
    other = np.ascontiguousarray(scene()[::-1, ::-1])
    assert registered(small(other), small(scene()), (16 / 9, 16 / 9))[0] is None


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_a_covered_lens_shows_nothing_to_go_by(level):
    assert is_plain(small(np.full((1080, 1920), level, np.uint8)))
    assert not is_plain(small(scene()))


def test_what_the_main_stream_does_not_show_does_not_count():
    shown = seen(small(scene()), Registration(2.0, 1.0, -0.5, 0.0))
    assert np.isfinite(shown).mean() == pytest.approx(0.5, abs=0.05)


@given(st.integers(0, 19), st.floats(0.7, 1.3), st.floats(-20, 20))
def test_the_right_moment_differs_least_at_another_exposure_too(at, gain, level):
    background = cv2.resize(scene(640, 360) // 2 + 40, MOMENT)
    history = []
    for i in range(20):
        shown = background.copy()
        shown[10:26, 3 * i : 3 * i + 5] = 230
        history.append(shown)
    main = np.clip(history[at] * gain + level, 0, 255).astype(np.uint8)
    found = differences(history, seen(main, Registration()))
    assert found is not None
    apart, change = found
    assert int(apart.argmin()) == at
    assert apart[at] < 0.2 * change


def test_where_nothing_moves_all_moments_are_alike():
    still = cv2.resize(scene(640, 360), MOMENT)
    chance = np.random.default_rng(0)
    noisy = [cv2.add(still, chance.integers(0, 6, still.shape, dtype=np.uint8)) for _ in range(9)]
    assert differences(noisy, seen(still, Registration())) is None
