"""Labels that nets give each other's training: people seen twice, weak tags, INT8. Needs train."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training import garments  # noqa: E402
from training.bagless import bagless_people  # noqa: E402
from training.garment_data import IGNORE, GarmentCrops, Photo  # noqa: E402
from training.people_data import Scene  # noqa: E402
from training.people_material import gather, street_scene  # noqa: E402
from training.people_teacher import (  # noqa: E402
    seen_in_tiles,
    seen_twice,
    taught,
    without_fixtures,
)
from training.pseudo import pseudo_mask  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.nets.garment_parser import GarmentParser, TagScores  # noqa: E402
from engines.quantize import quantize  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]


def boxes(*rows):
    return np.array(rows, float).reshape(-1, 4)


def bright(rgb):
    """A detector of bright blocks, sure of what is wide and unsure of what is narrow."""
    count, _, stats, _ = cv2.connectedComponentsWithStats((rgb[..., 0] > 128).astype(np.uint8))
    found = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count]]
    return boxes(*found), np.array([0.9 if w >= 20 else 0.3 for _, _, w, _, _ in stats[1:count]])


def picture(*blocks, size=(120, 200)):
    rgb = np.zeros((*size, 3), np.uint8)
    for x0, y0, x1, y1 in blocks:
        rgb[y0:y1, x0:x1] = 255
    return rgb


def test_what_both_views_see_is_one_box_and_keeps_its_score():
    found, scores = seen_twice(bright, picture((10, 20, 40, 100), (150, 30, 160, 60)))
    assert found.tolist() == [[10, 20, 40, 100], [150, 30, 160, 60]]
    assert scores.tolist() == pytest.approx([0.9, 0.3])


def test_what_one_view_sees_alone_counts_half():
    rgb = picture((10, 20, 40, 100))
    views = iter([bright(rgb), (boxes(), np.zeros(0))])
    _, scores = seen_twice(lambda _: next(views), rgb)
    assert scores.tolist() == [0.45]


def test_tiles_keep_whole_people_only():
    rgb = picture((90, 20, 115, 100), (2, 50, 30, 115))
    found, scores = seen_in_tiles(bright, rgb)
    assert sorted(found.tolist()) == [[2, 50, 30, 115], [90, 20, 115, 100]]
    assert (scores >= 0.9).all(), "seen whole once is enough, more often is surer"


def test_a_teacher_teaches_what_it_is_sure_of():
    people = boxes((10, 10, 30, 60), (5, 5, 35, 65), (70, 10, 90, 60), (50, 50, 52, 55))
    scene = taught(picture(), people, np.array([0.9, 0.3, 0.3, 0.1]))
    assert scene.people.tolist() == [[10, 10, 30, 60]]
    assert scene.ignore.tolist() == [[70, 10, 90, 60]], "a loose second box is wrong, not doubtful"


def test_what_never_moves_is_no_person():
    scenes = [
        Scene(picture(), boxes((5, 5, 15, 40), (20 * i, 50, 20 * i + 15, 100))) for i in range(6)
    ]
    left = without_fixtures(scenes)
    assert [len(scene.people) for scene in left] == [1] * 6
    assert left[3].people.tolist() == [[60, 50, 75, 100]]


def test_passers_by_of_a_street_photo_are_people_doubts_and_parts_of_the_wearer_are_not():
    mask = np.zeros((120, 200), np.uint8)
    mask[20:100, 60:100] = 7
    found = boxes((61, 20, 99, 99), (150, 30, 170, 90), (10, 30, 30, 90), (70, 40, 90, 60))
    scene = street_scene(picture(), mask, found, np.array([0.9, 0.8, 0.4, 0.7]))
    assert scene.people.tolist() == [[60, 20, 100, 100], [150, 30, 170, 90]]
    assert scene.ignore.tolist() == [[10, 30, 30, 90]]


@pytest.fixture
def data(tmp_path):
    """Data folders of the known layout with one street photo and three COCO pictures."""
    street, coco, clothing = (
        tmp_path / name for name in ("street_fashion", "coco_train128", "clothing")
    )
    for folder in (street / "photos", street / "masks", coco / "images", coco / "boxes"):
        folder.mkdir(parents=True)
    (clothing / "images").mkdir(parents=True)
    (clothing / "images.csv").write_text("image,sender_id,label,kids\n")
    rows = [f'{{"id": "{i}", "level": "pixel", "tags": []}}' for i in (1, 2)]
    (street / "index.jsonl").write_text("\n".join(rows))
    mask = np.zeros((200, 150), np.uint8)
    mask[20:190, 60:110] = 5
    for name in ("1", "2"):
        cv2.imwrite(str(street / "photos" / f"{name}.jpg"), picture(size=(200, 150)))
        cv2.imwrite(str(street / "masks" / f"{name}.png"), mask)
    # Class, centre and size as shares of 300 x 200: two people, one of them with a handbag.
    people = ["0 0.2 0.5 0.2 0.9", "0 0.7 0.5 0.2 0.9", "26 0.8 0.6 0.1 0.2", "0 0.45 0.5 0.05 0.2"]
    for stem, lines in (("a", people), ("b", []), ("c", [])):
        cv2.imwrite(str(coco / "images" / f"{stem}.jpg"), picture(size=(200, 300)))
        if lines:
            (coco / "boxes" / f"{stem}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_material_is_gathered_from_the_folders(data):
    material = gather(data, data / "pseudo", [data / "missing.jpg"], bright)
    assert any(len(scene.people) == 1 for scene in material.real), "the street photo's wearer"
    assert len(material.cutouts) >= 1
    assert material.empty
    assert not material.garments


def test_people_without_a_bag_say_that_and_nothing_else(data):
    [photo] = bagless_people(data / "coco_train128", ["a", "b"], [1, 2], 5)
    assert photo.box.round().tolist() == [30, 10, 90, 190], "not the one with a bag, nor the small"
    _, mask, worn = GarmentCrops([photo], 5, seed=0)[0]
    assert (mask == IGNORE).float().mean() > 0.5
    assert worn[[1, 2]].tolist() == [0, 0]
    assert (worn[3:] == -1).all()


def test_unlabelled_pixels_must_not_show_what_is_not_worn():
    mask = torch.full((1, 16, 16), IGNORE)
    worn = torch.tensor([[-1.0, 0.0, -1.0]])
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 1] = 4.0
    wrong = garments.absence_loss(logits, mask, worn)
    assert wrong > 10 * garments.absence_loss(-logits, mask, worn)
    assert garments.absence_loss(logits, mask.zero_(), worn) == 0, "labelled pixels have their loss"


def test_drawn_masks_keep_to_the_tags():
    torch.manual_seed(0)
    net = GarmentParser(6, width=16).eval()
    rgb = np.random.default_rng(0).integers(0, 256, (140, 90, 3), np.uint8)
    mask = pseudo_mask(net, Photo("1", rgb, np.zeros((140, 90), np.uint8)), [0, 2, 5])
    assert mask.shape == (140, 90)
    assert set(np.unique(mask)) <= {0, 2, 5}


def test_int8_models_say_nearly_the_same_and_are_smaller(tmp_path):
    torch.manual_seed(0)
    path, small = tmp_path / "model.onnx", tmp_path / "small.onnx"
    garments.export(GarmentParser(5, width=16).eval(), TagScores([-1, 0, 0, 1, 1]), path)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 320, 160, 3), np.uint8)
    quantize(path, small, (picture[None] for picture in pictures), only="/net/")
    assert small.stat().st_size < 0.4 * path.stat().st_size
    results = []
    for model in (path, small):
        with open_engine(model, "onnxruntime") as engine:
            results.append(engine.infer({"images": pictures[:1]}))
    exact, rounded = results
    assert np.abs(exact["worn"] - rounded["worn"]).max() < 0.1
    assert (exact["labels"] == rounded["labels"]).mean() > 0.5
