"""High dynamic range shown as an ordinary camera would have."""

from __future__ import annotations

import numpy as np
import pytest
from light_support import PATCHES, as_seen, hlg, linear, pq, wide

from pipeline.picture.light import light_of, to_sdr


@pytest.mark.parametrize(("curve", "name"), [(hlg, "hlg"), (pq, "pq"), (wide, "wide")])
def test_ordinary_colours_come_back(curve, name):
    found = to_sdr(as_seen(curve, linear(PATCHES)), name)[0].astype(int)
    assert np.abs(found - PATCHES).max() <= 8, "as coarse as eight bits of such a curve are"


@pytest.mark.parametrize(("curve", "name"), [(hlg, "hlg"), (pq, "pq")])
def test_what_is_brighter_than_white_is_pressed_together_and_keeps_its_order(curve, name):
    brighter = np.array([0.5, 1.0, 1.5, 2.5, 3.7])[:, None].repeat(3, axis=1)
    found = to_sdr(as_seen(curve, brighter), name)[0, :, 0].astype(int)
    assert (np.diff(found) >= 0).all()
    assert 235 <= found[1] < found[2] <= found[4] == 255


def test_ordinary_white_in_wide_colours_stays_white():
    white = np.full((2, 2, 3), 255, np.uint8)
    assert (to_sdr(white, "wide") == 255).all()


@pytest.mark.parametrize("name", ["hlg", "pq", "wide"])
def test_grey_stays_grey_from_black_on(name):
    grey = np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, axis=2)
    found = to_sdr(grey, name)[:, 0].astype(int)
    assert found[0].tolist() == [0, 0, 0]
    assert np.ptp(found, axis=1).max() <= 1
    assert (np.diff(found[:, 1]) >= 0).all()


def test_ordinary_pictures_are_not_touched():
    rgb = np.zeros((4, 4, 3), np.uint8)
    assert to_sdr(rgb, "sdr") is rgb


@pytest.mark.parametrize(
    ("primaries", "transfer", "name"),
    [(9, 18, "hlg"), (9, 16, "pq"), (9, 14, "wide"), (1, 1, "sdr"), (2, 2, "sdr"), (0, 0, "sdr")],
)
def test_codes(primaries, transfer, name):
    assert light_of(primaries, transfer) == name
