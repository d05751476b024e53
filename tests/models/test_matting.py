"""Matting models as rembg ships them, and what packs do with who is in front."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pack_support import make_pack, new_folder, save_linear, save_model
from servers.hub import Hub
from support import command, make_frame

torch = pytest.importorskip("torch", reason="needs the hub extra")
Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
pytest.importorskip("huggingface_hub", reason="needs the hub extra")

from evaluation import published  # noqa: E402

from engines.packs import PackError, Packs, read_pack, shipped  # noqa: E402
from engines.published import matting_pack  # noqa: E402
from engines.published.matting_pack import Contract  # noqa: E402
from engines.published.onnx_cost import operations  # noqa: E402
from engines.published.recipes import find_recipe  # noqa: E402
from pipeline.models.fetching import FetchError, fetch  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.picture.resample import resample  # noqa: E402
from pipeline.picture.yuv import PAD, from_bgr  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.cutting import as_input, pictures  # noqa: E402
from pipeline.tagging.packs.matting import Matting  # noqa: E402
from pipeline.tagging.packs.opening import open_matting, open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.parsing import Parsing  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

SIDE = 40


def save_matting(path, side=SIDE, gain=40.0, outputs=1):
    """What is red lies in front: a sigmoid of how much more red than 0.5 there is. Like U2-Net's
    file it has several outputs, of which the first counts."""
    nodes = [
        helper.make_node("Conv", ["input.1", "weights", "bias"], ["red"]),
        helper.make_node("Sigmoid", ["red"], ["d0"]),
        *(helper.make_node("Identity", ["red"], [f"d{i}"]) for i in range(1, outputs)),
    ]
    mean, std = matting_pack.IMAGENET_MEAN[0], matting_pack.IMAGENET_STD[0]
    shape = [1, 1, side, side]
    save_model(
        path, nodes, {"input.1": (TensorProto.FLOAT, [1, 3, side, side])},
        {f"d{i}": shape for i in range(outputs)},
        {
            "weights": np.float32([gain * std, 0, 0]).reshape(1, 3, 1, 1),
            "bias": np.float32([gain * (mean - 0.5)]),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Pulled from a folder, as a user who has rembg's file does it."""
    folder = tmp_path_factory.mktemp("given")
    save_matting(folder / "u2netp.onnx", outputs=7)
    packs = tmp_path_factory.mktemp("packs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.models.fetching._known", lambda recipe, path: None)
        done = command("models", "pull", "matting", "--from", folder, "--packs", packs)
    assert done.returncode == 0, done.stderr
    return read_pack(packs / "matting")


@pytest.fixture(scope="module")
def matting(pack):
    with Models(EngineSettings(backend="onnxruntime"), Packs({"matting": pack}, {})) as models:
        yield open_matting(pack, Fixed(PackSettings(pack="matting")), models)


def test_a_pulled_pack_says_what_rembg_does(pack):
    [tensor] = pack.inputs
    assert (tensor.name, tensor.scale, pack.size) == ("input.1", 0.0, (SIDE, SIDE))
    assert [tensor.name for tensor in pack.outputs] == ["d0"]
    assert (pack.tagger.resize, pack.tagger.filter) == ("stretch", "lanczos")


#: Width and height of pictures, many of them odd.
SIZES = [
    *((1, 1), (1, 9), (9, 1), (2, 3), (7, 5), (13, 40), (40, 40), (41, 39), (64, 48), (80, 80)),
    *((81, 79), (97, 31), (100, 200), (101, 203), (120, 90), (127, 129), (160, 320), (161, 321)),
    *((33, 200), (200, 33), (255, 257), (39, 41), (40, 80), (80, 40), (3, 100), (100, 3)),
    *((173, 59), (59, 173), (211, 223), (240, 135)),
]


@pytest.mark.parametrize("brightest", [255, 90, 0])
def test_pictures_are_given_as_rembg_gives_them(pack, brightest):
    """Squeezed by Pillow's own filter, across and then down as it always was done, and divided by
    each picture's largest number."""
    rng = np.random.default_rng(brightest)
    mean, std = matting_pack.IMAGENET_MEAN, matting_pack.IMAGENET_STD
    for width, height in SIZES:
        rgb = rng.integers(0, brightest + 1, (height, width, 3), np.uint8)
        across = Image.fromarray(rgb).resize((SIDE, height), Image.Resampling.LANCZOS)
        whole = across.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        values = np.array(whole) / max(np.max(np.array(whole)), 1e-6)
        wanted = ((values - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
        found = as_input([resample(rgb, (SIDE, SIDE), "lanczos")], pack.inputs[0])
        assert np.abs(found - wanted).max() <= 1e-5, (width, height)


def person(front=230, back=20, share=0.5):
    """A picture that is red on the left up to a share of its width."""
    rgb = np.full((60, 50, 3), back, np.uint8)
    rgb[:, : round(50 * share), 0] = front
    return rgb


def test_who_is_in_front_is_found(matting):
    mask = matting.mask(person())
    assert mask.shape == (SIDE, SIDE)
    assert mask[:, :18].all()
    assert not mask[:, 22:].any()


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (person(front=20), "nobody: rembg would stretch noise to a phantom"),
        (person(share=0.02), "almost nobody"),
        (person(share=1.0), "no outline"),
        (np.zeros((20, 20, 3), np.uint8), "black"),
    ],
)
def test_pictures_without_an_outline_stay_as_they_are(matting, picture, why):
    picture = picture.copy()
    picture[0, 0] = 255  # the largest number does not depend on who is there
    assert matting.mask(picture) is None, why


