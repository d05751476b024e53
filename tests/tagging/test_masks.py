"""What a segmenter's outputs mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_support import make_segmenter

from engines.packs import PackError, read_pack
from engines.packs.tagger import TaggerTable
from pipeline.tagging.packs.masks import MOST_DOUBLED, Masked, masks_found

SIZE = (32, 24)
WHOLE = (0, 0, *SIZE)
LEAST = np.array([np.inf, 0.5, 0.5, 0.5], np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return read_pack(make_segmenter(tmp_path_factory.mktemp("whole"), "xyxy", SIZE))


@pytest.fixture(scope="module")
def prototypes(tmp_path_factory):
    return read_pack(make_segmenter(tmp_path_factory.mktemp("prototypes"), "yolo", SIZE))


def filled(x0, y0, x1, y1, value=1.0):
    mask = np.zeros((1, SIZE[1], SIZE[0]), np.float32)
    mask[0, y0:y1, x0:x1] = value
    return mask


def outputs_of(*found):
    """Outputs as Mask R-CNN has them, of (box, label, score, mask)."""
    boxes, labels, scores, masks = zip(*found, strict=True) if found else ((), (), (), ())
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "labels": np.array(labels, np.int64),
        "scores": np.array(scores, np.float32),
        "masks": np.array(masks, np.float32).reshape(-1, 1, SIZE[1], SIZE[0]),
    }


def one(box=(2, 2, 10, 10), label=1, score=0.9, value=1.0):
    return box, label, score, filled(2, 2, 10, 10, value)


def on_picture(found: Masked, i=0, window=WHOLE, size=SIZE):
    """A mask on a picture of its own."""
    (x, y), mask = found.through(i, window, (0, 0, *size))
    out = np.zeros((size[1], size[0]), np.uint8)
    out[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return out


# -- Whole masks ---------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(0, 31), st.integers(0, 23)),
    st.tuples(st.integers(1, 32), st.integers(1, 24)),
)
def test_a_mask_of_the_frames_size_stays_as_it_is(whole, at, sides):
    (x, y), (w, h) = at, sides
    mask = filled(x, y, x + w, y + h)
    found = masks_found(outputs_of(((x, y, x + w, y + h), 2, 0.9, mask)), whole, LEAST)
    assert np.array_equal(on_picture(found), mask[0])


def test_one_pixel_is_one_pixel_however_wrong_the_box(whole):
    mask = filled(31, 0, 32, 1)
    found = masks_found(outputs_of(((1, 20, 3, 22), 1, 0.9, mask)), whole, LEAST)
    assert np.array_equal(on_picture(found), mask[0])


def test_nothing_found_is_nothing(whole, prototypes):
    assert len(masks_found(outputs_of(), whole, LEAST)) == 0
    assert len(masks_found(outputs_of(one(score=0.1)), whole, LEAST)) == 0
    none = {"output0": np.zeros((1, 10, 0), np.float32), "output1": np.zeros((1, 3, 6, 8))}
    assert len(masks_found(none, prototypes, LEAST[1:])) == 0


def test_an_empty_mask_is_empty(whole):
    found = masks_found(outputs_of(one(value=0.5)), whole, LEAST)
    assert not on_picture(found).any(), "half is not more than half"
    assert on_picture(masks_found(outputs_of(one(value=0.501)), whole, LEAST)).sum() == 64


def test_what_reaches_its_least_probability_counts(whole):
    below = np.nextafter(np.float32(0.5), np.float32(0))
    every = [one(score=score) for score in (0.5, below, np.nan)]
    assert masks_found(outputs_of(*every), whole, LEAST).scores.tolist() == [0.5]
    assert len(masks_found(outputs_of(one(label=0, score=1.0)), whole, LEAST)) == 0, "never told"


def test_the_surest_come_first_and_of_equals_the_first(whole):
    every = [
        one((x, 2, x + 4, 10), label, s) for x, label, s in ((0, 1, 0.7), (8, 2, 0.9), (16, 3, 0.9))
    ]
    found = masks_found(outputs_of(*every), whole, LEAST)
    assert found.labels.tolist() == [2, 3, 1]


def test_doubles_of_a_label_are_left_out(whole):
    near = (2, 2, 10, 11)
    found = masks_found(outputs_of(one(score=0.8), one(near), one(label=2)), whole, LEAST)
    assert sorted(found.labels.tolist()) == [1, 2]
    assert found.scores.tolist() == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize(
    "box",
    [
        (40, 2, 50, 10),
        (-9, -9, 0, 0),
        (5, 5, 5, 9),
        (9, 9, 3, 3),
        (np.nan, 2, 9, 9),
        (2, 2, np.inf, 9),
    ],
)
def test_boxes_that_are_none_and_boxes_beyond_the_picture_are_left_out(whole, prototypes, box):
    assert len(masks_found(outputs_of(one(box)), whole, LEAST)) == 0
    assert len(masks_found(by_prototypes([box]), prototypes, LEAST[1:])) == 0


@pytest.mark.parametrize("label", [4, -1])
def test_labels_that_are_none_are_an_error(whole, label):
    with pytest.raises(PackError, match=f"labels {label} to {label}, and its list has 0 to 3"):
        masks_found(outputs_of(one(label=label)), whole, LEAST)


def test_outputs_of_another_layout_are_an_error(whole, prototypes):
    outputs = outputs_of(one())
    with pytest.raises(PackError, match="as many objects"):
        masks_found({**outputs, "scores": np.zeros(2, np.float32)}, whole, LEAST)
    with pytest.raises(PackError, match=r"\(n, 1, 24, 32\): masks"):
        masks_found({**outputs, "masks": np.zeros((1, 1, 28, 28), np.float32)}, whole, LEAST)
    with pytest.raises(PackError, match=r"\(1, 8 \+ c, boxes\)"):
        masks_found(by_prototypes([(2, 2, 9, 9)]), prototypes, LEAST)


# -- Prototypes ----------------------------------------------------------------------------------


def by_prototypes(boxes, coefficients=None, scores=0.9, maps=None):
    """Outputs as YOLO with masks has them; boxes xyxy in pixels."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    rows = np.zeros((10, len(boxes)), np.float32)
    with np.errstate(invalid="ignore"):
        rows[:2], rows[2:4] = ((boxes[:, :2] + boxes[:, 2:]) / 2).T, (boxes[:, 2:] - boxes[:, :2]).T
    rows[4] = scores
    own = (1, 0, 0) if coefficients is None else coefficients
    rows[7:] = np.broadcast_to(own, (len(boxes), 3)).T
    maps = np.ones((3, 6, 8), np.float32) if maps is None else maps
    return {"output0": rows[None], "output1": np.asarray(maps, np.float32)[None]}


