from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engines import available, open_engine
from engines.anchors import ssd_anchors
from engines.boxes import iou_matrix, nms, ssd_detections
from engines.packs import find
from pipeline.tagging.parsing import Parsing, large_pieces

DATA = Path(__file__).parents[1] / "data"
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


def test_anchors_cover_the_picture():
    anchors = ssd_anchors(300, 300)
    assert anchors.shape == (1917, 4)
    assert anchors[:1083, :2].min() == pytest.approx(0.5 / 19)
    assert anchors[0, 2:].tolist() == pytest.approx([0.1, 0.1])
    assert anchors[-1, 2:].tolist() == pytest.approx([0.9747, 0.9747], abs=1e-4)


def test_zero_offsets_decode_to_the_anchors():
    scores = np.zeros(1917, np.float32)
    scores[500] = 0.9
    found, kept = ssd_detections(np.zeros((1917, 4), np.float32), scores, (300, 300), 0.5, 0.5)
    x, y, w, h = ssd_anchors(300, 300)[500]
    assert found[0].tolist() == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    assert kept.tolist() == pytest.approx([0.9])
    nothing, _ = ssd_detections(np.zeros((1917, 4), np.float32), scores, (300, 300), 0.95, 0.5)
    assert nothing.shape == (0, 4)


@pytest.mark.parametrize("backend", [name for name, version in available().items() if version])
def test_person_boxes_match_the_original_graph(backend):
    """Reference: the frozen TensorFlow graph on the same four pictures of vtest.avi."""
    reference = json.loads((DATA / "person_reference.json").read_text())
    strip = cv2.cvtColor(cv2.imread(str(DATA / "person_reference.png")), cv2.COLOR_BGR2RGB)
    images = np.stack(np.split(strip, 4, axis=1))
    with open_engine(find("person-ssdlite"), backend) as engine:
        result = engine.infer({"images": images})
        for i, expected in enumerate(reference):
            found, scores = ssd_detections(
                result["boxes"][i], result["scores"][i], (300, 300), 0.4, 0.6
            )
            overlap = iou_matrix(expected["boxes"], found)
            assert len(found) == len(expected["boxes"])
            assert (overlap.max(axis=1) >= 0.99).all()
            assert np.abs(scores[overlap.argmax(axis=1)] - expected["scores"]).max() <= 0.01


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
