"""What classifiers see behind a garment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.picture.background import treat_background
from pipeline.picture.yuv import PAD

MODES = ("keep", "blur", "dim", "remove")


def picture():
    return np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)


def left_half():
    mask = np.zeros((30, 20), bool)
    mask[:, :10] = True
    return mask


@pytest.mark.parametrize("how", MODES)
def test_the_masked_side_stays_and_the_input_too(how):
    image = picture()
    before = image.copy()
    out = treat_background(image, left_half(), how)
    assert (image == before).all()
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert (out[:, :20] == image[:, :20]).all()


def test_each_way_does_what_its_name_says():
    image, mask = picture(), left_half()
    far = np.s_[:, 40:]
    assert (treat_background(image, mask, "keep") == image).all()
    assert (treat_background(image, mask, "remove")[far] == PAD).all()
    dimmed = treat_background(image, mask, "dim")[far].astype(float)
    assert np.abs(dimmed - image[far] / 3).max() <= 1
    assert treat_background(image, mask, "blur")[far].std() < 0.3 * image[far].std()


@given(how=st.sampled_from(MODES), full=st.booleans())
def test_a_mask_of_all_or_nothing_changes_nothing(how, full):
    image = picture()
    mask = np.full((7, 5), full)
    assert (treat_background(image, mask, how) == image).all()