@given(st.tuples(*(st.floats(-10, 45, width=32) for _ in range(4))))
def test_where_the_sum_is_above_0_everywhere_a_mask_is_its_box(prototypes, box):
    found = masks_found(by_prototypes([box]), prototypes, LEAST[1:])
    x, y = np.arange(32) + 0.5, np.arange(24) + 0.5
    if not len(found):
        width, height = np.diff(np.clip(np.reshape(box, (2, 2)), 0, SIZE), axis=0)[0]
        assert width <= 1e-4 or height <= 1e-4
        return
    x0, y0, x1, y1 = found.boxes[0] * (32, 24, 32, 24)
    assert np.allclose((x0, y0, x1, y1), np.clip(box, 0, (32, 24, 32, 24)), atol=1e-4)
    inside = ((x >= x0) & (x < x1))[None] & ((y >= y0) & (y < y1))[:, None]
    assert (on_picture(found) != inside).sum() <= 24 + 32, "an edge on a centre may fall either way"
    sure = ((x >= x0 + 1e-3) & (x < x1 - 1e-3))[None] & ((y >= y0 + 1e-3) & (y < y1 - 1e-3))[
        :, None
    ]
    assert on_picture(found)[sure].all()


def by_cubics(at, cells):
    """Weights (n, cells) of the cells around each place, by Keys' cubic with OpenCV's -0.75; beyond
    the edge its cell goes on."""
    around = np.floor(at)[:, None] + np.arange(-1, 3)
    apart, a = np.abs(at[:, None] - around), -0.75
    near = ((a + 2) * apart - (a + 3)) * apart**2 + 1
    far = ((apart - 5) * apart + 8) * apart * a - 4 * a
    weights = np.zeros((len(at), cells))
    rows = np.arange(len(at))[:, None]
    columns = np.clip(around, 0, cells - 1).astype(int)
    np.add.at(weights, (rows, columns), np.where(apart <= 1, near, far))
    return weights


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(0, 0, 64, 48), (-8, 0, 72, 48), (0, -10, 64, 60)])
)
def test_maps_are_interpolated_as_written_out(prototypes, seed, window):
    """The same in plain NumPy, in float64, but where the sum is next to nothing."""
    rng = np.random.default_rng(seed)
    maps, own = rng.normal(size=(3, 6, 8)), rng.normal(size=3)
    found = masks_found(by_prototypes([WHOLE], own, maps=maps), prototypes, LEAST[1:])
    x = (np.arange(64) + 0.5 - window[0]) * 8 / (window[2] - window[0]) - 0.5
    y = (np.arange(48) + 0.5 - window[1]) * 6 / (window[3] - window[1]) - 0.5
    there = by_cubics(y, 6) @ np.tensordot(own, maps, 1) @ by_cubics(x, 8).T
    sure = np.abs(there) > 0.25  # positions are rounded to a 32nd of a pixel
    assert np.array_equal(on_picture(found, 0, window, (64, 48))[sure], there[sure] > 0)


