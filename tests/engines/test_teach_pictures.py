"""Splits, draws, twins and views: what a teaching does with pictures before it learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.teach.calibration import calibration_error, fit_temperature, softmax
from engines.teach.figures import by_frequency, figures, gain
from engines.teach.splits import draws, folds
from engines.teach.twins import groups, twins
from engines.teach.views import STRONG, WEAK, cropped, jittered, part, square, standard


@st.composite
def lessons(draw):
    """Classes, and which pictures belong together."""
    classes = np.array(draw(st.lists(st.integers(0, 3), min_size=8, max_size=60)))
    count = len(classes)
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))))
    return classes, groups(count, pairs)


@given(lessons(), st.integers(2, 5), st.integers(0, 3))
def test_folds_never_part_what_belongs_together(lesson, count, seed):
    classes, together = lesson
    found = folds(classes, together, count, seed)
    assert set(found.tolist()) <= set(range(count))
    for group in np.unique(together):
        assert len(set(found[together == group].tolist())) == 1
    assert np.array_equal(found, folds(classes, together, count, seed))


def test_folds_spread_every_class_evenly():
    classes = np.repeat([0, 1, 2], [20, 9, 4])
    found = folds(classes, np.arange(33), 4, seed=1)
    for kind in range(3):
        sizes = np.bincount(found[classes == kind], minlength=4)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("power", "share"), [(1.0, 0.9), (0.5, 0.75), (0.0, 0.5)])
def test_draws_by_the_power_of_a_class(power, share):
    classes = np.repeat([0, 1], [90, 10])
    drawn = draws(classes, 4000, power, np.random.default_rng(0))
    assert (classes[drawn] == 0).mean() == pytest.approx(share, abs=0.03)


def test_nothing_is_drawn_twice_before_all_was_drawn_once():
    classes = np.zeros(10, np.int64)
    drawn = draws(classes, 25, 1.0, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=10)
    assert counts.min() == 2
    assert counts.max() == 3


def test_twins_are_found_and_chained():
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 255, (48, 32, 3), np.uint8) for _ in range(2))
    lighter = np.clip(one.astype(int) + 20, 0, 255).astype(np.uint8)
    pairs = twins([one, other, lighter])
    assert pairs == [(0, 2)]
    assert groups(5, [(3, 4), (1, 3)]).tolist() == [0, 1, 2, 1, 1]
    assert twins([]) == []


@pytest.mark.parametrize("shape", [(40, 20, 3), (7, 90, 3), (300, 300, 3)])
def test_views_have_the_size_and_follow_the_seed(shape):
    rgb = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    for view in (standard, lambda p, s, r: cropped(p, s, STRONG, r)):
        one, again = (view(rgb, 32, np.random.default_rng(5)) for _ in range(2))
        assert one.shape == (32, 32, 3)
        assert np.array_equal(one, again)
    assert square(rgb, 64).shape == (64, 64, 3)


@pytest.mark.parametrize(("shares", "low", "high"), [(STRONG, 0.1, 0.8), (WEAK, 0.8, 0.9)])
def test_crops_show_the_published_shares_of_a_picture(shares, low, high):
    """Columns and rows count up, so that a crop's first and last tell how wide it was."""
    ramp = np.arange(200, dtype=np.uint8)
    rgb = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(0)), 2)
    widths = []
    for seed in range(60):
        crop = part(rgb, 224, shares, np.random.default_rng(seed))
        wide, tall = (np.ptp(crop[..., c].astype(int)) + 1 for c in (0, 1))
        assert abs(wide - tall) <= 2, "height and width share one fraction"
        widths.append(wide / 200)
    assert min(widths) >= low - 0.02
    assert max(widths) <= high + 0.02
    assert max(widths) - min(widths) > 0.7 * (high - low)


def test_jitter_stays_within_its_factors():
    grey = np.full((4, 4, 3), 100, np.uint8)  # only brightness changes a grey picture
    values = [int(jittered(grey, 0.4, np.random.default_rng(s))[0, 0, 0]) for s in range(200)]
    assert min(values) >= 60
    assert max(values) <= 140
    assert np.ptp(values) > 60


def test_a_temperature_makes_scores_mean_what_they_say():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 3))
    classes = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    loud = 2 * logits
    assert fit_temperature(loud, classes) == pytest.approx(2.0, abs=0.15)
    assert calibration_error(softmax(loud, 2.0), classes) < 0.02
    assert calibration_error(softmax(loud), classes) > 0.05


def test_figures_by_hand():
    logits = np.array([[2, 0], [2, 0], [0, 2], [0, 2]], np.float32)
    found = figures(logits, np.array([0, 0, 0, 1]), 1.0)
    assert found.accuracy == 0.75
    assert found.balanced == pytest.approx((2 / 3 + 1) / 2)
    assert found.confusion.tolist() == [[2, 1], [0, 1]]
    more, error = gain(logits, -logits, np.array([0, 0, 0, 1]))
    assert more == 0.5
    assert error == pytest.approx(np.std([1, 1, -1, 1]) / 2)
    parts = by_frequency([0.9, 0.5, 0.1, np.nan], [200, 50, 3, 2])
    assert parts == {"head": (0.9, 1), "middle": (0.5, 1), "tail": (0.1, 1)}
