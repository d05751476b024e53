"""High dynamic range shown as an ordinary camera would have."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.picture.light import light_of, to_sdr

PATCHES = np.array(
    [[200, 60, 40], [40, 80, 170], [200, 200, 200], [30, 30, 30], [60, 120, 60], [120, 80, 50]]
)
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def linear(rgb):
    value = np.asarray(rgb) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def hlg(light):
    """ITU-R BT.2100 table 5, white at three quarters."""
    scene = light * 0.26496
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    )


def pq(light):
    """SMPTE ST 2084, white at 203 cd/m2."""
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def wide(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def as_seen(curve, light):
    """Linear BT.709 (n, 3) as RGB uint8 (1, n, 3) in BT.2020 colours."""
    return np.rint(255 * np.clip(curve(light @ TO_BT2020.T), 0, 1)).astype(np.uint8)[None]


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