def test_what_is_unsure_is_no_outline(tmp_path, pack):
    folder = new_folder(tmp_path, "vague")
    save_matting(folder / "model.onnx", gain=1.0)
    text = (pack.folder / "pack.toml").read_text().replace('name = "matting"', 'name = "vague"')
    digest = __import__("hashlib").sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "pack.toml").write_text(
        text.replace(pack.files["model.onnx"], digest).replace(
            f'"labels.json" = "{pack.files["labels.json"]}"\n', ""
        )
    )
    with Models(EngineSettings(backend="onnxruntime"), Packs.read(tmp_path)) as models:
        assert Matting(*models.open("vague")).mask(person()) is None


BOX = (20.0, 10.0, 60.0, 90.0)


def frame():
    """Somebody red in front of grey."""
    bgr = np.full((100, 120, 3), 40, np.uint8)
    bgr[10:90, 28:52] = (20, 20, 230)
    return replace(make_frame(size=(120, 100)), planes=from_bgr(bgr))


def looked(tmp_path, matter, behind, given=None):
    """The picture that a classifier is shown."""
    folder = new_folder(tmp_path, "colours")
    save_linear(folder / "model.onnx", (32, 64), np.eye(3), [0.0] * 3)
    own = read_pack(make_pack(tmp_path, "colours", ["r", "g", "b"], 'kind = "classifier"'))
    subject = Subject("person", frame(), BOX, given=given or {})
    [shown] = pictures([(subject, (20, 10, 60, 90))], own, [behind], matter)
    return shown


def test_backgrounds_are_changed_by_who_is_in_front(tmp_path, matting):
    plain = looked(tmp_path / "a", None, "remove")
    kept = looked(tmp_path / "b", matting, "keep")
    removed = looked(tmp_path / "c", matting, "remove")
    assert np.array_equal(plain, kept), "without an outline nothing changes"
    assert abs(int(plain[32, 1, 0]) - 40) < 12
    assert np.abs(removed[32, 1].astype(int) - PAD).max() < 5, "grey behind"
    assert np.abs(removed[32, 16].astype(int) - plain[32, 16].astype(int)).max() < 8


def test_a_parsing_that_is_there_is_taken_first(tmp_path, matting, monkeypatch):
    labels = np.ones((8, 4), np.uint8)
    parsing = Parsing((20, 10, 60, 90), labels, labels.astype(np.float32), (None, "coat"))
    asked = []
    monkeypatch.setattr(Matting, "mask", lambda self, rgb: asked.append(1))
    looked(tmp_path, matting, "dim", {"parsing": parsing})
    assert not asked


def test_it_looks_only_when_a_pack_does(tmp_path, matting, monkeypatch):
    """Once for a look at a track, and never for packs that keep backgrounds."""
    folder = new_folder(tmp_path, "colours")
    save_linear(folder / "model.onnx", (32, 64), np.eye(3), [0.0] * 3)
    own = read_pack(make_pack(tmp_path, "colours", ["r", "g", "b"], 'kind = "classifier"'))
    asked = []
    mask = Matting.mask
    monkeypatch.setattr(Matting, "mask", lambda self, rgb: asked.append(1) or mask(self, rgb))
    with Models(EngineSettings(backend="onnxruntime"), shipped().joined([own])) as models:
        for behind, looks in (("keep", 0), ("blur", 2)):
            settings = Fixed(PackSettings(pack="colours", background=behind))
            tagger = open_pack(own, settings, models, None, matting)
            assert tagger.changes_backgrounds == (behind != "keep")
            tagger.look([Subject("person", frame(), BOX)] * 2)
            tagger.look([])
            assert len(asked) == looks


RUN = ["--no-video", "--quiet", "--engine", "onnxruntime"]


