"""SegFormer as a garment parser: the published network, its classes under our labels."""

from __future__ import annotations

import json
from argparse import Namespace

import cv2
import numpy as np
import pytest
from support import command, lines, make_frame

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
from evaluation import published  # noqa: E402
from evaluation.whole_pictures import shown  # noqa: E402
from training.published_lessons import learn  # noqa: E402
from yolos_support import randomised  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.base import EngineError, ModelFileError  # noqa: E402
from engines.packs import read_pack, shipped  # noqa: E402
from engines.published import parsing_pack  # noqa: E402
from engines.published.parsing_pack import CLOTHES, LABELS, mapped  # noqa: E402
from engines.published.recipes import Options  # noqa: E402
from engines.published.segformer import Segformer, SegformerConfig, read_segformer  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.garments.parser import GarmentParser  # noqa: E402
from pipeline.tagging.garments.tagger import GarmentSettings, open_tagger  # noqa: E402

pytestmark = pytest.mark.train

CONFIG = SegformerConfig(
    depths=(1, 2), widths=(16, 32), heads=(1, 2), reductions=(4, 1), patches=(7, 3),
    strides=(4, 2), ratios=(2.0, 2.0), decoder=24, epsilon=1e-6, names=CLOTHES,
)  # fmt: skip


def described(config, names):
    """A ``config.json`` as the hub has it."""
    return {
        "model_type": "segformer", "hidden_act": "gelu", "num_encoder_blocks": len(config.depths),
        "depths": config.depths, "hidden_sizes": config.widths, "sr_ratios": config.reductions,
        "num_attention_heads": config.heads, "patch_sizes": config.patches,
        "strides": config.strides, "mlp_ratios": config.ratios,
        "decoder_hidden_size": config.decoder, "reshape_last_stage": True,
        "id2label": {str(i): name for i, name in enumerate(names)},
    }  # fmt: skip


@pytest.fixture(scope="module")
def net():
    found = randomised(Segformer(CONFIG))
    with torch.no_grad():
        found.decode_head.batch_norm.running_var.fill_(2.0)
        found.decode_head.classifier.weight.mul_(3)
    return found


@pytest.fixture(scope="module")
def files(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("segformer")
    names = [name.title() for name in CLOTHES]
    (folder / "config.json").write_text(json.dumps(described(CONFIG, names)))
    torch.save(net.state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def pack(files, tmp_path_factory):
    packs = tmp_path_factory.mktemp("packs")
    done = command(
        "models", "pull", "parsing", "--from", files, "--packs", packs, "--size", "64x128"
    )
    assert done.returncode == 0, done.stderr
    assert "research and evaluation only" in done.stderr
    return read_pack(packs / "parsing")


def test_it_computes_what_transformers_does(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = transformers.SegformerConfig(
        num_encoder_blocks=4, depths=[1, 2, 1, 1], hidden_sizes=[8, 16, 24, 32],
        num_attention_heads=[1, 2, 3, 4], sr_ratios=[8, 4, 2, 1], decoder_hidden_size=16,
        num_labels=18, mlp_ratios=[2, 2, 2, 2],
    )  # fmt: skip
    theirs = randomised(transformers.SegformerForSemanticSegmentation(config))
    torch.nn.init.uniform_(theirs.decode_head.batch_norm.running_var, 0.5, 2)
    theirs.save_pretrained(tmp_path)
    ours = read_segformer(tmp_path)
    for i, (height, width) in enumerate([(64, 64), (128, 64), (96, 160), (70, 90), (33, 65)]):
        pictures = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(i))
        with torch.no_grad():
            wanted, found = theirs(pictures).logits, ours(pictures)
        assert wanted.abs().max() > 0.5
        assert (wanted - found).abs().max() <= 1e-5


def test_every_class_has_a_label_of_ours():
    label_of, labels = mapped(CLOTHES)
    assert labels[0] == ("null", None)
    assert label_of[9] == label_of[10], "both shoes are shoes"
    assert labels[label_of[9]] == ("shoes", "shoe")
    assert {labels[label_of[i]][0] for i in range(11, 16)} == {"skin"}
    assert mapped([f"LABEL_{i}" for i in range(18)]) == (label_of, labels)
    known = {row["label"] for row in json.loads(_ours().read_text())}
    assert {name for name, _ in LABELS.values()} <= known
    fashn = "background face hair top dress skirt pants belt bag hat scarf glasses arms hands legs"
    assert len(mapped([*fashn.split(), "feet", "torso", "jewelry"])[0]) == 18
    with pytest.raises(ModelFileError, match="parses road, sky: no parser of clothes"):
        mapped(["background", "road", "sky"])
    with pytest.raises(ModelFileError, match="must be the background"):
        mapped(["hat", "background"])


def _ours():
    return shipped().find("garments-lite0").folder / "labels.json"


def by_hand(net, picture):
    """Labels and scores of a picture uint8 (h, w, 3), in NumPy."""
    mean, std = np.float32(parsing_pack.IMAGENET_MEAN), np.float32(parsing_pack.IMAGENET_STD)
    values = (picture.astype(np.float32) / 255 - mean) / std
    with torch.no_grad():
        logits = net(torch.from_numpy(values.transpose(2, 0, 1)[None].copy()))[0].numpy()
    powers = np.exp(logits - logits.max(axis=0))
    chances = powers / powers.sum(axis=0)
    label_of, labels = mapped(CLOTHES)
    return np.array(label_of)[chances.argmax(axis=0)], chances.max(axis=0), labels


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_labels_are_chosen_in_the_graph_at_a_quarter_of_the_size(net, pack, backend):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 128, 64, 3), np.uint8)
    with open_engine(pack, backend) as engine:
        found = {k: np.array(v) for k, v in engine.infer({"images": pictures}).items()}
    assert found["labels"].shape == (2, 32, 16)
    for i, picture in enumerate(pictures):
        wanted, scores, labels = by_hand(net, picture)
        assert (found["labels"][i] != wanted).mean() <= 0.005
        assert np.abs(found["scores"][i] - scores).max() <= 1e-4
        for k, (_, category) in enumerate(labels):
            cells = wanted == k
            worn = scores[cells].mean() * min(cells.sum() * 500 / 512, 1) if cells.any() else 0
            assert found["worn"][i, k] == pytest.approx(worn, abs=0.02)
            if category is not None:
                groups = sorted({c for _, c in labels if c})
                own = found["categories"][i, groups.index(category)]
                assert own >= found["worn"][i, k] - 1e-6


