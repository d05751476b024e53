"""Made camera crops, partly known answers, and heads added to a parser."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

import onnx
import torch
from training import answers
from training.answer_camera import through_camera
from training.answer_data import Names, Piece, masked_answers
from training.answer_parts import Part
from training.answer_scenes import composed, shown, visible

from engines import open_engine
from engines.nets.garment_answers import CELL, PLACES, QUESTIONS, GarmentAnswers, Heard
from engines.packs import find, labels

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]

NAMES = Names(labels(find("garments-lite0")))
RNG = np.random.default_rng


def person() -> Piece:
    """Hair, a shirt with bare arms beside it, trousers."""
    mask = np.zeros((300, 150), np.uint8)
    mask[10:40, 60:90] = NAMES.index["hair"]
    mask[40:130, 50:100] = NAMES.index["shirt"]
    mask[50:130, 30:50] = mask[50:130, 100:120] = NAMES.index["skin"]
    mask[130:280, 50:100] = NAMES.index["pants"]
    mask[280:290, 50:100] = NAMES.index["shoes"]
    rgb = np.repeat((mask[..., None] * 4), 3, axis=2).astype(np.uint8)
    told = masked_answers(mask, ["shirt", "pants", "bag"], NAMES)
    return Piece("pixel", rgb, mask, told, np.array([30.0, 10.0, 120.0, 290.0]))


def test_a_mask_tells_what_it_shows_and_tags_what_it_may_have_missed():
    told = person().answers
    assert told["upper"] == ("shirt",)
    assert told["lower"] == ("pants",)
    assert told["sleeve"] == ("short",)
    assert told["hat"] == ("none",)
    assert "bag" not in told, "tagged, but not in the mask"


def test_what_a_crop_does_not_show_is_not_asked():
    piece = person()
    assert visible(piece, piece.mask, NAMES)["lower"] == ("pants",)
    told = visible(piece, piece.mask[:120], NAMES)
    assert told["upper"] == ("shirt",)
    assert told["lower"] == ("none",)


def test_a_top_and_a_bottom_make_a_person():
    piece = person()
    top = Part(piece.rgb, np.where(np.arange(300)[:, None] < 150, piece.mask, 0).astype(np.uint8),
               {"upper": ("shirt",), "sleeve": ("short",)}, (130.0, 75.0, 50.0))  # fmt: skip
    bottom = Part(piece.rgb, piece.mask, {"lower": ("pants",)}, (130.0, 75.0, 50.0))
    whole = composed(top, bottom, NAMES, RNG(0))
    assert whole.answers["upper"] == ("shirt",)
    assert whole.answers["lower"] == ("pants",)
    seen = NAMES.cells(whole.mask, ["pants"])
    assert seen.any(axis=1).sum() > 130, "legs down to the feet"
    assert not (seen & NAMES.cells(whole.mask, ["shirt"])).any()


def test_camera_crops_keep_the_scene_and_the_grey_beyond_it():
    rng = RNG(0)
    views = [shown(person(), [np.full((80, 80, 3), 60, np.uint8)], 120, rng) for _ in range(3)]
    pictures = [picture for picture, _ in views]
    pictures[0][:20] = 127
    crops = through_camera(pictures, rng)
    assert crops.shape == (3, 320, 160, 3)
    assert (crops[0, :50] == 127).all()
    assert crops[0, 60:].std() > 5
    again = through_camera(pictures, RNG(5))
    assert (again == through_camera(pictures, RNG(5))).all(), "by the seed"


def test_loss_asks_only_what_is_known_and_takes_any_of_several_answers():
    told = np.zeros((2, answers.WIDEST), bool)
    told[0] = answers.allowed({"upper": ("shirt", "blouse")})
    told = torch.from_numpy(told)
    even = {q: torch.ones(len(a)) for q, a in QUESTIONS.items()}
    span = answers.spans()["upper"]
    logits = torch.zeros(2, answers.WIDEST)
    right = logits.clone()
    right[0, span.start + QUESTIONS["upper"].index("blouse")] = 4.0
    wrong = logits.clone()
    wrong[0, span.start + QUESTIONS["upper"].index("coat")] = 4.0
    elsewhere = logits.clone()
    elsewhere[:, answers.spans()["hat"]] = torch.tensor([3.0, -3.0])
    tried = {"even": logits, "right": right, "wrong": wrong, "else": elsewhere}
    loss = {name: float(answers.answer_loss(x, told, even)) for name, x in tried.items()}
    assert loss["right"] < loss["even"] < loss["wrong"]
    assert loss["else"] == loss["even"]


def test_heads_learn_what_their_places_show():
    torch.manual_seed(0)
    n = 512
    places = 0.1 * torch.randn(n, len(PLACES), CELL + 1)
    told = torch.zeros(n, answers.WIDEST, dtype=torch.bool)
    span = answers.spans()["hat"]
    hat = torch.rand(n) < 0.5
    places[hat, list(PLACES).index("head"), 3] += 1.0
    told[hat, span.start + 1] = True
    told[~hat, span.start] = True
    seen = answers.Seen(places.half(), torch.randn(n, 1280).half(), told, np.array(["pixel"] * n))
    net = answers.fit(seen, epochs=10, seed=0)
    said = answers.answer(net, seen)[:, span].argmax(dim=1) == 1
    assert float((said == hat).float().mean()) > 0.9


@pytest.mark.parametrize("name", ["garments-lite0", "garments-lite0-int8"])
def test_heads_stand_beside_a_parser_that_stays_as_it_is(tmp_path, name):
    torch.manual_seed(0)
    net = GarmentAnswers().eval()
    heard = Heard(tuple(label.name for label in NAMES.known))
    every = dict.fromkeys(QUESTIONS, 1.0)
    answers.write_heads(answers.ExportedAnswers(heard, net, every), tmp_path / "every.onnx")
    sharp = {"sleeve": 0.5, "hat": 2.0}
    answers.write_heads(answers.ExportedAnswers(heard, net, sharp), tmp_path / "heads.onnx")
    both = tmp_path / "model.onnx"
    answers.add_heads(find(name).path, tmp_path / "every.onnx", both)
    answers.add_heads(both, tmp_path / "heads.onnx", both)
    nodes = onnx.load(str(both)).graph.node
    shared = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    heads = [n for n in nodes if n.name.startswith("/answers/")]
    assert shared.isdisjoint(tensor for n in heads for tensor in n.input), "or INT8 goes to waste"
    crops = RNG(0).integers(0, 255, (2, 320, 160, 3), np.uint8)
    with open_engine(find(name)) as engine:
        old = engine.infer({"images": crops})
    with open_engine(both) as engine:
        new = engine.infer({"images": crops})
        # Once the shipped packs have heads of their own, those are not looked at here.
        old = {key: value for key, value in old.items() if key not in QUESTIONS}
    assert all((old[key] == new[key]).all() for key in ("labels", "scores", "worn", "categories"))
    assert set(new) - set(old) == set(sharp), "only what is asked, once"
    extractor = answers.Extractor(both, NAMES)
    with torch.no_grad():
        logits = net(*extractor(crops))
    for question, temperature in sharp.items():
        wanted = torch.softmax(logits[:, answers.spans()[question]] / temperature, 1)
        assert np.abs(wanted.numpy() - new[question]).max() < 0.02
