"""The person detector's training side: the net, scenes, targets. Needs the train extra."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training.camera_faults import codec, faults  # noqa: E402
from training.people import assign, detection_loss, flat  # noqa: E402
from training.people_choice import figures  # noqa: E402
from training.people_material import Folder, read, street_labels  # noqa: E402
from training.people_pictures import pictures  # noqa: E402
from training.people_scenes import IGNORE, NOBODY, PERSON, Material  # noqa: E402
from training.people_teacher import Said, together  # noqa: E402
from training.people_trainer import Recipe, Trainer  # noqa: E402

from engines.boxes import peak_detections  # noqa: E402
from engines.nets.person_rtm import ExportedPerson, PersonRTM, normalise  # noqa: E402

pytestmark = pytest.mark.train
SIZE = (256, 192)
#: Pictures that are learnt from and that choose.
LEARNS, CHOOSES = "0", "22"
ORIGINAL = Path(__file__).parents[3] / "shared" / "weights" / "rtmdet_nano.onnx"


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return PersonRTM().eval()


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original weights are not at hand")
def test_the_net_is_the_original():
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from train_person import original

    graph = onnx.load(str(ORIGINAL))
    names = ["y", "y.4", "y.8", "y.12", "y.16", "y.20"]
    del graph.graph.output[:]
    for name in names:
        value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        graph.graph.output.append(value)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    pixels = torch.randn(1, 3, 192, 256, generator=torch.Generator().manual_seed(0))
    expected = session.run(names, {"input": pixels.numpy()})
    with torch.no_grad():
        outputs = original(ORIGINAL).eval()(pixels)
    for (logits, sides), score, distance in zip(
        outputs, expected[::2], expected[1::2], strict=True
    ):
        assert np.abs(torch.sigmoid(logits).numpy() - 1 / (1 + np.exp(-score))).max() < 1e-4
        assert np.abs(sides.numpy() - distance).max() < 1e-4 * np.abs(distance).max()


# Who answers for whom


def perfect(people):
    """Outputs of a net that knows everything: each cell inside of somebody has that box."""
    logits, boxes, cells = flat(
        [(torch.zeros(1, 1, 192 // s, 256 // s), torch.zeros(1, 4, 192 // s, 256 // s))
         for s in (8, 16, 32)]
    )  # fmt: skip
    for box in people:
        inside = (cells[:, :2] > box[:2]).all(1) & (cells[:, :2] < box[2:]).all(1)
        boxes[0, inside] = box
        logits[0, inside] = 3.0
    return logits, boxes, cells


def test_cells_answer_for_the_person_they_are_in():
    truth = torch.tensor([[[20.0, 20, 60, 150], [150, 40, 220, 180], [100, 0, 140, 30]]])
    marks = torch.tensor([[PERSON, PERSON, IGNORE]])
    logits, boxes, cells = perfect(truth[0, :2])
    owner, quality, known = assign(logits, boxes, cells, truth, marks)
    assert set(owner.unique().tolist()) == {-1, 0, 1}
    for person in (0, 1):
        spots = cells[owner[0] == person, :2]
        assert (spots > truth[0, person, :2]).all()
        assert (spots < truth[0, person, 2:]).all()
    assert quality[owner >= 0].min() > 0.99
    assert known.all(), "nothing was found where nobody is to be judged"


def test_what_is_found_in_a_doubtful_place_is_not_judged():
    truth = torch.tensor([[[20.0, 20, 60, 150]]])
    logits, boxes, cells = perfect(truth[0])
    _, _, known = assign(logits, boxes, cells, truth, torch.tensor([[IGNORE]]))
    assert not known.all()
    quiet = detection_loss(logits, boxes, truth, assign(
        logits, boxes, cells, truth, torch.tensor([[IGNORE]])))  # fmt: skip
    wrong = detection_loss(logits, boxes, truth, assign(
        logits, boxes, cells, truth, torch.tensor([[NOBODY]])))  # fmt: skip
    assert quiet < wrong


def test_the_loss_falls_when_people_are_scored_and_placed_better():
    truth, marks = torch.tensor([[[20.0, 20, 60, 150]]]), torch.tensor([[PERSON]])
    logits, boxes, cells = perfect(truth[0])

    def loss(sure, moved):
        target = assign(sure, moved, cells, truth, marks)
        return float(detection_loss(sure, moved, truth, target))

    sure = torch.where(logits > 0, 4.0, -6.0)
    assert loss(sure, boxes) < loss(-sure, boxes)
    assert loss(sure, boxes) < loss(sure, boxes + 12)


def test_exported_boxes_are_read_as_the_training_reads_them(net):
    images = torch.randint(0, 256, (1, 192, 256, 3), dtype=torch.uint8)
    with torch.no_grad():
        boxes, scores = ExportedPerson(net)(images)
        logits, expected, _ = flat(net(normalise(images)))
    assert torch.allclose(boxes, expected, atol=1e-3)
    assert torch.allclose(scores, torch.sigmoid(logits), atol=1e-5)
    best = int(scores.argmax())
    found, _ = peak_detections(boxes[0].numpy(), scores[0].numpy(), SIZE, float(scores.max()), 0.5)
    assert found[0] == pytest.approx((boxes[0, best] / torch.tensor(SIZE * 2)).clamp(0, 1).numpy())


# Scenes


def bank(shade, size, people=(), side=64, levels=3, channels=3):
    pixels = torch.full((1, channels, side, side), 0, dtype=torch.uint8)
    pixels[:, :, : size[1], : size[0]] = shade
    boxes = torch.tensor([[*people]], dtype=torch.float).reshape(1, -1, 4)
    marks = torch.full(boxes.shape[:2], PERSON)
    return pictures(pixels, torch.tensor([size]), boxes, marks, levels)


@pytest.fixture
def material():
    real = bank(20, (60, 48), [(10, 8, 30, 44)])
    real.levels[0][:, :, 8:44, 10:30] = 250
    real = pictures(real.levels[0], real.sizes, real.boxes, real.marks, 3)
    figure = bank(220, (20, 60), [(0, 0, 20, 60)], channels=4)
    figure.levels[0][:, 3, :60, :20] = 255
    figure = pictures(figure.levels[0], figure.sizes, figure.boxes, figure.marks, 3)
    return Material(real, bank(60, (64, 64), [(0, 0, 0, 0)]), figure, torch.ones(1))


@pytest.mark.parametrize("seed", range(6))
def test_scenes_keep_boxes_inside_and_repeat_by_seed(material, seed):
    torch.manual_seed(seed)
    batch = material.scenes(6, SIZE)
    torch.manual_seed(seed)
    again = material.scenes(6, SIZE)
    assert batch.pixels.shape == (6, 3, 192, 256)
    assert torch.equal(batch.pixels, again.pixels)
    some = batch.boxes[batch.marks != NOBODY]
    assert (some[:, :2] >= 0).all()
    assert (some[:, 2:] <= torch.tensor(SIZE)).all()
    assert (some[:, 2:] > some[:, :2]).all()


def test_people_are_where_their_boxes_say(material):
    torch.manual_seed(3)
    batch = material.scenes(40, SIZE)
    bright = [
        float(batch.pixels[i, :, int(y0) + 1 : int(y1) - 1, int(x0) + 1 : int(x1) - 1].mean())
        for i in range(40)
        for (x0, y0, x1, y1), mark in zip(batch.boxes[i].tolist(), batch.marks[i], strict=True)
        if mark == PERSON and x1 - x0 > 6
    ]
    assert len(bright) > 30
    assert np.median(bright) > 180


def test_cameras_change_pictures_and_keep_their_range():
    torch.manual_seed(0)
    x = torch.rand(12, 3, 64, 96) * 255
    for seed in range(8):
        torch.manual_seed(seed)
        y = faults(x.clone(), share=1.0)
        assert y.shape == x.shape
        assert torch.isfinite(y).all()
        assert float(y.min()) >= 0
        assert float(y.max()) <= 255
    flat_grey = torch.full((1, 3, 64, 64), 120.0)
    assert (codec(flat_grey) - flat_grey).abs().max() < 12


# Teachers


def test_teachers_are_put_together():
    def box(*xyxy):
        return np.array([xyxy], float)

    found = [
        (box(10, 10, 50, 90), np.array([0.8])),
        (box(12, 10, 50, 92), np.array([0.6])),
        (box(200, 10, 240, 90), np.array([0.3])),
        (np.zeros((0, 4)), np.zeros(0)),
    ]
    sure, alone = together(found, 400)
    assert sure.sure
    assert sure.scores == (0.8, 0.6)
    assert alone.box.tolist() == [200, 10, 240, 90]
    assert not alone.sure
    assert not alone.doubtful


def test_the_person_of_a_mask_is_taken_from_the_mask():
    wearer = np.array([100.0, 50, 200, 380])
    said = [
        Said(np.array([105.0, 60, 195, 370]), (0.9, 0.9, 0.8)),
        Said(np.array([110.0, 200, 190, 380]), (0.4,)),
        Said(np.array([300.0, 100, 340, 250]), (0.9, 0.7, 0.6)),
        Said(np.array([400.0, 100, 420, 150]), (0.5,)),
    ]
    people, doubts = street_labels(said, wearer)
    assert people.tolist() == [wearer.tolist(), [300, 100, 340, 250]]
    assert doubts.tolist() == [[400, 100, 420, 150]], "half of the wearer is wrong, not doubtful"


def test_material_comes_back_as_it_was_written(tmp_path):
    folder, rng = Folder(), np.random.default_rng(0)
    rgb = rng.integers(0, 255, (200, 832, 3), np.uint8)
    people, doubts = np.array([[100.0, 20, 160, 180]]), np.array([[400.0, 0, 440, 60]])
    for name in LEARNS, CHOOSES:
        folder.add(f"street_fashion/{name}", rgb, people, doubts, 2.0)
        folder.empty.append((f"street_fashion/{name}-beside-300", rgb[:, :300]))
        folder.cutouts.append((f"street_fashion/{name}", np.dstack([rgb, rgb[..., 0]])))
    folder.write(tmp_path)
    for choosing in (False, True):
        material = read(tmp_path, torch.device("cpu"), choosing)
        assert material.real.sizes.tolist() == [[416, 100]]
        assert material.real.boxes[0, :2].tolist() == [[50, 10, 80, 90], [200, 0, 220, 30]]
        assert material.real.marks[0, :3].tolist() == [PERSON, IGNORE, NOBODY]
        assert len(material.empty) == len(material.cutouts) == 1
    names = (tmp_path / "people_pictures.txt").read_text().split()
    assert names == sorted(f"street_fashion/{name}" for name in (LEARNS, CHOOSES))


def test_nets_are_chosen_by_who_is_found_and_who_is_not(material):
    class Known(PersonRTM):
        """Scores what is bright, with a box of one size around it."""

        def forward(self, x):
            maps = [torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), s) for s in (8, 16, 32)]
            return [
                (
                    torch.where(m > self.least, 3.0, -5.0),
                    torch.full_like(m, 90).expand(-1, 4, -1, -1),
                )
                for m in maps
            ]

    net = Known()
    for least, wrong in ((1e6, 0.0), (-1e6, 1.0)):
        net.least = least
        assert list(figures(net, material).values())[-1] == wrong


def test_a_training_ends_in_time_and_leaves_a_net_whose_first_stages_are_as_they_were(material):
    told, before = [], PersonRTM()
    trainer = Trainer(copy.deepcopy(before), material, Recipe(batch=1))
    trainer.run(2.0, told.append)
    assert told
    now = trainer.average.state_dict()
    assert all(torch.isfinite(value).all() for value in now.values())
    same = {k for k, v in before.state_dict().items() if torch.equal(v, now[k])}
    assert {k for k in now if k.startswith(("stem", "stages.0", "stages.1"))} <= same
    assert len(same) < len(now)
