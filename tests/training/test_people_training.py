"""The person detector's training side: scenes, targets, figures. Needs the train extra."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training.detection_figures import Looked, curve  # noqa: E402
from training.people import NEGATIVE, POSITIVE, UNKNOWN, detection_loss, encode  # noqa: E402
from training.people_data import Cutout, Scene  # noqa: E402
from training.people_scenes import Material, mosaic, paste, window  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.anchors import ssd_anchors  # noqa: E402
from engines.boxes import iou_matrix, ssd_detections  # noqa: E402
from engines.nets.person_ssd import PersonSSD, original_names  # noqa: E402
from engines.packs import find  # noqa: E402

pytestmark = pytest.mark.train
SIZE = (448, 256)


def boxes(*rows):
    return np.array(rows, float).reshape(-1, 4)


def test_targets_decode_to_the_people_they_encode():
    people = boxes((40, 60, 80, 170), (200, 20, 330, 250), (400, 100, 415, 140))
    scene = Scene(np.zeros((256, 448, 3), np.uint8), people, boxes((100, 0, 140, 256)))
    marks, codes = encode(scene)
    assert marks.shape == (len(ssd_anchors(*SIZE)),)
    assert set(np.unique(marks)) == {NEGATIVE, POSITIVE, UNKNOWN}
    found, _ = ssd_detections(codes, (marks == POSITIVE).astype(np.float32), SIZE, 0.5, 0.5)
    overlap = iou_matrix(people / np.tile(SIZE, 2), found)
    assert (overlap.max(axis=1) > 0.98).all()
    assert len(found) == 3


def test_a_scene_without_people_has_negatives_only():
    marks, _ = encode(Scene(np.zeros((256, 448, 3), np.uint8)))
    assert (marks == NEGATIVE).all()


def test_the_loss_falls_when_people_are_scored_and_placed_better():
    marks, codes = (torch.from_numpy(a)[None] for a in encode(
        Scene(np.zeros((256, 448, 3), np.uint8), boxes((40, 60, 80, 170)))
    ))  # fmt: skip
    sure = torch.where(marks == POSITIVE, 6.0, -6.0)
    good = detection_loss(codes, sure, marks, codes)
    assert good < detection_loss(codes, -sure, marks, codes)
    assert good < detection_loss(codes + 1, sure, marks, codes)


@pytest.fixture
def material():
    rng = np.random.default_rng(1)
    figure = Cutout(np.full((120, 40, 3), 220, np.uint8), np.full((120, 40), 255, np.uint8))
    street = Scene(rng.integers(0, 90, (300, 400, 3), np.uint8), boxes((100, 50, 160, 250)))
    return Material([street], [street.rgb], [street.rgb[:100, :100]], [figure])


@pytest.mark.parametrize("seed", range(12))
def test_samples_keep_boxes_inside_and_repeat_by_seed(material, seed):
    scene = material.sample(SIZE, np.random.default_rng(seed))
    again = material.sample(SIZE, np.random.default_rng(seed))
    assert scene.rgb.shape == (256, 448, 3)
    assert (scene.rgb == again.rgb).all()
    for side in (scene.people, scene.ignore):
        assert (side[:, :2] >= 0).all()
        assert (side[:, 2:] <= SIZE).all()
        assert (side[:, 2:] > side[:, :2]).all()


def test_pasted_people_are_where_their_boxes_say(material):
    empty = Scene(np.zeros((256, 448, 3), np.uint8))
    scene = paste(empty, material.cutouts, np.random.default_rng(4))
    assert len(scene.people)
    inside = np.zeros((256, 448), bool)
    for x0, y0, x1, y1 in np.concatenate([scene.people, scene.ignore]).round().astype(int):
        inside[y0:y1, x0:x1] = True
    assert (scene.rgb.max(axis=2)[~inside] < 60).all()
    assert scene.rgb.max(axis=2)[inside].mean() > 80


def test_windows_and_mosaics_move_boxes_with_the_picture():
    rgb = np.zeros((300, 400, 3), np.uint8)
    rgb[50:250, 100:160] = 255
    scene = Scene(rgb, boxes((100, 50, 160, 250)))
    for seed in range(8):
        for made in (
            window(scene, SIZE, np.random.default_rng(seed)),
            mosaic([scene] * 2, SIZE, np.random.default_rng(seed)),
        ):
            for x0, y0, x1, y1 in made.people.round().astype(int):
                assert made.rgb[y0:y1, x0:x1].mean() > 200


def test_the_net_is_the_original_at_its_own_size():
    """Every tensor has its place, and on a picture both agree where padding does."""
    net = PersonSSD()
    assert len(original_names(net)) == sum(isinstance(m, torch.nn.Conv2d) for m in net.modules())
    with open_engine(find("person-ssdlite")) as engine:
        assert engine.outputs[0].shape[1:] == (1917, 4)
    out, scores = net(torch.zeros(1, 3, 256, 448))
    assert out.shape == (1, len(ssd_anchors(*SIZE)), 4)
    assert scores.shape == out.shape[:2]


def look(found, scores, people, ignore=()):
    return Looked(boxes(*found), np.array(scores, float), boxes(*people), boxes(*ignore))


A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)


def test_perfect_detections_have_perfect_figures():
    result = curve([look([A, B], [0.9, 0.8], [B, A])])
    assert result.average_precision() == 1.0
    assert result.recall_at(0.95) == (1.0, 0.8)


def test_nothing_found_and_nobody_there():
    assert curve([look([], [], [A])]).average_precision() == 0.0
    assert curve([look([], [], [A])]).recall_at(0.95) == (0.0, 1.0)
    assert curve([look([A], [0.9], [])]).average_precision() == 0.0


def test_doubles_are_wrong_and_ignored_people_are_neither():
    doubled = curve([look([A, A], [0.9, 0.8], [A, B])])
    assert doubled.average_precision() == pytest.approx(0.5)
    assert doubled.recall_at(0.95) == (0.5, 0.9)
    ignored = curve([look([A, C], [0.7, 0.9], [A], [C])])
    assert ignored.average_precision() == 1.0


def test_a_wrong_box_with_the_best_score_costs_precision():
    result = curve([look([C, A, B], [0.9, 0.8, 0.7], [A, B])])
    assert result.average_precision() == pytest.approx(2 / 3)
    assert result.recall_at(0.6) == (1.0, 0.7)
