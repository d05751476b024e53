"""FashionSAP as a pack: from a checkpoint as it is published to symbols and their attributes."""

from __future__ import annotations

import json

import pytest
from support import command, make_frame

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
tokenizers = pytest.importorskip("tokenizers", reason="needs the hub extra")
from yolos_support import randomised, shown_to  # noqa: E402

from engines.base import ModelFileError  # noqa: E402
from engines.packs import PackError, labels, read_pack, shipped  # noqa: E402
from engines.packs.prompts import read_prompts, tokens  # noqa: E402
from engines.published import fashionsap_pack  # noqa: E402
from engines.published.clip import Tower  # noqa: E402
from engines.published.fashionsap import (  # noqa: E402
    SYMBOLS,
    FashionSap,
    SapConfig,
    read_fashionsap,
)
from engines.published.recipes import Options  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.opening import open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

pytestmark = pytest.mark.train

WORDS = [
    *("[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *["the", "image", "category", "is", "boots", "and", "flats", "t"],
]
VOCABULARY = ["[PAD]", *(f"[{symbol}_sign]" for symbol in SYMBOLS), *WORDS]
CONFIG = SapConfig(
    Tower(64, 2, 1, 96), Tower(32, 2, 2, 48), side=32, patch=8, numbers=16,
    words=len(VOCABULARY), context=40,
)  # fmt: skip
BERT = {"fusion_layer": 2, "num_attention_heads": 2, "hidden_size": 32}
BOX = (20.0, 10.0, 60.0, 90.0)


@pytest.fixture(scope="module")
def net():
    found = randomised(FashionSap(CONFIG))
    with torch.no_grad():
        found.temp.fill_(0.25)
    return found


def published(net):
    """A checkpoint of the pre-training: with slow copies, queues, the layers that mix, and heads of
    other tasks."""
    state = dict(net.state_dict())
    state |= {
        name.replace(".", "_m.", 1): own
        for name, own in net.state_dict().items()
        if name.startswith(("visual_encoder.", "text_proj."))
    }
    state["image_queue"] = torch.zeros(16, 4)
    state["queue_ptr"] = torch.zeros(1, dtype=torch.long)
    state["itm_head.weight"] = torch.zeros(2, 32)
    state["decoder_layer.predictions.bias"] = torch.zeros(9)
    state["replace_predict_layer.dense_layer.bias"] = torch.zeros(3)
    state["text_encoder.embeddings.position_ids"] = torch.zeros(1, 40)
    state["text_encoder.encoder.layer.2.crossattention.self.query.bias"] = torch.zeros(32)
    state["text_encoder.encoder.layer.11.output.dense.bias"] = torch.zeros(32)
    return {"model": state, "optimizer": {"step": 1}, "epoch": 3}


@pytest.fixture(scope="module")
def files(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sap")
    torch.save(published(net), folder / "fashionsap.pth")
    (folder / "bert_config.json").write_text(json.dumps(BERT))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pack(files, tmp_path_factory):
    """Pulled as users do it: the checkpoint lies nowhere a program may fetch it."""
    packs = tmp_path_factory.mktemp("packs")
    done = command("models", "pull", "fashionsap", "--from", files, "--packs", packs)
    assert done.returncode == 0, done.stderr
    return read_pack(packs / "fashionsap")


def test_no_program_can_fetch_its_checkpoint(tmp_path):
    done = command("models", "pull", "fashionsap", "--packs", tmp_path)
    assert done.returncode == 1
    for part in ("no program can fetch it", "fashionsap.pth", "vocab.txt", "--from DIR"):
        assert part in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_the_text_s_side_computes_what_transformers_does(tmp_path, prefix):
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        vocab_size=len(VOCABULARY), max_position_embeddings=40,
    )  # fmt: skip
    theirs = randomised(transformers.BertModel(config, add_pooling_layer=False), seed=3)
    own = FashionSap(CONFIG).state_dict()
    own = {name: value for name, value in own.items() if not name.startswith("text_encoder.")}
    own |= {f"text_encoder.{prefix}{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"model": own}, tmp_path / "c.pth")
    (tmp_path / "b.json").write_text(json.dumps(BERT))
    net = read_fashionsap(tmp_path / "c.pth", tmp_path / "b.json")
    texts = torch.tensor([[11, 14, 15, 16, 0, 0], [11, 3, 14, 15, 16, 17]])
    with torch.no_grad():
        wanted = theirs(texts, attention_mask=(texts != 0).long()).last_hidden_state
        found = net.text_encoder(texts)
    assert wanted.abs().max() > 0.5
    assert ((wanted - found) * (texts != 0)[..., None]).abs().max() <= 1e-5


def test_a_symbol_alone_stands_for_itself(net):
    texts = torch.tensor([[11, 4, 0, 0], [11, 4, 14, 0], [11, 14, 0, 0]])
    with torch.no_grad():
        x = net.text_encoder(texts)
        chosen = torch.stack([x[0, 1], x[1, 0], x[2, 0]])
        wanted = net.combine_text_proj(net.text_proj(chosen))
        wanted = wanted / wanted.norm(dim=-1, keepdim=True)
        assert (net.words(texts) - wanted).abs().max() <= 1e-6


def test_a_checkpoint_as_it_is_published_is_loaded(net, files):
    read = read_fashionsap(files / "fashionsap.pth", files / "bert_config.json")
    assert read.config == CONFIG
    for name, own in net.state_dict().items():
        assert torch.equal(read.state_dict()[name], own)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("combine_text_proj.bias"), "lacks combine_text_proj.bias"),
        (lambda s: s.update(more=torch.zeros(1)), "has unknown more"),
        (lambda s: s.update({"temp": torch.zeros(2)}), r"temp \(2,\) instead of \(\)"),
        (lambda s: s.pop("visual_encoder.pos_embed"), "is no FashionSAP"),
    ],
)
def test_checkpoints_that_do_not_fit_are_refused(net, files, tmp_path, change, reason):
    found = published(net)
    change(found["model"])
    torch.save(found, tmp_path / "c.pth")
    with pytest.raises(ModelFileError, match=reason):
        read_fashionsap(tmp_path / "c.pth", files / "bert_config.json")
    with pytest.raises(ModelFileError, match="no configuration of its BERT"):
        read_fashionsap(files / "fashionsap.pth", tmp_path / "none.json")


