"""The training side: geometry, export, card. Needs the train extra."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

import torch.nn.functional as F  # noqa: E402
from support import SHARED  # noqa: E402
from training import calibration, garment_data, garments, report  # noqa: E402
from training.tag_figures import expected_calibration_error, micro_f1  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.nets.efficientnet_lite import EfficientNetLite0  # noqa: E402
from engines.nets.garment_parser import (  # noqa: E402
    ExportedParser,
    GarmentParser,
    TagScores,
    Winner,
)
from engines.teach.ahead import ahead  # noqa: E402
from pipeline.picture.crop import person_window  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]


def photo(width=90, height=160):
    rng = np.random.default_rng(0)
    mask = np.zeros((height, width), np.uint8)
    mask[20:150, 30:60] = 31
    mask[100:150, 30:60] = 25
    rgb = np.where(mask[..., None] > 0, np.uint8(200), rng.integers(0, 90, (height, width, 3)))
    return garment_data.Photo("0001", rgb.astype(np.uint8), mask)


def test_crops_of_training_and_pipeline_cover_the_same_window():
    box = np.array([30.0, 20.0, 60.0, 150.0])
    ours = person_window(tuple(box), garment_data.CROP_SIZE)
    assert np.abs(garment_data.crop_window(box) - ours).max() <= 1


def test_windows_keep_picture_and_mask_together():
    sample = photo()
    window = garment_data.crop_window(garment_data.person_box(sample.mask))
    image, mask = garment_data.take_window(sample, window)
    assert image.shape == (320, 160, 3)
    assert (image[(mask > 0) & (mask < 59)] > 120).mean() > 0.97
    assert (mask == garment_data.IGNORE).any() or (window[:2] >= 0).all()


def test_crops_are_the_same_for_the_same_seed_and_differ_between_epochs():
    crops = garment_data.GarmentCrops([photo()], 59, seed=3)
    first, again = crops[0][0], crops[0][0]
    assert torch.equal(first, again)
    crops.epoch = 1
    assert not torch.equal(first, crops[0][0])


def test_backbone_has_the_published_shapes():
    net = EfficientNetLite0().eval()
    shapes = [tuple(m.shape[1:]) for m in net(torch.zeros(1, 3, 320, 160))]
    assert shapes == [(24, 80, 40), (40, 40, 20), (112, 20, 10), (320, 10, 5)]
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(3.37e6, rel=0.01)


def test_export_matches_the_network(tmp_path):
    torch.manual_seed(0)
    net = GarmentParser(5, width=16).eval()
    path = tmp_path / "model.onnx"
    tags = TagScores([-1, 0, 0, 1, 1], temperature=1.3)
    tags.label_weights.copy_(torch.tensor([0.4, 0.2, 0.1, 1.5, -1.0]))
    tags.category_weights.copy_(torch.tensor([0.1, 0.2, 0.1, 0.8, -0.5]))
    garments.export(net, tags, path)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 320, 160, 3), np.uint8)
    with torch.no_grad():
        labels, scores, worn, groups = ExportedParser(net, tags)(torch.from_numpy(pictures))
    with open_engine(path, "onnxruntime") as engine:
        result = engine.infer({"images": pictures})
    assert (result["labels"] == labels.numpy()).mean() > 0.999
    assert np.abs(result["scores"] - scores.numpy()).max() < 1e-4
    assert np.abs(result["worn"] - worn.numpy()).max() < 1e-4
    assert np.abs(result["categories"] - groups.numpy()).max() < 1e-4


def test_the_winner_is_that_of_the_enlarged_logits():
    torch.manual_seed(0)
    logits = 3 * torch.randn(2, 7, 6, 4)
    labels, scores = Winner(7)(logits)
    large = F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)
    assert torch.equal(labels, large.argmax(dim=1).to(torch.int32))
    assert torch.allclose(scores, torch.softmax(large, dim=1).amax(dim=1), atol=1e-6)


NAMES, GROUPS = ["null", "jeans", "pants", "hat"], [None, "pants", "pants", "hat"]
PHOTOS, GROUP_PHOTOS = [99, 30, 5, 40], {"pants": 35, "hat": 40}


def figures_of(rows):
    return report.figures(np.array(rows), NAMES, GROUPS, PHOTOS, GROUP_PHOTOS)


def test_figures_by_hand():
    result = figures_of([[80, 0, 0, 0], [5, 10, 5, 0], [0, 10, 10, 0], [2, 0, 0, 6]])
    assert result.accuracy == pytest.approx(106 / 128)
    assert result.category_accuracy == pytest.approx(121 / 128)
    assert result.foreground == pytest.approx(26 / 48)
    assert result.recalls == {"jeans": 0.5, "hat": 0.75}, "pants has too few training photos"
    assert result.recall == pytest.approx(0.625)
    assert result.category_recall == pytest.approx((35 / 40 + 0.75) / 2)
    facts = {"parameters": 3.0, "photos": 2, "train": 1, "held": 1, "seed": 0}
    text = report.card("x", result, facts)
    assert "| jeans | 0.500 |" in text


def test_figures_of_a_perfect_an_empty_and_a_swapped_parser():
    true = np.diag([70, 10, 10, 10])
    perfect = figures_of(true)
    assert (perfect.accuracy, perfect.recall, perfect.category_recall) == (1, 1, 1)
    empty = np.zeros((4, 4), int)
    empty[:, 0] = true.sum(axis=1)
    nothing = figures_of(empty)
    assert (nothing.accuracy, nothing.foreground, nothing.recall) == (0.7, 0, 0)
    swapped = figures_of(true[:, [0, 2, 1, 3]])
    assert swapped.recalls == {"jeans": 0, "hat": 1}
    assert swapped.category_accuracy == 1, "jeans for pants is right as a category"
    assert swapped.accuracy == pytest.approx(0.8)


def test_tag_f1_by_hand():
    assert micro_f1([({"hat"}, {"hat"}), (set(), set())]) == 1
    assert micro_f1([(set(), {"hat"})]) == 0
    assert micro_f1([({"coat"}, {"hat"})]) == 0
    assert micro_f1([({"hat", "coat"}, {"hat", "bag"}), ({"bag"}, {"bag"})]) == pytest.approx(2 / 3)
    assert micro_f1([]) == 1


def test_calibration_error_by_hand():
    assert expected_calibration_error([], []) == 0
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1
    half = expected_calibration_error([0.5] * 10, [True] * 5 + [False] * 5)
    assert half == pytest.approx(0)
    assert expected_calibration_error([0.9] * 4, [True, False] * 2) == pytest.approx(0.4)


def test_tag_scores_learn_what_is_worn():
    """Labels whose pixels and presence agree are worn; after fitting, the scores say so."""
    rng = np.random.default_rng(0)
    worn = rng.random((80, 4)) < 0.4
    worn[:, 0] = False
    logits = torch.zeros(80, 4, 6, 3)
    logits[:, 0] = 2.0
    for i, j in zip(*np.nonzero(worn), strict=True):
        logits[i, j, j, :] = 5.0
    presence = torch.from_numpy(np.where(worn, 1.0, -1.0) + rng.normal(0, 0.5, worn.shape))
    scores = TagScores([-1, 0, 0, 1])
    calibration.fit_tags(scores, logits, presence.float(), worn, [1, 2, 3])
    labels, groups = scores(logits, presence.float())
    truth = calibration.worn_categories(worn, scores.member.numpy())
    assert expected_calibration_error(labels[:, 1:], worn[:, 1:]) < 0.05
    assert ((groups.numpy() > 0.5) == truth).mean() > 0.95


def test_training_learns_resumes_and_forgets_nothing(tmp_path):
    """Two garments told apart by colour alone; a run cut in two gives the uncut run's weights."""
    weights = tmp_path / "imagenet.pt"
    torch.manual_seed(1)
    torch.save(EfficientNetLite0().state_dict(), weights)
    photos = [photo() for _ in range(4)]
    recipe = garments.Recipe(epochs=3, batch=2, threads=1)

    def trainer():
        return garments.Trainer(photos, 59, weights, recipe)

    whole = trainer()
    losses = [loss for _ in range(3) for loss in whole.run_epoch()]
    assert losses[-1] < losses[0]
    first = trainer()
    list(first.run_epoch())
    first.save(tmp_path / "c.pt")
    second = trainer()
    second.resume(tmp_path / "c.pt")
    assert second.epoch == 1
    assert list(second.run_epoch()) == pytest.approx(losses[2:4], rel=0.05)
    other = garments.Trainer(photos, 59, weights, garments.Recipe(epochs=4, batch=2))
    with pytest.raises(ValueError, match="another recipe"):
        other.resume(tmp_path / "c.pt")


