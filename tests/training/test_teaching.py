"""Labels that nets give each other's training: passers-by, weak tags, INT8. Needs train."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training import garments  # noqa: E402
from training.bagless import bagless_people  # noqa: E402
from training.garment_data import IGNORE, GarmentCrops, Photo  # noqa: E402
from training.people_material import street_labels  # noqa: E402
from training.people_teacher import Said  # noqa: E402
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


def picture(*blocks, size=(120, 200)):
    rgb = np.zeros((*size, 3), np.uint8)
    for x0, y0, x1, y1 in blocks:
        rgb[y0:y1, x0:x1] = 255
    return rgb


def test_passers_by_of_a_street_photo_are_people_doubts_and_parts_of_the_wearer_are_not():
    wearer = np.array([60.0, 20, 100, 100])
    said = [
        Said(np.array([61.0, 20, 99, 99]), (0.9, 0.9, 0.9)),
        Said(np.array([150.0, 30, 170, 90]), (0.8, 0.7)),
        Said(np.array([10.0, 30, 30, 90]), (0.4,)),
        Said(np.array([70.0, 40, 90, 60]), (0.4,)),
    ]
    people, doubts = street_labels(said, wearer)
    assert people.tolist() == [[60, 20, 100, 100], [150, 30, 170, 90]]
    assert doubts.tolist() == [[10, 30, 30, 90]], "a part of the wearer is a wrong box, no doubt"
    people, _ = street_labels(said, None)
    assert people.tolist() == [[61, 20, 99, 99], [150, 30, 170, 90]]


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
