"""CLIP as a pack, whose labels are sentences that may change while cameras run."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from support import make_frame

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
tokenizers = pytest.importorskip("tokenizers", reason="needs the hub extra")
from yolos_support import randomised  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.base import EngineError, ModelFileError  # noqa: E402
from engines.packs import Label, PackError, labels, read_pack, shipped  # noqa: E402
from engines.packs.prompts import read_prompts, sentences, tokens  # noqa: E402
from engines.packs.tagger import TaggerTable  # noqa: E402
from engines.published import clip_pack  # noqa: E402
from engines.published.clip import Clip, ClipConfig, Tower  # noqa: E402
from engines.published.making import write_pack  # noqa: E402
from engines.published.recipes import Options, find_recipe  # noqa: E402
from engines.published.towers import read_towers  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.opening import open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.packs.vocabulary import Vocabulary  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

pytestmark = pytest.mark.train

WORDS = [
    "a",
    "photo",
    "of",
    "person",
    "wearing",
    "the",
    "image",
    "garment",
    "colour",
    "is",
    "red",
    "blue",
    "coat",
    "hat",
    "dress",
]
END = len(WORDS) + 3
CONFIG = ClipConfig(
    Tower(48, 2, 3, 192),
    Tower(32, 2, 2, 128),
    side=32,
    patch=8,
    numbers=24,
    words=END + 1,
    context=12,
    gelu="exact",
)
BOX = (20.0, 10.0, 60.0, 90.0)


def save_tokenizer(path):
    """Words as they are, between marks of beginning and end, of which the latter is the highest."""
    known = {
        "[UNK]": 0,
        **{word: i + 1 for i, word in enumerate(WORDS)},
        "<s>": END - 1,
        "</s>": END,
    }
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(known, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", END - 1), ("</s>", END)]
    )
    made.save(str(path))


@pytest.fixture(scope="module")
def net():
    found = randomised(Clip(CONFIG))
    with torch.no_grad():
        found.logit_scale.fill_(3.0)
    return found


@pytest.fixture(scope="module")
def files(net, tmp_path_factory):
    """The files of a small CLIP as open_clip has them."""
    folder = tmp_path_factory.mktemp("clip")
    about = {
        "model_cfg": {
            "embed_dim": 24,
            "vision_cfg": {
                "image_size": 32,
                "layers": 2,
                "width": 48,
                "head_width": 16,
                "patch_size": 8,
            },
            "text_cfg": {
                "context_length": 12,
                "vocab_size": END + 1,
                "width": 32,
                "heads": 2,
                "layers": 2,
            },
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(about))
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(net.state_dict(), str(folder / "open_clip_model.safetensors"))
    save_tokenizer(folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def pack(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "openvocab"
    folder.mkdir()
    wanted = folder.parent / "labels.txt"
    wanted.write_text("# what we sell\ncoat\n\nhat\ncolour: red\ncolour: blue\n")
    built = clip_pack.build(files, Options(tags=wanted))
    cost = write_pack(folder, built, find_recipe("openvocab"), "a test")
    assert cost.apart <= 1e-4
    return read_pack(folder)


@pytest.mark.parametrize("act", ["gelu", "quick_gelu"])
def test_it_computes_what_transformers_does(tmp_path, act):
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    sizes = {"hidden_act": act, "num_hidden_layers": 2}
    config = transformers.CLIPConfig(
        vision_config={
            **sizes, "hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 3,
            "image_size": 32, "patch_size": 8,
        },
        text_config={
            **sizes, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2,
            "vocab_size": 60, "max_position_embeddings": 12, "eos_token_id": 59,
            "bos_token_id": 58, "pad_token_id": 0,
        },
        projection_dim=24,
    )  # fmt: skip
    theirs = randomised(transformers.CLIPModel(config))
    theirs.save_pretrained(tmp_path)
    ours = read_towers(tmp_path)
    noise = torch.Generator().manual_seed(1)
    pictures = torch.randn(2, 3, 32, 32, generator=noise)
    texts = torch.tensor([[58, 3, 4, 59, *[0] * 8], [58, 9, 5, 7, 1, 59, *[0] * 6]])
    with torch.no_grad():
        wanted = theirs(input_ids=texts, pixel_values=pictures)
        assert (wanted.image_embeds - ours.visual(pictures)).abs().max() <= 1e-5
        assert (wanted.text_embeds - ours.words(texts)).abs().max() <= 1e-5


def test_files_of_open_clip_are_read(net, files):
    read = read_towers(files)
    assert read.config == CONFIG
    for name, own in net.state_dict().items():
        assert torch.equal(read.state_dict()[name], own)


#: An image tower of another kind.
TIMM = {"embed_dim": 1, "vision_cfg": {"timm_model_name": "x"}, "text_cfg": {"width": 8}}


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"model_cfg": TIMM})])
def test_other_configurations_are_refused(tmp_path, content):
    (tmp_path / "open_clip_config.json").write_text(content)
    with pytest.raises(ModelFileError, match="no configuration of a CLIP"):
        read_towers(tmp_path)


def test_several_pictures_at_a_time_are_each_as_if_alone(net, pack):
    pictures = np.random.default_rng(0).standard_normal((3, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        wanted = net.visual(torch.from_numpy(pictures)).numpy()
    with open_engine(pack) as engine:
        found = engine.infer({"pixel_values": pictures})["embedding"]
        assert np.abs(found - wanted).max() <= 1e-4


def chances(net, pack, frame, texts):
    """By hand: what a picture of one colour has in common with texts."""
    [tensor] = pack.inputs
    grey = frame.rgb()[:1, :1].astype(np.float32) / 255
    even = (grey - np.float32(tensor.mean)) / np.float32(tensor.std)
    rows = torch.from_numpy(tokens(pack.folder / "tokenizer.json", texts, 12))
    with torch.no_grad():
        picture = net.visual(torch.from_numpy(even).permute(2, 0, 1).expand(1, 3, 32, 32))
        return (net.logit_scale.exp() * picture @ net.words(rows).T)[0].softmax(0).numpy()


def opened(pack, models, **settings):
    own = Fixed(PackSettings(pack=pack.name, least=0.001, **settings))
    return open_pack(pack, own, models)


@pytest.fixture(scope="module")
def models(pack):
    with Models(EngineSettings(backend="onnxruntime"), shipped().joined([pack])) as found:
        yield found


def told(tagger, frame):
    [evidence] = tagger.look([Subject("person", frame, BOX)])
    return {tag.label: tag.score for tag in evidence.tags}


def test_labels_of_a_group_compete_with_each_other_alone(net, pack, models):
    frame = make_frame(size=(120, 100))
    found = told(opened(pack, models), frame)
    alone = ["a photo of a person wearing coat", "a photo of a person wearing hat"]
    group = ["the image colour is red", "the image colour is blue"]
    wanted = [*chances(net, pack, frame, alone), *chances(net, pack, frame, group)]
    assert [found[name] for name in ("coat", "hat", "red", "blue")] == pytest.approx(
        wanted, abs=2e-3
    )


def test_new_labels_are_taken_while_it_runs(net, pack, models, tmp_path, caplog):
    file = tmp_path / "labels.txt"
    file.write_text("coat\ndress\n")
    tagger, frame = opened(pack, models, labels=str(file)), make_frame(size=(120, 100))
    assert set(told(tagger, frame)) == {"coat", "dress"}
    texts = [f"a photo of a person wearing {name}" for name in ("coat", "dress", "hat")]

    def changed(content):
        file.write_text(content)
        tagger._words._at = -np.inf  # a second has passed

    changed("coat\ndress\nhat\n")
    found = told(tagger, frame)
    assert [found[name] for name in ("coat", "dress", "hat")] == pytest.approx(
        chances(net, pack, frame, texts), abs=2e-3
    )
    changed("coat\ncoat\n")
    assert set(told(tagger, frame)) == set(found), "a mistake changes nothing"
    assert told(tagger, frame)
    assert caplog.text.count("stands twice") == 1
    file.unlink()
    tagger._words._at = -np.inf
    assert set(told(tagger, frame)) == set(found), "nor does a file that is gone"
    changed("hat\n")
    assert told(tagger, frame) == {"hat": pytest.approx(1.0)}


def test_who_somebody_is_is_never_reported(pack, models, tmp_path, caplog):
    file = tmp_path / "labels.txt"
    file.write_text("a woman\na coat\n")
    assert set(told(opened(pack, models, labels=str(file)), make_frame(size=(120, 100)))) == {
        "a coat"
    }
    assert "never reported: a woman" in caplog.text


def test_only_what_is_new_is_computed(pack, tmp_path, monkeypatch):
    file = tmp_path / "labels.txt"
    file.write_text("coat\nhat\n")
    words = Vocabulary(pack, file)
    before = words.known.copy()
    computed = []
    encoded = words._encoded
    monkeypatch.setattr(words, "_encoded", lambda texts: computed.extend(texts) or encoded(texts))
    file.write_text("dress\ncoat\nhat\n")
    assert words.refresh(10.0)
    assert computed == ["a photo of a person wearing dress"]
    assert np.array_equal(words.known[1:], before)
    assert not words.refresh(10.5), "not every moment"
    assert not words.refresh(12.0), "nothing changed"
    os.utime(file)
    assert words.refresh(14.0)
    assert len(computed) == 1


def test_the_pack_s_own_labels_are_those_it_was_pulled_with(pack):
    assert labels(pack) == (
        Label("coat", None), Label("hat", None), Label("red", "colour"), Label("blue", "colour"),
    )  # fmt: skip


@pytest.mark.parametrize("content", ["", "# nothing\n", "a\na\n", "x" * 300, "\x00\n"])
def test_files_of_labels_that_cannot_be(tmp_path, content):
    path = tmp_path / "l.txt"
    path.write_text(content)
    with pytest.raises(PackError, match=r"l\.txt"):
        read_prompts(path)
    with pytest.raises(PackError, match="cannot be read"):
        read_prompts(tmp_path / "none.txt")


def test_sentences():
    table = TaggerTable("embedder", prompt="{label}!", group_prompt="is its {group} {label}?")
    labels = (Label("coat", None), Label("red", "colour"), Label("short", "length", "coat"))
    assert sentences(labels, table) == ["coat!", "is its colour red?", "is its length short?"]
    asked = replace(table, top_prompt="any {label}?", under_prompt="{under}: {group} {label}")
    assert sentences(labels, asked) == ["any coat?", "is its colour red?", "coat: length short"]
    grouped = (Label("coat", "kind"), Label("hat", "kind"), Label("long", "length", "coat"))
    assert sentences(grouped, asked) == ["any coat?", "any hat?", "coat: length long"]


def test_long_texts_are_cut_and_end(files):
    [row] = tokens(files / "tokenizer.json", [" ".join(WORDS)], 12)
    assert len(row) == 12
    assert row[-1] == END
    [row] = tokens(files / "tokenizer.json", ["Red"], 12)
    assert row.tolist() == [END - 1, WORDS.index("red") + 1, END, *[0] * 9]


def test_what_makes_no_tokens_is_one_line(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(PackError, match="makes no tokens"):
        tokens(tmp_path / "tokenizer.json", ["a"], 5)


def test_packs_that_know_no_texts_take_no_labels(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("coat\n")
    with pytest.raises(EngineError, match="cannot take other labels"):
        Vocabulary(shipped().find("garment-types-lite0"), file)
