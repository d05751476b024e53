"""YOLOS: the published network, from its checkpoints to ONNX."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from support import HERE

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
from yolos_support import SMALL, described, randomised, saved  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.base import ModelFileError  # noqa: E402
from engines.published import yolos_pack  # noqa: E402
from engines.published.checkpoint import read_state  # noqa: E402
from engines.published.export import export  # noqa: E402
from engines.published.fashionpedia import ACCESSORIES, CATEGORIES, GARMENTS, PARTS  # noqa: E402
from engines.published.recipes import Options  # noqa: E402
from engines.published.yolos import FixedYolos, Yolos, YolosConfig, read_yolos  # noqa: E402
from engines.published.yolos_pack import ruled_size  # noqa: E402

pytestmark = pytest.mark.train

#: Height and width of pictures: that of the stored positions, smaller, larger, high and wide.
SHAPES = [(64, 96), (32, 48), (64, 64), (96, 32), (128, 160)]


@pytest.mark.parametrize("middle", [True, False])
def test_it_computes_what_transformers_does(tmp_path, middle):
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = transformers.YolosConfig(
        hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=96,
        image_size=[64, 96], num_detection_tokens=10, num_labels=46,
        use_mid_position_embeddings=middle,
    )  # fmt: skip
    theirs = randomised(transformers.YolosForObjectDetection(config))
    theirs.save_pretrained(tmp_path, safe_serialization=middle)
    ours = read_yolos(tmp_path)
    assert ours.config.middle == middle
    for i, (height, width) in enumerate(SHAPES):
        noise = torch.Generator().manual_seed(i)
        pictures = torch.randn(2, 3, height, width, generator=noise)
        with torch.no_grad():
            wanted, (logits, boxes) = theirs(pictures), ours(pictures)
        assert wanted.logits.abs().max() > 1
        assert (wanted.logits - logits).abs().max() <= 1e-5
        assert (wanted.pred_boxes - boxes).abs().max() <= 1e-5


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_its_onnx_file_computes_the_same(tmp_path, engine):
    net = randomised(Yolos(SMALL))
    for height, width in SHAPES if engine == "onnxruntime" else SHAPES[1:3]:
        pictures = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))
        path = tmp_path / f"{height}.onnx"
        export(FixedYolos(net, height, width), pictures, path, ["logits", "pred_boxes"])
        assert b"Resize" not in path.read_bytes(), "positions are part of the file"
        with torch.no_grad():
            logits, boxes = net(pictures)
        with open_engine(path, engine) as running:
            found = running.infer({"pixel_values": pictures.numpy()})
            assert np.abs(found["logits"] - logits.numpy()).max() <= 1e-4
            assert np.abs(found["pred_boxes"] - boxes.numpy()).max() <= 1e-4


def test_the_published_size_is_that_of_the_checkpoint():
    with torch.device("meta"):
        net = Yolos(YolosConfig())
    assert sum(own.numel() for own in net.parameters()) == 30_667_443
    assert len(net.state_dict()) == 212
    assert net.vit.embeddings.position_embeddings.shape == (1, 1829, 384)
    assert net.vit.encoder.mid_position_embeddings.shape == (11, 1, 1829, 384)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_checkpoints_of_both_kinds_are_loaded(tmp_path, name):
    net = randomised(Yolos(SMALL))
    read = read_yolos(saved(tmp_path, net, name))
    for key, own in net.state_dict().items():
        assert torch.equal(read.state_dict()[key], own)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("vit.encoder.mid_position_embeddings"), "lacks vit.encoder.mid_pos"),
        (lambda s: s.update(extra=torch.zeros(1)), "has unknown extra"),
        (lambda s: s.update({"vit.layernorm.bias": torch.zeros(7)}), r"\(7,\) instead of \(48,\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, reason):
    net = Yolos(SMALL)
    state = dict(net.state_dict())
    change(state)
    saved(tmp_path, net)
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match=reason):
        read_yolos(tmp_path)


#: Width and height of pictures, the size they are seen at, and of smaller edges.
RULED = [
    ((1920, 1080), (896, 512), (176, 96)),
    ((512, 864), (512, 864), (96, 160)),
    ((512, 512), (512, 512), (96, 96)),
    ((100, 1000), (128, 1328), (16, 176)),
]


@pytest.mark.parametrize(("size", "usual", "small"), RULED)
def test_sizes_by_its_own_rule(size, usual, small):
    assert ruled_size(*size) == usual
    assert ruled_size(*size, 100, 180) == small


def test_sizes_are_those_of_transformers():
    processing = pytest.importorskip(
        "transformers.models.yolos.image_processing_yolos", reason="needs transformers"
    )
    rng = np.random.default_rng(0)
    sizes = [*rng.integers(17, 1500, (300, 2)).tolist(), [512, 700], [700, 512], [1333, 64]]
    for width, height in sizes:
        for shortest, longest in ((512, 1333), (816, 864), (200, 1333)):
            high, wide = processing.get_size_with_aspect_ratio((height, width), shortest, longest)
            own = ruled_size(width, height, shortest, longest)
            assert own == (max(wide // 16, 1) * 16, max(high // 16, 1) * 16), (width, height)


def test_a_pack_is_built_for_pictures_by_the_rule(tmp_path):
    saved(tmp_path, Yolos(dataclasses.replace(SMALL, classes=46)))
    (tmp_path / "preprocessor_config.json").write_text(
        '{"size": {"shortest_edge": 64, "longest_edge": 96}}'
    )
    built = yolos_pack.build(tmp_path, Options(fit=(640, 480)))
    assert tuple(built.example.shape) == (1, 3, 64, 80)
    (tmp_path / "preprocessor_config.json").write_text('{"size": 48, "max_size": 96}')
    assert tuple(yolos_pack.build(tmp_path, Options(fit=(480, 640))).example.shape)[2:] == (64, 48)
    for bad in ("[]", '{"size": {}}', "?"):
        (tmp_path / "preprocessor_config.json").write_text(bad)
        with pytest.raises(ModelFileError, match="tells no size"):
            yolos_pack.build(tmp_path, Options(fit=(640, 480)))
    with pytest.raises(ModelFileError, match="either --size or --fit"):
        yolos_pack.build(tmp_path, Options(fit=(640, 480), size=(64, 64)))


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_nothing_is_run_that_a_checkpoint_holds(tmp_path, capsys):
    saved(tmp_path, Yolos(SMALL))
    torch.save({"weight": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="no checkpoint that can be read safely"):
        read_yolos(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02]q\x00.", b"{}"])
@pytest.mark.parametrize("name", ["w.bin", "w.safetensors"])
def test_files_that_are_no_checkpoint_are_one_line(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError) as told:
        read_state(tmp_path / name)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_type": "detr"}'])
def test_configurations_of_something_else_are_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelFileError, match="no configuration of a YOLOS"):
        read_yolos(tmp_path)


def test_weights_must_be_there(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(described(SMALL)))
    with pytest.raises(ModelFileError, match=r"none of model\.safetensors, pytorch_model\.bin"):
        read_yolos(tmp_path)
    fewer = dataclasses.replace(SMALL, classes=3)
    assert read_yolos(saved(tmp_path, Yolos(fewer))).config.classes == 3


def test_the_labels_are_those_of_the_ontology():
    path = HERE.parent.parent / "shared" / "research" / "fashionpedia_ontology.json"
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 46
    if not path.is_file():
        pytest.skip("needs the ontology beside the checkout")
    rows = json.loads(path.read_text(encoding="utf-8"))["categories"]
    assert [row["name"] for row in rows] == list(CATEGORIES)
    assert [row["id"] for row in rows] == list(range(46))
    assert len(GARMENTS) == 13
    assert len(ACCESSORIES) == 14
    assert len(PARTS) == 19