def test_numbers_that_are_none_are_outside(prototypes):
    maps = np.ones((3, 6, 8))
    maps[0, :, 4:] = np.nan
    with np.errstate(invalid="ignore"):
        found = masks_found(by_prototypes([WHOLE], maps=maps), prototypes, LEAST[1:])
    shown = on_picture(found)
    assert shown[:, :14].all()
    assert not shown[:, 18:].any()


def test_each_object_has_coefficients_of_its_own(prototypes):
    maps = -np.ones((3, 6, 8))
    maps[0, :, :4] = maps[1, :, 4:] = 1
    own = [(1, 0, 0), (0, 1, 0)]
    boxes = [WHOLE, (16, 0, 32, 24)]
    found = masks_found(by_prototypes(boxes, own, (0.8, 0.9), maps), prototypes, LEAST[1:])
    assert not on_picture(found, 0)[:, :16].any()
    assert on_picture(found, 0)[:, 16:].all()
    assert on_picture(found, 1)[:, :16].all()
    assert not on_picture(found, 1)[:, 16:].any()


def test_a_model_that_is_sure_of_everything_is_read(prototypes):
    boxes = np.tile((2.0, 2.0, 9.0, 9.0), (3 * MOST_DOUBLED, 1))
    assert len(masks_found(by_prototypes(boxes), prototypes, LEAST[1:])) == 1


# -- The table -----------------------------------------------------------------------------------


def test_a_segmenters_table_and_what_is_wrong_with_it(whole, tmp_path):
    assert whole.tagger == TaggerTable(
        "segmenter", "frame", least=0.5, activation="none", boxes="xyxy", overlap=0.7,
        ignore=("background",),
    )  # fmt: skip
    for i, (key, said) in enumerate(
        [('boxes = "cxcywh"', "one of xyxy, yolo"), ('subject = "person"', "must be frame")]
    ):
        folder = make_segmenter(tmp_path / str(i), "xyxy", SIZE)
        text = (folder / "pack.toml").read_text()
        own = (
            text.replace('boxes = "xyxy"', key)
            if "boxes" in key
            else text.replace("[tagger]", f"[tagger]\n{key}")
        )
        (folder / "pack.toml").write_text(own)
        with pytest.raises(PackError, match=said):
            read_pack(folder)
