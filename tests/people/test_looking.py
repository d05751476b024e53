"""Pure functions that decide where and when to look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from pipeline.picture.crop import appearance, person_window, quality, sharpness, visible_share
from pipeline.picture.motion import changed_cells, luma_grid
from pipeline.picture.yuv import Planes
from pipeline.types import Frame

coords = st.floats(-500, 2000)


@given(x=coords, y=coords, w=st.floats(1, 900), h=st.floats(1, 900))
def test_person_window_holds_the_person_in_the_model_s_proportions(x, y, w, h):
    x0, y0, x1, y1 = person_window((x, y, x + w, y + h), (160, 320))
    assert x0 <= x + 1
    assert y0 <= y + 1
    assert x1 >= x + w - 1
    assert y1 >= y + h - 1
    assert abs((x1 - x0) - (y1 - y0) / 2) <= 1


@given(x=coords, y=coords, w=st.floats(1, 900), h=st.floats(1, 900))
def test_visible_share_is_a_share(x, y, w, h):
    assert 0 <= visible_share((x, y, x + w, y + h), 640, 480) <= 1 + 1e-9


def test_sharp_pictures_are_better_than_blurred_and_cut_ones():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (200, 200), np.uint8)
    sharp = Frame("a", 0, 0.0, 0.0, 0.0, Planes(noise))
    flat = make_frame(size=(200, 200))
    box = (50.0, 50.0, 100.0, 150.0)
    assert sharpness(sharp, box) == 1
    assert sharpness(flat, box) == 0
    assert quality(sharp, box) > quality(flat, box)
    assert quality(sharp, (-25.0, 50.0, 25.0, 150.0)) < quality(sharp, box)
    assert sharpness(flat, (300.0, 300.0, 400.0, 400.0)) == 0


def test_appearance_sees_clothes_and_not_the_scene():
    frame = make_frame(size=(200, 200), level=100)
    y = frame.planes.y.copy()
    y[50:100, 80:120] = 20
    dark = Frame("a", 0, 0.0, 0.0, 0.0, Planes(y, frame.planes.u, frame.planes.v))
    box = (80.0, 35.0, 120.0, 165.0)
    upper, lower = appearance(dark, box)[:3], appearance(dark, box)[3:]
    assert upper[0] < 15
    assert lower[0] > 40
    assert upper[1:] == lower[1:] == (192.0, 192.0)
    y[:, :80] = 250
    assert appearance(dark, box)[:3] == upper
    assert len(appearance(dark, (500.0, 500.0, 900.0, 900.0))) == 6
    assert len(appearance(Frame("a", 0, 0.0, 0.0, 0.0, Planes(y)), box)) == 6


def test_motion_ignores_noise_and_sees_a_person():
    rng = np.random.default_rng(1)
    scene = rng.integers(60, 180, (480, 640)).astype(np.uint8)
    noisy = np.clip(scene.astype(int) + rng.integers(-6, 7, scene.shape), 0, 255).astype(np.uint8)
    walker = scene.copy()
    walker[200:300, 300:340] = 250
    before = luma_grid(Planes(scene))
    assert not changed_cells(before, luma_grid(Planes(noisy))).any()
    changed = changed_cells(before, luma_grid(Planes(walker)))
    rows, columns = np.nonzero(changed)
    assert changed.mean() > 0.005
    assert (rows.min() * 4, columns.min() * 4) == pytest.approx((200, 300), abs=8)
    assert (rows.max() * 4, columns.max() * 4) == pytest.approx((300, 340), abs=8)
