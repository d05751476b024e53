"""A first look, and a second one where it leaves a doubt: taught, written, run. Needs train."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from support import make_frame  # noqa: E402
from vit_support import google  # noqa: E402

from engines.base import EngineOptions  # noqa: E402
from engines.nets.efficientnet_lite import normalise  # noqa: E402
from engines.nets.glsim import GlobalLocal, TaughtTwice  # noqa: E402
from engines.nets.vit import Shape  # noqa: E402
from engines.ort import open as open_model  # noqa: E402
from engines.packs import read_pack, shipped  # noqa: E402
from engines.teach.export import About, fill, write_pack  # noqa: E402
from engines.teach.glance import part_of, settle  # noqa: E402
from engines.teach.lesson import Picture, TeachError, make_lesson  # noqa: E402
from engines.teach.making import make_pack  # noqa: E402
from engines.teach.onnx_file import look_parity, write_look, write_model  # noqa: E402
from engines.teach.teaching import Wish  # noqa: E402
from engines.teach.watch import Unwatched  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.picture.yuv import from_bgr  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.opening import open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]
SHAPE = Shape(side=64, patch=8, width=24, depth=2, heads=3)
LABELS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def logits_of(chances):
    return np.log(np.float32(chances))


def test_the_threshold_is_the_lowest_of_those_at_which_most_are_right():
    classes = np.array([0, 0, 0, 1, 1, 0])
    first = logits_of(
        [[0.9, 0.1], [0.8, 0.2], [0.75, 0.25], [0.7, 0.3], [0.45, 0.55], [0.54, 0.46]]
    )
    both = logits_of([[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 2 + [[0.9, 0.1]])  # all are right
    glance, logits = settle(first, both, classes, 1.0)
    sure = np.exp(first / glance.temperature)
    sure = (sure / sure.sum(1, keepdims=True)).max(1)
    assert sure[3] < glance.below <= sure[2], "the fourth would be lost by its first look"
    assert sure[2] - glance.below < 0.002
    assert glance.again == 0.5
    assert (glance.once, glance.always, glance.right) == pytest.approx((5 / 6, 1.0, 1.0))
    assert glance.same == 1.0
    assert np.allclose(logits[3:], both[3:])
    assert np.allclose(logits[:3], first[:3] / glance.temperature)
    assert "50% of these pictures" in str(glance)


def test_a_first_look_that_is_never_worse_is_enough_and_one_that_is_at_once_never():
    classes = np.array([0, 1, 0, 1])
    good = logits_of([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]])
    assert settle(good, good, classes, 1.0)[0].again == 0
    glance, logits = settle(-good, good, classes, 2.0)
    assert (glance.below, glance.again, glance.right, glance.once) == (1.0, 1.0, 1.0, 0.0)
    assert np.array_equal(logits, good)


def test_a_part_is_cut_from_the_picture_as_it_is():
    rgb = np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)
    # Fitted into a square it fills the middle half of the height.
    part = np.float32([0.25, 0.25, 0.5, 0.75])
    wanted = cv2.resize(rgb[:, 50:100], (64, 64), interpolation=cv2.INTER_AREA)
    assert np.array_equal(part_of(rgb, part, 64), wanted)
    above = part_of(rgb, np.float32([0, 0, 1, 0.25]), 64)
    assert (above == 127).all(), "nothing but what is around it"
    assert (part_of(rgb, np.float32([0.4, 0.1, 0.6, 0.3]), 64)[:44] == 127).all()


def a_net():
    """A network whose scores differ much from picture to picture."""
    net = TaughtTwice(GlobalLocal(SHAPE), len(LABELS)).eval()
    with torch.no_grad():
        for tensor in net.parameters():
            if tensor.dim() > 1:
                tensor.mul_(3)
        torch.nn.init.normal_(net.features.vit.class_token)
        torch.nn.init.normal_(net.fc.weight, std=0.6)
        torch.nn.init.normal_(net.glance.weight, std=0.6)
    return net


def smooth(seed, side=64):
    """Soft colours: what is between pixels hardly depends on how it is interpolated."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (5, 5, 3), np.uint8)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


