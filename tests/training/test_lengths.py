"""Lengths taught: the network's names, the loss by hand, splits, training, the pack, and the table
of both baselines. Needs the train extra."""

from __future__ import annotations

import json
import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from evaluation.measures import folder_figures, regressed  # noqa: E402
from measure_support import FISH_CM, autofish  # noqa: E402
from support import command  # noqa: E402

from engines import EngineError  # noqa: E402
from engines.backends import open_engine  # noqa: E402
from engines.nets.length import LengthNet  # noqa: E402
from engines.nets.mobilenet_v2 import MobileNetV2, in_unit  # noqa: E402
from engines.packs import PackError, find, read_pack  # noqa: E402
from engines.teach.length_training import (  # noqa: E402
    PARTS,
    LengthRecipe,
    LengthTrainer,
    l1,
    network,
    tell,
)
from engines.teach.lengths import (  # noqa: E402
    CHOSEN_BY,
    LEARNT,
    TEST,
    TESTED,
    VALIDATION,
    Measured,
    make_lengths,
    parts_of,
)
from engines.teach.lesson import TeachError  # noqa: E402
from engines.teach.views import hued  # noqa: E402
from engines.teach.watch import Unwatched  # noqa: E402
from pipeline.models.length_lesson import read_lengths  # noqa: E402
from pipeline.models.measured import crop_of, labelled  # noqa: E402
from pipeline.tagging.packs.lengths import TaughtLengths  # noqa: E402

pytestmark = [pytest.mark.train]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


# -- The network --------------------------------------------------------------------------------


def test_mobilenet_has_the_usual_names_and_as_many_parameters():
    """3,504,872 with the ImageNet classifier, which has 1,281,000 of them; 312 tensors besides."""
    net = MobileNetV2()
    assert sum(p.numel() for p in net.parameters()) == 3_504_872 - 1_281_000
    shapes = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    assert len(shapes) == 312
    assert shapes["features.0.0.weight"] == (32, 3, 3, 3)
    assert shapes["features.1.conv.0.0.weight"] == (32, 1, 3, 3)
    assert shapes["features.1.conv.2.running_var"] == (16,)
    assert shapes["features.2.conv.1.0.weight"] == (96, 1, 3, 3)
    assert shapes["features.17.conv.3.num_batches_tracked"] == ()
    assert shapes["features.18.0.weight"] == (1280, 320, 1, 1)