@pytest.mark.shared
def test_the_split_is_fixed_and_shares_no_photo():
    root = SHARED / "street_fashion"
    if not root.is_dir():
        pytest.skip("needs the street photos in ../shared/data")
    train, held = garment_data.split_ids(root, 0)
    assert (len(train), len(held)) == (643, 161)
    assert not set(train) & set(held)
    assert (train, held) == garment_data.split_ids(root, 0)
    assert garment_data.split_ids(root, 1)[1] != held
    index = [json.loads(line) for line in (root / "index.jsonl").read_text().splitlines()]
    assert set(train + held) == {row["id"] for row in index if row["level"] == "pixel"}


@pytest.mark.shared
def test_the_shipped_model_has_the_figure_of_its_card():
    """A slice of the validation photos through the engine, in the pipeline's own geometry."""
    root = SHARED / "street_fashion"
    if not root.is_dir():
        pytest.skip("needs the street photos in ../shared/data")
    from engines.packs import find
    from pipeline.picture.yuv import from_bgr, to_rgb
    from pipeline.tagging.parsing import Parsing

    right = total = 0
    with open_engine(find("garments-lite0")) as engine:
        for photo_id in garment_data.split_ids(root, 0)[1][::4]:
            mask = root / "masks" / f"{photo_id}.png"
            truth = garment_data.load_photo(root, photo_id, mask)
            window = person_window(tuple(garment_data.person_box(truth.mask)), (160, 320))
            planes = from_bgr(cv2.cvtColor(truth.rgb, cv2.COLOR_RGB2BGR))
            result = engine.infer({"images": to_rgb(planes, window, (160, 320))[None]})
            canvas = np.zeros(truth.mask.shape, np.uint8)
            labels = result["labels"][0].astype(np.uint8)
            Parsing(window, labels, result["scores"][0]).paste(canvas)
            right += int((canvas == truth.mask).sum())
            total += canvas.size
    assert right / total >= 0.85


def test_batches_made_ahead_keep_their_order_and_errors():
    assert list(ahead(range(20))) == list(range(20))
    assert list(ahead([])) == []

    def broken():
        yield 1
        raise ValueError("no such photo")

    heard = ahead(broken())
    assert next(heard) == 1
    with pytest.raises(ValueError, match="no such photo"):
        next(heard)
    endless = ahead(iter(int, 1))
    assert next(endless) == 0
    endless.close()