def test_it_takes_the_place_of_the_shipped_parser(pack):
    box = (20.0, 10.0, 60.0, 90.0)
    with Models(EngineSettings(backend="onnxruntime"), shipped().joined([pack])) as models:
        parser = GarmentParser(*models.open("parsing"))
        [(parsing, tags)] = parser.parse([(make_frame(size=(120, 100)), box)])
        assert parsing.labels.shape == (32, 16)
        fine = {tag.label for tag in tags if tag.level == "fine"}
        assert fine <= {name for name, _ in LABELS.values()} - {"null", "hair", "skin"}
        assert {tag.label for tag in tags if tag.level == "category"} <= set(parsing.categories)
        with pytest.raises(EngineError, match=r"garments\.accept_licence: true"):
            open_tagger(Fixed(GarmentSettings(model="parsing")), models)


def test_a_run_uses_it_if_its_licence_is_accepted(pack, short_clip, tmp_path):
    more = ["--no-video", "--quiet", "--engine", "onnxruntime"]
    done = command(
        "run", short_clip, "--pack", pack.folder, "--out", tmp_path, "--accept-licence", *more
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = {e["tag"]["model"] for e in lines(tmp_path / "events.jsonl") if "tag" in e}
    assert told <= {"parsing"}


def test_it_is_measured_on_pictures_with_masks(pack, tmp_path):
    """What it says itself is right; hair that is called a hat is not; others are left out."""
    rgb = np.random.default_rng(0).integers(0, 256, (128, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    with open_engine(pack, "onnxruntime") as engine:
        said = shown(engine, pack, tmp_path / "a.png")["labels"][0].astype(np.uint8)
    truth = said.repeat(4, axis=0).repeat(4, axis=1)
    names = [row["label"] for row in json.loads((pack.folder / "labels.json").read_text())]
    (tmp_path / "labels.json").write_text(json.dumps([*names, "umbrella"]))
    (tmp_path / "truth.jsonl").write_text('{"file": "a.png", "mask": "m.png"}')
    args = Namespace(
        pack="parsing", packs=pack.folder.parent, data=tmp_path, engine="onnxruntime", labels=None
    )

    def figures(mask):
        cv2.imwrite(str(tmp_path / "m.png"), mask)
        return published.measure(args, shipped())

    there = len(np.unique(said))
    assert figures(truth)["mean IoU"] == 1
    assert figures(truth)["labels"] == there
    worn = int(np.bincount(said.ravel()).argmax())
    left_out = figures(np.where(truth == worn, len(names), truth).astype(np.uint8))
    assert (left_out["labels"], left_out["pixel accuracy"]) == (there - 1, 1)
    other = np.where(truth == worn, (worn + 1) % len(names), truth).astype(np.uint8)
    assert figures(other)["pixel accuracy"] == pytest.approx((truth != worn).mean())


def test_sizes_and_files_that_do_not_fit_are_refused(files, tmp_path):
    with pytest.raises(ModelFileError, match="multiples of 32"):
        parsing_pack.build(files, Options(size=(100, 128)))
    (tmp_path / "config.json").write_text((files / "config.json").read_text())
    with pytest.raises(ModelFileError, match="none of"):
        read_segformer(tmp_path)
    state = torch.load(files / "pytorch_model.bin", weights_only=True)
    state["decode_head.classifier.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match=r"\(7,\) instead of \(18,\)"):
        read_segformer(tmp_path)
    for content in ("{}", "[]", '{"model_type": "upernet"}'):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ModelFileError, match="no configuration of a SegFormer"):
            read_segformer(tmp_path)


def test_a_small_one_learns_where_garments_are():
    """More than what is the same for all pictures, and than weights at random."""
    learned = learn("parsing", 0, 40)
    assert learned["trained"] > 2 * max(learned["constant"], learned["untrained"])