def test_mobilenet_is_what_others_make_of_the_same_numbers():
    transformers = pytest.importorskip("transformers")
    shape = transformers.MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5)
    theirs = transformers.MobileNetV2Model(shape).eval()
    ours = MobileNetV2().eval()
    generator = torch.Generator().manual_seed(0)
    tensors = [t for t in theirs.state_dict().values() if t.dim()]
    for tensor in tensors:
        spread = torch.rand(tensor.shape, generator=generator)
        tensor.copy_(spread + 0.5 if tensor.dim() == 1 else (spread - 0.5) * 0.3)
    names = [name for name, t in ours.state_dict().items() if t.dim()]
    ours.load_state_dict(dict(zip(names, tensors, strict=True)), strict=False)
    images = torch.rand(2, 3, 64, 96, generator=generator)
    with torch.no_grad():
        wanted, found = theirs(images).pooler_output, ours(images)
    assert float(wanted.std()) > 0.01
    assert torch.allclose(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_published_weights_load_from_a_file(tmp_path, suffix):
    given = MobileNetV2()
    state = {**given.state_dict(), "classifier.1.weight": torch.zeros(1000, 1280)}
    path = tmp_path / f"mobilenet{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        pytest.importorskip("safetensors.torch").save_file(state, path)
    net, told = network(path, 30.0)
    assert told == f"MobileNetV2, started from {path.name}"
    for name, tensor in given.state_dict().items():
        assert torch.equal(net.features.state_dict()[name], tensor)
    white = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    assert torch.equal(net.shown(white), torch.ones(1, 3, 2, 2)), "0 to 1, nothing else"


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_weights_are_never_unpickled_and_those_of_another_network_are_told(tmp_path, capsys):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"features.0.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name, said in (("evil", "safely"), ("other", "lacks"), ("none", "safely")):
        with pytest.raises(EngineError, match=said):
            network(tmp_path / f"{name}.pth", 0.0)
    assert capsys.readouterr().out == ""


def test_the_loss_by_hand():
    """|1 - 2| and |4 - 2|: 1.5 on average; each counts for half, whichever way."""
    told = torch.tensor([1.0, 4.0], requires_grad=True)
    loss = l1(told, torch.tensor([2.0, 2.0]))
    loss.backward()
    assert float(loss.detach()) == 1.5
    assert told.grad.tolist() == [-0.5, 0.5]


# -- Who is learnt from -------------------------------------------------------------------------


def test_autofish_is_split_as_published():
    keys = [str(n) for n in range(1, 26)]
    part = dict(zip(keys, parts_of(keys), strict=True))
    assert {key for key in keys if part[key] == TESTED} == TEST
    assert {key for key in keys if part[key] == CHOSEN_BY} == VALIDATION
    assert len([key for key in keys if part[key] == LEARNT]) == 15


@given(st.lists(st.integers(0, 40).map(str), min_size=3, max_size=80))
def test_groups_never_part_whatever_they_are_called(keys):
    if len(set(keys)) < 3:
        with pytest.raises(TeachError, match="never parted"):
            parts_of(keys)
        return
    part = parts_of(keys)
    for key in set(keys):
        assert len({own for own, k in zip(part, keys, strict=True) if k == key}) == 1
    assert {TESTED, CHOSEN_BY} <= set(part.tolist())
    assert np.array_equal(part[::-1], parts_of(keys[::-1]))


def things(count=60, seed=0):
    """Bars as long as their box says; the crop shows how they lie and nothing of the scale."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        share = rng.uniform(0.1, 0.5)
        crop = np.zeros((32, 32, 3), np.uint8)
        crop[12 + i % 5 : 18, :] = rng.integers(60, 200, 3)
        box = (rng.uniform(0, 0.4), rng.uniform(0, 0.4), share, 0.05)
        found.append(Measured(crop, box, 100 * share, str(i % 10), str(i), bool(i % 3 == 0)))
    return found


def test_what_is_tested_on_is_not_learnt_from_under_another_group():
    objects = things()
    lesson = make_lengths(objects)
    assert len(lesson.lengths) == 60
    part = parts_of([one.key for one in objects])
    test, other = int(np.flatnonzero(part == TESTED)[0]), int(np.flatnonzero(part == LEARNT)[0])
    again = objects[test]
    objects[other] = Measured(
        again.crop, again.box, again.length, objects[other].key, again.identity
    )
    fewer = make_lengths(objects)
    assert len(fewer.lengths) == 59
    assert "tested on" in fewer.notes[0]
    with pytest.raises(TeachError, match="the least is 8"):
        make_lengths(objects[:7])
    some = make_lengths([one for one in things() if one.key != "3"], missing=["3"])
    all_of = {np.float32(one.length): own for one, own in zip(things(), part, strict=True)}
    assert all(all_of[n] == own for n, own in zip(some.lengths, some.part, strict=True))


# -- Training -----------------------------------------------------------------------------------


def small():
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 8, 5, 4), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return LengthNet(torch.nn.Sequential(*layers), 8, in_unit, 30.0)


def test_it_learns_and_learns_nothing_without_the_box():
    """Half of what a constant is off, and less than half of what it is off without its box."""
    errors = []
    for boxes in (True, False):
        lesson = make_lengths(things(120))
        if not boxes:
            lesson.boxes[:] = 0.5
        net = LengthTrainer(lesson, small(), LengthRecipe(100, 16)).run(None, Unwatched())
        rows = lesson.rows(TESTED)
        errors.append(float(np.abs(tell(net, lesson, rows) - lesson.lengths[rows]).mean()))
    constant = np.median(lesson.lengths[lesson.rows(LEARNT)])
    control = float(np.abs(lesson.lengths[rows] - constant).mean())
    assert errors[0] < 0.5 * control
    assert errors[0] < 0.5 * errors[1]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path):
    class Impatient(Unwatched):
        steps = 0

        def step(self, count=1):
            self.steps += count
            if self.steps == 33:
                raise KeyboardInterrupt

    lesson, path = make_lengths(things()), tmp_path / "length.pt"
    whole = LengthTrainer(lesson, small(), LengthRecipe(60, 8))
    whole.run(None, Unwatched())
    with pytest.raises(KeyboardInterrupt):
        LengthTrainer(lesson, small(), LengthRecipe(60, 8)).run(path, Impatient())
    again = LengthTrainer(lesson, small(), LengthRecipe(60, 8))
    again.run(path, Unwatched())
    for part in PARTS[::2]:
        one, other = (getattr(training, part).state_dict() for training in (whole, again))
        assert all(torch.equal(one[name], other[name]) for name in one if name != "spent")


def test_the_best_step_is_kept_and_the_time_is(tmp_path):
    lesson = make_lengths(things())
    training = LengthTrainer(lesson, small(), LengthRecipe(2000, 8))
    told = []
    watch = Unwatched()
    watch.tell = told.append
    (tmp_path / "length.pt").write_bytes(b"no checkpoint")
    net = training.run(tmp_path / "length.pt", watch, 0.0)
    assert training.done == 20, "one checkpoint at least"
    assert told == ["length.pt: of another training, or damaged; beginning anew"]
    rows = lesson.rows(CHOSEN_BY)
    error = np.abs(tell(net, lesson, rows) - lesson.lengths[rows]).mean()
    assert error == pytest.approx(float(training.best.error), abs=1e-4)


def test_the_hue_turns_and_nothing_else_does():
    red = np.full((2, 2, 3), (200, 50, 50), np.uint8)
    found = {tuple(hued(red, 0.3, np.random.default_rng(s))[0, 0].tolist()) for s in range(60)}
    assert all(abs(max(c) - 200) <= 1 and abs(min(c) - 50) <= 2 for c in found)
    assert len(found) > 20
    assert not any(c[0] == min(c) and c[1] == c[2] for c in found), "cyan is half a circle away"
    grey = np.full((2, 2, 3), 90, np.uint8)
    assert np.array_equal(hued(grey, 0.3, np.random.default_rng(0)), grey)


# -- Folders and lists --------------------------------------------------------------------------


def test_the_crop_is_the_object_in_a_black_square(tmp_path):
    autofish(tmp_path, (2,), painted=True)
    lying = next(one for one in labelled(tmp_path) if not one.occluded)
    rgb = cv2.imread(str(lying.file))[..., ::-1]
    crop = crop_of(np.ascontiguousarray(rgb), lying, 122)
    assert crop.shape == (122, 122, 3)
    assert crop.max() == 40, "the belt, of 210, is gone"
    assert (crop > 0).sum(axis=1).max() == 122, "the longer side fills it"
    rows = np.flatnonzero((crop > 0).any(axis=(1, 2)))
    assert rows[0] == pytest.approx(121 - rows[-1], abs=1), "in its middle"
    h, w = lying.mask.shape
    assert lying.box == (lying.at[0] / 640, lying.at[1] / 480, w / 640, h / 480)


def as_a_camera_tells(folder, pack):
    """Lengths of all objects by what measures them in a run."""
    told = []
    with open_engine(pack.path) as engine:
        taught = TaughtLengths(engine, pack)
        for one in labelled(folder):
            picture = np.ascontiguousarray(cv2.imread(str(one.file))[..., ::-1])
            told += taught.tell(picture, [(one.at, one.mask)])
    return told


def test_a_folder_is_taught_and_both_baselines_stand_side_by_side(tmp_path):
    folder = autofish(tmp_path / "fish", painted=True)
    done = command(
        "teach", folder, "--target", "length", "--name", "fish", "--side", 64, "--budget", "1s",
        "--out", tmp_path / "packs",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "separate: off by" in done.stdout
    assert "EfficientNet-Lite0" in done.stderr
    pack = read_pack(tmp_path / "packs" / "fish")
    assert [str(t).split(":")[0] for t in (*pack.inputs, *pack.outputs)] == [
        "images uint8 (n, 64, 64, 3) nhwc rgb",
        "boxes float32 (n, 4)",
        "length float32 (n)",
    ]
    assert "data:image/png" in (pack.folder / "report.html").read_text()
    card = pack.card.read_text()
    assert "20 of\n200 steps" in card
    assert "6 objects to learn from, 6 to choose the best step by, 6 to test on" in card
    alone, both = folder_figures(folder), folder_figures(folder, pack=pack)
    assert {name: both[name] for name in alone} == alone
    for kind in ("all", "separate", "occluded"):
        name = f"{kind}: mean absolute error, cm"
        assert both[f"regression, {name}"] == pytest.approx(pack.figures[name], abs=0.01)
    assert both["regression, all: objects"] == 6
    by_camera = as_a_camera_tells(folder, pack)
    assert by_camera == pytest.approx(regressed(list(labelled(folder)), pack), abs=0.01)
    with pytest.raises(PackError, match="tells no lengths"):
        folder_figures(folder, pack=find("garments-lite0"))
    (folder / "group_10" / "00001.png").unlink()
    fewer = folder_figures(folder, pack=pack)
    assert fewer["regression, separate: without a length"] == 3
    assert fewer["separate: without a length"] == 0


def test_lists_with_lengths(tmp_path):
    for i in range(10):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((40, 80, 3), 20 * i, np.uint8))
    rows = [f"{i}.png,{10 + i},8,10,48,30,{i // 2},{'yes' if i % 2 else ''}" for i in range(10)]
    path = tmp_path / "fish.csv"
    path.write_text("image,length,x0,y0,x1,y1,group,occluded\n" + "\n".join([*rows, "gone.png,3"]))
    lesson = read_lengths(path, 64)
    assert lesson.lengths.tolist() == [10 + i for i in range(10)]
    assert lesson.occluded.tolist() == [bool(i % 2) for i in range(10)]
    assert np.allclose(lesson.boxes, (0.1, 0.25, 0.5, 0.5))
    assert (lesson.part[::2] == lesson.part[1::2]).all(), "two of a group are never parted"
    assert lesson.crops[3].shape == (64, 64, 3)
    assert lesson.crops[3][0].max() == 0
    assert lesson.crops[3][32].min() == 60
    assert "1 picture(s)" in lesson.notes[0]
    whole = [{"image": f"{i}.png", "length": 10 + i} for i in range(10)]
    path = tmp_path / "fish.jsonl"
    path.write_text("\n".join(map(json.dumps, whole)))
    assert read_lengths(path, 64).boxes.tolist() == [[0, 0, 1, 1]] * 10


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("image,length\na.png,nan", "line 2: length 'nan'"),
        ("image,length\na.png,-3", "must be cm, above 0"),
        ("image,length\na.png,long", "line 2: could not convert"),
        ("image,label\na.png,cod", "lacks 'length'"),
        ("image,length\na.png,3", "the least is 8"),
    ],
)
def test_broken_lists_are_told_in_one_line(tmp_path, rows, said):
    (tmp_path / "fish.csv").write_text(rows)
    with pytest.raises(TeachError, match=said) as caught:
        read_lengths(tmp_path / "fish.csv", 64)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"length": "long"}, "no COCO JSON as expected"),
        ({"length": float("inf")}, "must be cm"),
        ({"segmentation": {"size": [3, 3]}}, "lacks 'counts'"),
        ({"segmentation": {"size": [480, 640], "counts": "~"}}, "no COCO JSON as expected"),
        ({"segmentation": {"size": [480, 640], "counts": [5]}}, "no COCO JSON as expected"),
    ],
)
def test_broken_annotations_are_told(tmp_path, change, said):
    autofish(tmp_path, (2,))
    file = tmp_path / "group_02" / "annotations.json"
    content = json.loads(file.read_text())
    content["annotations"][0].update(change)
    file.write_text(json.dumps(content))
    with pytest.raises(TeachError, match=said):
        list(labelled(tmp_path))


def test_pictures_outside_of_the_folder_are_refused_and_those_of_another_size_left_out(tmp_path):
    folder = autofish(tmp_path / "fish", painted=True)
    cv2.imwrite(str(folder / "group_02" / "00001.png"), np.zeros((10, 10, 3), np.uint8))
    lesson = read_lengths(folder, 64)
    assert len(lesson.lengths) == 15
    assert "10 x 10 pixels, labelled as 640 x 480" in lesson.notes[0]
    assert lesson.lengths.min() == pytest.approx(122 * FISH_CM)
    file = folder / "group_02" / "annotations.json"
    file.write_text(file.read_text().replace("group_02/00001.png", "../../secret.png"))
    with pytest.raises(TeachError, match="not inside"):
        read_lengths(folder, 64)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--target", "weight"], "choose one of labels, length"),
        (["--target", "length", "--recipe", "adnet"], "but one recipe"),
        (["--target", "length"], "no COCO JSON file"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, options, told):
    (tmp_path / "photos").mkdir()
    done = command("teach", tmp_path / "photos", "--name", "x", *options, "--out", tmp_path)
    assert done.returncode != 0
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