def tagger_of(folder, stack):
    pack = read_pack(folder)
    models = Models(EngineSettings(backend="onnxruntime"), shipped().joined([pack]))
    stack.append(models)
    return open_pack(pack, Fixed(PackSettings(pack=pack.name)), models)


@pytest.fixture
def opened():
    stack = []
    yield partial(tagger_of, stack=stack)
    for models in stack:
        models.__exit__()


def test_always_unsure_it_says_what_both_looks_in_one_graph_say(tmp_path, opened):
    net = a_net()
    write_look(net, (1.0, 1.0), 64, tmp_path / "look.onnx")
    write_model(net, 1.0, 64, tmp_path / "graph.onnx")
    about = About("looks", "a test", "MIT", {}, {}, "frame", again_below=1.0, width=24)
    write_pack(
        tmp_path / "looks", lambda made: fill(made, about, LABELS, 64, tmp_path / "look.onnx")
    )
    tagger = opened(tmp_path / "looks")
    apart, moved = [], []
    with open_model(tmp_path / "graph.onnx", EngineOptions(threads=1)) as graph:
        for seed in range(6):
            frame = replace(make_frame(size=(64, 64)), planes=from_bgr(smooth(seed)))
            picture = frame.crop((0, 0, 64, 64), (64, 64))
            wanted = graph.infer({"images": picture[None]})["scores"][0]
            [evidence] = tagger.look([Subject("frame", frame, (0.0, 0.0, 64.0, 64.0))])
            found = {tag.label: tag.score for tag in evidence.tags}
            with torch.no_grad():
                token, _ = net.features.first(normalise(torch.from_numpy(picture[None])))
                alone = torch.softmax(net.fc(net.features.second(token, token)), 1)[0].numpy()
            for i, label in enumerate(LABELS):
                if label in found:
                    apart.append(abs(found[label] - float(wanted[i])))
            moved.append(np.abs(alone - wanted).max())
    assert len(apart) >= 6
    assert np.mean(apart) < 0.02, "but for how it is interpolated"
    assert np.mean(moved) > 5 * np.mean(apart), "and without the part it is something else"


def test_the_file_and_the_network_agree_in_both_looks(tmp_path):
    net, pictures = a_net(), [smooth(seed) for seed in range(3)]
    write_look(net, (1.5, 0.8), 64, tmp_path / "look.onnx")
    assert look_parity(net, (1.5, 0.8), tmp_path / "look.onnx", pictures, 64) < 1e-4
    for wrong in ((1.0, 0.8), (1.5, 1.2)):
        with pytest.raises(TeachError, match="scores differ by"):
            look_parity(net, wrong, tmp_path / "look.onnx", pictures, 64)


def test_it_is_taught_and_says_from_when_a_look_is_enough(tmp_path, opened, monkeypatch):
    monkeypatch.setattr("engines.teach.courses.LEAST_STEPS", 2)
    np.savez(tmp_path / "vit.npz", **google(replace(SHAPE, patch=16)))
    rng = np.random.default_rng(0)
    colour = {"red": (200, 30, 30), "blue": (30, 30, 200)}
    pictures = [
        Picture(
            np.clip(np.array(colour[label]) + rng.normal(0, 40, (6, 5, 3)), 0, 255)
            .astype(np.uint8)
            .repeat(8, 0)
            .repeat(8, 1),
            label,
            f"{label} {i}",
        )
        for label in colour
        for i in range(3)
    ]
    (tmp_path / "work").mkdir()
    wish = Wish("glsim", 6.0, "cpu", 64, 0, "frame", tmp_path / "vit.npz")
    folder = tmp_path / "packs" / "looks"
    outcome = make_pack(make_lesson(pictures), wish, folder, tmp_path / "work", Unwatched())
    pack = read_pack(folder)
    assert 0 < pack.tagger.again_below == outcome.glance.below <= 1
    for page in ("MODEL_CARD.md", "report.html"):
        assert str(outcome.glance) in (folder / page).read_text()
    tagger = opened(folder)
    bgr = np.full((64, 64, 3), colour["red"][::-1], np.uint8)
    frame = replace(make_frame(size=(64, 64)), planes=from_bgr(bgr))
    [evidence] = tagger.look([Subject("frame", frame, (0.0, 0.0, 64.0, 64.0))])
    assert max(evidence.tags, key=lambda tag: tag.score).label == "red"
