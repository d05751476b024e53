"""SigLIP as a pack: its towers, its files, its tokens, and what its numbers mean."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import make_frame

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
tokenizers = pytest.importorskip("tokenizers", reason="needs the hub extra")
from yolos_support import randomised, shown_to  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.base import ModelFileError  # noqa: E402
from engines.packs import read_pack, shipped  # noqa: E402
from engines.packs.prompts import tokens  # noqa: E402
from engines.published import clip_pack, siglip  # noqa: E402
from engines.published.clip import Tower  # noqa: E402
from engines.published.making import write_pack  # noqa: E402
from engines.published.recipes import Options, find_recipe  # noqa: E402
from engines.published.siglip import Siglip, SiglipConfig  # noqa: E402
from engines.published.text_side import cleaned_tokenizer  # noqa: E402
from engines.published.towers import read_towers  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.opening import open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

pytestmark = pytest.mark.train

PIECES = [
    *("<unk>", "</s>"),
    *["▁a", "▁photo", "▁of", "▁person", "▁wearing", "▁coat", "▁hat", "▁red"],
]
TINY = Tower(32, 2, 2, 128)
BOX = (20.0, 10.0, 60.0, 90.0)


def save_tokenizer(folder):
    """SentencePiece's pieces as T5 has them: the end is marked, and nothing else."""
    made = tokenizers.Tokenizer(tokenizers.models.Unigram([(p, -1.0) for p in PIECES], 0))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    made.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def net():
    found = randomised(Siglip(SiglipConfig(TINY, TINY, 32, 16, 32, len(PIECES), 12)))
    with torch.no_grad():
        found.logit_scale.fill_(2.0)
        found.logit_bias.fill_(-0.5)
    return found