def test_texts_are_cleaned_as_in_training(files, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(fashionsap_pack.tokenizer(files / "vocab.txt"))
    asked = "[shoes_sign] The image (category) is Boots & flats!"
    words = ["[CLS]", "[shoes_sign]", *["the", "image", "category", "is", "boots", "and", "flats"]]
    [row] = tokens(path, [asked], 12)
    assert row.tolist() == [*(VOCABULARY.index(word) for word in words), 0, 0, 0]
    (tmp_path / "plain.txt").write_text("[PAD]\n[unused0]\n[UNK]\n[CLS]\n")
    with pytest.raises(ModelFileError, match="plain BERT"):
        fashionsap_pack.tokenizer(tmp_path / "plain.txt")


def test_every_category_of_its_prompts_stands_under_a_symbol(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text(fashionsap_pack.prompts(), encoding="utf-8")
    found = read_prompts(path)
    assert [label.name for label in found[:9]] == list(SYMBOLS)
    assert {label.under for label in found[9:]} == set(SYMBOLS) - {"skirts", "coats"}
    assert [x.under for x in found if x.name == "suits & blazers"] == ["dresses"]


def test_an_attribute_is_asked_as_far_as_its_symbol_fits(net, pack, tmp_path):
    assert labels(pack)[0].name == "tops"
    table = pack.tagger
    assert (table.subject, table.scale) == ("upper", pytest.approx(4.0))
    file = tmp_path / "labels.txt"
    file.write_text("symbol: shoes\nsymbol: coats\nshoes/category: boots\nshoes/category: flats\n")
    frame = make_frame(size=(120, 100))
    own = Fixed(PackSettings(pack=pack.name, least=0.001, labels=str(file)))
    with Models(EngineSettings(backend="onnxruntime"), shipped().joined([pack])) as models:
        [evidence] = open_pack(pack, own, models).look([Subject("person", frame, BOX)])
    found = {tag.label: tag.score for tag in evidence.tags}
    texts = [
        "[shoes_sign]", "[coats_sign]", "[shoes_sign] the image category is boots",
        "[shoes_sign] the image category is flats",
    ]  # fmt: skip
    rows = torch.from_numpy(tokens(pack.folder / "tokenizer.json", texts, 40))
    with torch.no_grad():
        picture = net.visual(torch.from_numpy(shown_to(pack, frame, BOX)))
        logits = 4 * (picture @ net.words(rows).T)[0]
    tops, values = logits[:2].softmax(0), logits[2:].softmax(0)
    wanted = [*tops, *(values * tops[0])]
    names = ("shoes", "coats", "boots", "flats")
    assert [found[name] for name in names] == pytest.approx([float(w) for w in wanted], abs=2e-3)
    assert found["boots"] + found["flats"] == pytest.approx(found["shoes"], abs=1e-5)


def test_what_stands_under_nothing_is_refused(tmp_path):
    path = tmp_path / "l.txt"
    path.write_text("shoes/category: boots\n")
    with pytest.raises(PackError, match="'shoes/' needs a line with the label 'shoes' itself"):
        read_prompts(path)


def test_other_sizes_are_refused(files):
    with pytest.raises(ModelFileError, match="32x32"):
        fashionsap_pack.build(files, Options(size=(64, 64)))
