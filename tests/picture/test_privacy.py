"""Areas that are painted out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.picture.privacy import PrivacySettings, masked
from pipeline.picture.yuv import Planes, from_bgr
from pipeline.settings.schema import make_config

RNG = np.random.default_rng(5)
BGR = RNG.integers(0, 256, (48, 64, 3), np.uint8)
corner = st.integers(0, 40)


def planes(subsampled: bool) -> Planes:
    whole = from_bgr(BGR)
    if not subsampled or whole.u is None or whole.v is None:
        return whole
    return Planes(whole.y, whole.u[::2, ::2], whole.v[::2, ::2], full_range=True)


@given(corner, corner, st.integers(8, 24), st.integers(8, 8), st.booleans())
def test_nothing_of_an_area_is_left_and_the_rest_is_untouched(x, y, w, h, subsampled):
    before = planes(subsampled)
    kept = before.y.copy()
    sides = (x / 64, y / 48, min((x + w) / 64, 1), min((y + h) / 48, 1))
    x0, y0, x1, y1 = sides
    area = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    after = masked(before, (area,))
    inner = after.y[y : y + h, x : x + w]
    assert (inner == 40).all()
    rgb = after.rgb()[y : y + h, x : x + w].astype(int)
    assert np.ptp(rgb.reshape(-1, 3), axis=0).max() == 0, "no colour is left either"
    assert (before.y == kept).all(), "the decoder still needs its picture"
    far = np.ones((48, 64), bool)
    far[max(y - 2, 0) : y + h + 3, max(x - 2, 0) : x + w + 3] = False
    assert (after.y[far] == before.y[far]).all()


def test_without_areas_nothing_is_copied():
    picture = planes(True)
    assert masked(picture, ()) is picture


@pytest.mark.parametrize(
    "area",
    [
        [[0.1, 0.1], [0.9, 0.9], [0.5, 0.5]],
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]],
        [[0.1, 0.1], [0.105, 0.1], [0.1, 0.105]],
    ],
    ids=["a line", "a point", "a speck"],
)
def test_areas_that_enclose_nothing_are_refused(area):
    with pytest.raises(ValidationError, match="encloses nothing"):
        PrivacySettings(mask=[area])


def test_a_single_area_needs_no_list_around_it():
    area = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.2], [0.0, 0.2]]
    assert PrivacySettings(mask=area) == PrivacySettings(mask=[area])
    for mask in (area, [area]):
        config = make_config(cameras=[{"url": "a.mp4", "privacy": {"mask": mask}}])
        assert config.section_of(config.cameras[0], "privacy") == PrivacySettings(mask=area)
