"""A pack that looks again at a part of what it is unsure of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper
from pack_support import make_pack, new_folder, save_model, sha256
from support import make_frame

from engines.packs import PackError, read_pack, shipped
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.packs.again import part_window
from pipeline.tagging.packs.cutting import window
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.packs.tagger import PackTagger
from pipeline.tagging.tagger import Subject

SIDE = 32
BOX = (100.0, 40.0, 300.0, 240.0)
TABLE = 'kind = "classifier"\nactivation = "none"\nmargin = 0.0\nagain_below = 0.6'


def save_looks(path, part):
    """A model whose first look goes by how red and green a picture is and never beyond 0.8; the
    second adds what the first said of the whole; the part is always the same."""
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["token"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["token", "weights"], ["close"]),
        helper.make_node("Gemm", ["whole", "weights"], ["far"]),
        helper.make_node("Softmax", ["close"], ["first"], axis=1),
        helper.make_node("Sum", ["close", "close", "far"], ["both"]),
        helper.make_node("Softmax", ["both"], ["scores"], axis=1),
        helper.make_node("Identity", ["constant"], ["part"]),
    ]
    save_model(
        path,
        nodes,
        {
            "pixel_values": (TensorProto.FLOAT, [1, 3, SIDE, SIDE]),
            "whole": (TensorProto.FLOAT, [1, 3]),
        },
        {"scores": [1, 2], "first": [1, 2], "token": [1, 3], "part": [1, 4]},
        {
            "weights": np.float32([[1.4, 0], [0, 1.4], [0, 0]]),
            "constant": np.float32([part]),
        },
    )


def pack_of(tmp_path, part=(0.5, 0.0, 1.0, 0.5), table=TABLE, taken="whole"):
    folder = new_folder(tmp_path, "looks")
    save_looks(folder / "model.onnx", part)
    made = make_pack(
        tmp_path,
        "looks",
        ["red", "green"],
        table,
        (SIDE, SIDE),
        outputs={"scores": [1, 2], "first": [1, 2], "token": [1, 3], "part": [1, 4]},
    )
    text = (made / "pack.toml").read_text()
    given = f'[[inputs]]\nname = "{taken}"\ndtype = "float32"\nshape = [1, 3]\n[[outputs]]'
    (made / "pack.toml").write_text(text.replace("[[outputs]]", given, 1))
    assert sha256(made / "model.onnx") in text
    return made


class Watched:
    """An engine that keeps what it was shown."""

    def __init__(self, engine):
        self._engine = engine
        self.shown = []

    def infer(self, inputs):
        self.shown.append({name: array.copy() for name, array in inputs.items()})
        return self._engine.infer(inputs)


@pytest.fixture
def opened(tmp_path):
    """Opens a pack: its tagger, and what its engine is shown from then on."""
    stack = []

    def open_(folder, backend="onnxruntime"):
        pack = read_pack(folder)
        models = Models(EngineSettings(backend=backend), shipped().joined([pack]))
        stack.append(models)
        engine, pack = models.open(pack.name)
        watched = Watched(engine)
        tagger = PackTagger(watched, pack, Fixed(PackSettings(pack=pack.name)))
        watched.shown.clear()
        return tagger, watched.shown

    yield open_
    for models in stack:
        models.__exit__()


def subject(left, right):
    """Somebody whose left and right halves have so much red and green."""
    bgr = np.zeros((300, 400, 3), np.uint8)
    bgr[:, :200, 1:] = left[::-1]
    bgr[:, 200:, 1:] = right[::-1]
    return Subject("person", replace(make_frame(size=(400, 300)), planes=from_bgr(bgr)), BOX)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_whoever_is_sure_looks_once_and_whoever_is_not_looks_again(tmp_path, opened, backend):
    tagger, shown = opened(pack_of(tmp_path), backend)
    [evidence] = tagger.look([subject((250, 0), (250, 0))])
    assert len(shown) == 1, "sure"
    assert not shown[0]["whole"].any()
    best = max(evidence.tags, key=lambda tag: tag.score)
    assert (best.label, best.box) == ("red", BOX)

    shown.clear()
    doubtful = subject((130, 0), (0, 130))  # half red, half green; the part is green
    [evidence] = tagger.look([doubtful])
    assert len(shown) == 2
    token = shown[0]["pixel_values"].mean(axis=(2, 3))
    assert np.allclose(shown[1]["whole"], token, atol=1e-5), "what the first look said"
    assert max(evidence.tags, key=lambda tag: tag.score).label == "green"

    shown.clear()
    assert len(tagger.look([doubtful, subject((250, 0), (250, 0)), doubtful])) == 3
    assert len(shown) == 5, "each for itself"


def test_the_part_is_cut_from_the_frame_at_full_resolution(tmp_path, opened):
    rng = np.random.default_rng(0)
    bgr = np.repeat(np.repeat(rng.integers(0, 255, (75, 100, 3), np.uint8), 4, 0), 4, 1)
    frame = replace(make_frame(size=(400, 300)), planes=from_bgr(bgr))
    tagger, shown = opened(pack_of(tmp_path))
    tagger.look([Subject("person", frame, BOX)])
    first, second = (one["pixel_values"][0].transpose(1, 2, 0) for one in shown)
    table = read_pack(tmp_path / "looks").tagger
    own = window(BOX, table, (SIDE, SIDE))
    assert own == (100, 40, 300, 240)
    wanted = frame.crop((200, 40, 300, 140), (SIDE, SIDE))
    assert np.allclose(second * 255, wanted, atol=0.01)
    enlarged = first[: SIDE // 2, SIDE // 2 :].repeat(2, 0).repeat(2, 1)
    assert np.abs(second - enlarged).mean() > 0.05, "more than the small picture of the whole has"


def test_a_part_is_whole_pixels_one_at_least_and_within_the_window():
    own = (10, 20, 110, 220)
    assert part_window(own, np.float32([0.25, 0.5, 0.75, 1.0])) == (35, 120, 85, 220)
    assert part_window(own, np.float32([0.5, 0.5, 0.5, 0.5])) == (60, 120, 61, 121)
    assert part_window(own, np.float32([-3, np.nan, np.inf, 9])) == (10, 20, 110, 220)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("again_below = 0.6", "again_below = 2"), "again_below in pack.toml must be a number"),
        (('kind = "classifier"', 'kind = "tags"'), "again_below in pack.toml is for a classifier"),
        (('activation = "none"', ""), "is for a classifier, activation"),
        (('name = "part"', 'name = "where"'), "needs a tensor 'part'"),
        (('name = "whole"', 'name = "all"'), "needs a tensor 'whole'"),
        (("shape = [1, 4]", "shape = [1, 5]"), "part (n, 4)"),
    ],
)
def test_a_pack_that_cannot_look_again_is_one_line(tmp_path, change, reason):
    folder = pack_of(tmp_path)
    text = (folder / "pack.toml").read_text()
    assert change[0] in text
    (folder / "pack.toml").write_text(text.replace(*change))
    with pytest.raises(PackError) as told:
        read_pack(folder)
    assert reason in str(told.value)
    assert len(str(told.value).splitlines()) == 1