@pytest.fixture(scope="module")
def files(net, tmp_path_factory):
    """As open_clip writes them."""
    folder = tmp_path_factory.mktemp("siglip")
    about = {
        "model_cfg": {
            "embed_dim": 32,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 32,
                "timm_model_name": "vit_tiny_patch16_siglip_32",
                "timm_model_pretrained": False,
                "timm_pool": "map",
                "timm_proj": "none",
            },
            "text_cfg": {
                "context_length": 12, "vocab_size": len(PIECES), "width": 32, "heads": 2,
                "layers": 2, "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
                "norm_kwargs": {"eps": 1e-6},
            },
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    }  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps(about))
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(net.state_dict(), str(folder / "open_clip_model.safetensors"))
    save_tokenizer(folder)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A tower of a size that no published one has."""
    monkeypatch.setattr(siglip, "TOWERS", {**siglip.TOWERS, "tiny": TINY})


@pytest.mark.parametrize("act", ["gelu", "gelu_pytorch_tanh"])
def test_it_computes_what_transformers_does(tmp_path, act):
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    sizes = {
        "hidden_act": act, "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2,
        "intermediate_size": 64,
    }  # fmt: skip
    config = transformers.SiglipConfig(
        vision_config={**sizes, "image_size": 48, "patch_size": 16},
        text_config={**sizes, "vocab_size": 40, "max_position_embeddings": 10},
    )
    theirs = randomised(transformers.SiglipModel(config))
    theirs.save_pretrained(tmp_path)
    ours = read_towers(tmp_path)
    assert isinstance(ours, Siglip)
    noise = torch.Generator().manual_seed(1)
    pictures = torch.randn(2, 3, 48, 48, generator=noise)
    texts = torch.randint(0, 40, (3, 10), generator=noise)
    with torch.no_grad():
        wanted = theirs(input_ids=texts, pixel_values=pictures)
        seen, told = ours.visual(pictures), ours.words(texts)
        assert (wanted.image_embeds - seen).abs().max() <= 1e-5
        assert (wanted.text_embeds - told).abs().max() <= 1e-5
        logits = ours.logit_scale.exp() * seen @ told.T + ours.logit_bias
    assert (wanted.logits_per_image - logits).abs().max() <= 1e-4


def test_the_image_tower_computes_what_timm_does():
    """open_clip's own image tower, by timm's names: nothing is renamed."""
    try:
        from timm.models.vision_transformer import VisionTransformer
    except (ImportError, RuntimeError) as error:  # timm needs a torchvision that fits PyTorch
        pytest.skip(f"needs timm, with its torchvision: {str(error)[:60]}")
    theirs = randomised(
        VisionTransformer(
            img_size=48, patch_size=16, embed_dim=32, depth=2, num_heads=2, class_token=False,
            global_pool="map", num_classes=0,
        )
    )  # fmt: skip
    ours = Siglip(SiglipConfig(TINY, TINY, 48, 16, 32, 9, 4)).eval()
    ours.visual.trunk.load_state_dict(theirs.state_dict())
    pictures = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = torch.nn.functional.normalize(theirs(pictures), dim=-1)
        assert (wanted - ours.visual(pictures)).abs().max() <= 1e-5


def test_files_of_open_clip_are_read(net, files):
    read = read_towers(files)
    assert read.config == net.config
    for name, own in net.state_dict().items():
        assert torch.equal(read.state_dict()[name], own)


def test_the_published_sizes():
    config = {
        "model_cfg": {
            "embed_dim": 768,
            "vision_cfg": {"timm_model_name": "vit_base_patch16_siglip_224", "image_size": 224},
            "text_cfg": {
                "context_length": 64, "vocab_size": 32000, "width": 768, "heads": 12, "layers": 12,
                "no_causal_mask": True, "pool_type": "last",
            },
        }
    }  # fmt: skip
    found = SiglipConfig.of_open_clip(config)
    assert (found.seen, found.told) == ("exact", "exact")
    with torch.device("meta"):
        count = sum(own.numel() for own in Siglip(found).parameters())
    assert count == 203_155_970
    config["model_cfg"]["vision_cfg"]["timm_model_name"] = "vit_so400m_patch16_siglip_256"
    assert SiglipConfig.of_open_clip(config).seen == "tanh"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timm_model_name", "vit_base_patch16_224"),
        ("timm_model_name", "convnext_base"),
        ("timm_pool", "avg"),
    ],
)
def test_other_image_towers_are_refused(files, tmp_path, key, value):
    about = json.loads((files / "open_clip_config.json").read_text())
    about["model_cfg"]["vision_cfg"][key] = value
    (tmp_path / "open_clip_config.json").write_text(json.dumps(about))
    with pytest.raises(ModelFileError, match="no configuration of a CLIP or SigLIP"):
        read_towers(tmp_path)


def test_texts_are_cleaned_and_filled_up_as_in_training(files, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(cleaned_tokenizer(files))
    ids = {piece: i for i, piece in enumerate(PIECES)}
    rows = tokens(path, ["A  photo, of_a RED-coat!", " ".join(["a"] * 40)], 12)
    first = [ids[f"▁{word}"] for word in ("a", "photo", "of", "a")]
    assert rows[0][:4].tolist() == first
    assert rows[0][-1] == 1, "filled up by the mark of the end"
    assert rows[1].tolist() == [ids["▁a"]] * 11 + [1], "long ones are cut, and end"
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": {"content": "<unk>"}}')
    save_tokenizer(tmp_path)
    path.write_bytes(cleaned_tokenizer(tmp_path))
    assert tokens(path, ["a"], 4).tolist() == [[ids["▁a"], 1, 0, 0]]
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "<none>"}')
    save_tokenizer(tmp_path)
    with pytest.raises(ModelFileError, match="has no token '<none>'"):
        cleaned_tokenizer(tmp_path)


def test_a_pack_judges_every_label_by_itself(net, files, tmp_path):
    folder = tmp_path / "fashionsiglip"
    folder.mkdir()
    wanted = tmp_path / "labels.txt"
    wanted.write_text("a red coat\nhat\n")
    built = clip_pack.build(files, Options(tags=wanted))
    cost = write_pack(folder, built, find_recipe("fashionsiglip"), "a test")
    assert cost.apart <= 1e-4
    pack = read_pack(folder)
    table = pack.tagger
    assert (table.activation, round(table.bias, 3)) == ("sigmoid", -0.5)
    frame = make_frame(size=(120, 100))
    settings = Fixed(PackSettings(pack=pack.name, least=0.001))
    with Models(EngineSettings(backend="onnxruntime"), shipped().joined([pack])) as models:
        tagger = open_pack(pack, settings, models)
        [evidence] = tagger.look([Subject("person", frame, BOX)])
    found = {tag.label: tag.score for tag in evidence.tags}
    texts = ["a photo of a person wearing a red coat", "a photo of a person wearing hat"]
    rows = torch.from_numpy(tokens(folder / "tokenizer.json", texts, 12))
    with torch.no_grad():
        picture = net.visual(torch.from_numpy(shown_to(pack, frame, BOX)))
        cosines = picture @ net.words(rows).T
        chances = torch.sigmoid(net.logit_scale.exp() * cosines + net.logit_bias)[0].numpy()
    assert [found["a red coat"], found["hat"]] == pytest.approx(chances, abs=2e-3)
    with open_engine(pack, "openvino") as engine:
        answer = engine.infer({"pixel_values": np.full((1, 3, 32, 32), 0.25, np.float32)})
    with torch.no_grad():
        own = net.visual(torch.full((1, 3, 32, 32), 0.25)).numpy()
    assert np.abs(answer["embedding"] - own).max() <= 1e-4
