from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engines.boxes import iou_matrix, nms
from pipeline.tagging.parsing import Parsing, large_pieces

boxes = hnp.arrays(np.float32, (6, 4), elements=st.floats(0, 1, width=32)).map(
    lambda a: np.concatenate([np.minimum(a[:, :2], a[:, 2:]), np.maximum(a[:, :2], a[:, 2:])], 1)
)


@given(a=boxes, b=boxes)
def test_iou_is_symmetric_and_bounded(a, b):
    overlap = iou_matrix(a, b)
    assert overlap.shape == (6, 6)
    assert (overlap >= 0).all()
    assert (overlap <= 1 + 1e-6).all()
    assert np.allclose(overlap, iou_matrix(b, a).T)


def test_iou_by_hand():
    assert iou_matrix([(0, 0, 2, 2)], [(1, 1, 3, 3)])[0, 0] == pytest.approx(1 / 7)
    assert iou_matrix([(0, 0, 0, 0)], [(0, 0, 0, 0)])[0, 0] == 0
    assert iou_matrix([], [(0, 0, 1, 1)]).shape == (0, 1)


@given(a=boxes, scores=hnp.arrays(np.float32, 6, elements=st.floats(0, 1, width=32)))
def test_nms_keeps_the_best_and_no_two_that_overlap(a, scores):
    kept = nms(a, scores, 0.5)
    assert scores[kept[0]] == scores.max()
    overlap = iou_matrix(a[kept], a[kept])
    np.fill_diagonal(overlap, 0)
    assert (overlap <= 0.5 + 1e-6).all()


def parsing(window: tuple[int, int, int, int]) -> Parsing:
    labels = np.zeros((8, 4), np.uint8)
    labels[2:4, 1:3] = 7
    return Parsing(window, labels, np.full((8, 4), 0.5, np.float32))


def test_the_box_around_a_mask():
    one = parsing((0, 0, 40, 80))
    assert one.box(one.labels == 7) == (10, 20, 30, 40)


def test_strays_of_a_mask_are_left_out_and_pairs_stay():
    mask = np.zeros((20, 20), bool)
    mask[2:8, 2:8] = mask[12:17, 12:17] = mask[18, 1] = True
    kept = large_pieces(mask)
    assert kept[2:8, 2:8].all()
    assert kept[12:17, 12:17].all()
    assert not kept[18, 1]
    assert not large_pieces(np.zeros((4, 4), bool)).any()


@given(x=st.integers(-60, 60), y=st.integers(-60, 60))
def test_pasted_labels_lie_where_the_window_was(x, y):
    canvas = np.zeros((64, 48), np.uint8)
    parsing((x, y, x + 40, y + 80)).paste(canvas)
    expected = np.zeros((64, 48), np.uint8)
    expected[max(y + 20, 0) : max(y + 40, 0), max(x + 10, 0) : max(x + 30, 0)] = 7
    assert (canvas == expected).all()
