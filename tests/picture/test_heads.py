"""Heads are hidden, whole and for good."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.picture.heads import CELLS, head_region, pixelate

RNG = np.random.default_rng(3)
NOISE = RNG.integers(0, 256, (90, 120, 3), np.uint8)
number = st.floats(-60, 180)
length = st.floats(1, 200)


@given(number, number, length, length, st.integers(0, 30), st.integers(0, 30))
def test_what_is_hidden_has_at_most_eight_cells_across_and_nothing_else_changes(x, y, w, h, cx, cy):
    image = NOISE.copy()
    pixelate(image, [(x, y, x + w, y + h)], (cx, cy))
    ys, xs = np.mgrid[cy : cy + 90, cx : cx + 120]
    touched = (xs + 1 > x) & (xs < x + w) & (ys + 1 > y) & (ys < y + h)
    assert (image[~touched] == NOISE[~touched]).all()
    changed = (image != NOISE).any(axis=2)
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not len(rows) or not len(columns):
        assert not changed.any()
        return
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert len(np.unique(part.reshape(-1, 3), axis=0)) <= CELLS**2
    for line in (*part, *part.swapaxes(0, 1)):
        assert (line[1:] != line[:-1]).any(axis=1).sum() <= CELLS - 1


def test_half_a_head_at_the_edge_of_a_picture_has_half_the_cells():
    whole, half = NOISE.copy(), NOISE.copy()
    pixelate(whole, [(0, 0, 64, 64)])
    pixelate(half, [(-32, 0, 32, 64)])
    assert len(np.unique(half[:64, :32].reshape(-1, 3), axis=0)) <= CELLS**2 / 2


@given(number, number, length, length)
def test_the_upper_quarter_of_a_person_is_the_head_at_least(x, y, w, h):
    x0, y0, x1, y1 = head_region((x, y, x + w, y + h))
    assert x0 < x < x + w < x1
    assert y0 < y
    assert y1 >= y + 0.25 * h
    upright = w <= 0.55 * h
    assert not upright or y1 < y + 0.3 * h, "clothes stay to be seen"


@given(number, number, length, length, st.tuples(number, number, length, length))
def test_what_a_parsing_shows_of_hair_and_skin_is_hidden_too(x, y, w, h, seen):
    part = (seen[0], seen[1], seen[0] + seen[2], min(seen[1] + seen[3], y + h))
    x0, y0, x1, y1 = head_region((x, y, x + w, y + h), part)
    assert x0 <= part[0] < part[2] <= x1
    assert y0 <= part[1]
    assert y1 >= part[3]
    assert y1 >= y + 0.22 * h


def test_of_somebody_cut_off_below_more_is_hidden():
    """Shoulders and a head fill the box: the face ends past its upper quarter."""
    assert head_region((0, 0, 100, 120))[3] > 60