def test_a_run_says_what_it_is_good_for(pack, short_clip, tmp_path):
    packs = tmp_path / "packs"
    new_folder(packs, "colours")
    save_linear(packs / "colours" / "model.onnx", (32, 64), np.eye(3) * 8, [0.0] * 3)
    make_pack(packs, "colours", ["red", "green", "blue"], 'kind = "classifier"')
    (tmp_path / "s.yaml").write_text("garments: {enabled: false}\nlogos: {enabled: false}\n")
    both = ["--pack", pack.folder, "--pack", packs / "colours", "-c", tmp_path / "s.yaml"]
    done = command("run", short_clip, *both, "--out", tmp_path, *RUN)
    assert done.returncode == 0
    [line] = [line for line in done.stderr.splitlines() if "matting" in line]
    assert "no pack beside it has a background of blur, dim or remove" in line


def test_published_files_are_known_by_their_content(tmp_path):
    """Loaded from its own address, going on where a transfer broke off."""
    path = tmp_path / "u2netp.onnx"
    save_matting(path)
    content = path.read_bytes()
    digest = __import__("hashlib").md5(content).hexdigest()
    with Hub({"a/b/u2netp.onnx": content}) as hub:
        address = f"{hub.url}/elsewhere/a/b/u2netp.onnx"
        recipe = replace(
            find_recipe("matting"), elsewhere={path.name: address},
            hashes={path.name: f"md5:{digest}"},
        )  # fmt: skip
        hub.breaks = 1
        (tmp_path / "one").mkdir()
        fetch(recipe, tmp_path / "one")
        assert (tmp_path / "one" / path.name).read_bytes() == content
        assert [asked for _, _, asked in hub.asked][1].startswith("bytes=")
        (tmp_path / "two").mkdir()
        other = replace(recipe, hashes={path.name: "md5:" + "0" * 32})
        with pytest.raises(FetchError, match="is damaged, or another one"):
            fetch(other, tmp_path / "two")
        with pytest.raises(FetchError, match="is damaged, or another one"):
            fetch(other, tmp_path / "two", given=tmp_path)


def test_what_is_no_matting_model_is_refused(tmp_path):
    folder = new_folder(tmp_path, "flat")
    save_linear(folder / "model.onnx", (32, 64), np.eye(3), [0.0] * 3)
    table = 'kind = "matting"'
    own = read_pack(make_pack(tmp_path, "flat", [], table, outputs={"logits": ["n", 3]}))
    with (
        Models(EngineSettings(backend="onnxruntime"), shipped().joined([own])) as models,
        pytest.raises(PackError, match=r"no output \(1, 1, h, w\)"),
    ):
        open_matting(own, Fixed(PackSettings(pack="flat")), models)


def test_outlines_are_measured_against_true_ones(pack, tmp_path):
    """Of one picture half is in front, of the other nothing; of a third all of it is believed."""
    shown = {"half": person(), "empty": person(front=20), "wrong": person(share=0.3)}
    shown["empty"][0, 0, 2] = 255  # the largest number does not depend on who is there
    truths = {name: np.zeros((60, 50), np.uint8) for name in shown}
    truths["half"][:, :25] = 3
    truths["wrong"][:, :45] = 1
    truths["wrong"][:, 15:30] = 255  # unknown
    rows = []
    for name, rgb in shown.items():
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
        Image.fromarray(truths[name]).save(tmp_path / f"{name}-mask.png")
        rows.append(json.dumps({"file": f"{name}.png", "mask": f"{name}-mask.png"}))
    (tmp_path / "truth.jsonl").write_text("\n".join(rows))
    args = Namespace(
        pack="matting", packs=pack.folder.parent, data=tmp_path, engine="onnxruntime", labels=None
    )
    figures = published.measure(args, shipped())
    assert figures["pictures"] == 3
    assert figures["outlines believed"] == pytest.approx(2 / 3)
    # Half is right, nothing is nothing, and 15 of 30 known columns are.
    assert figures["mean IoU"] == pytest.approx((1 + 1 + 0.5) / 3, abs=0.02)
    assert figures["mean IoU of those"] == pytest.approx((1 + 0.5) / 2, abs=0.02)


def test_operations_of_a_file_are_counted(tmp_path):
    path = tmp_path / "m.onnx"
    save_matting(path)
    assert operations(path, (1, 3, SIDE, SIDE)) == 2 * 3 * SIDE * SIDE
    onnx.load(str(path))


def test_the_sizes_that_rembg_uses():
    own = {name: (c.side, tuple(c.mean)) for name, c in matting_pack.CONTRACTS.items()}
    assert own["u2netp.onnx"] == own["u2net_human_seg.onnx"] == (320, matting_pack.IMAGENET_MEAN)
    assert matting_pack.CONTRACTS["isnet-general-use.onnx"] == Contract(
        1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)
    )
