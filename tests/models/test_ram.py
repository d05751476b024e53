"""RAM and RAM++: the published networks, from their checkpoints to packs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.hub import COMMIT, Hub
from support import command, lines, make_frame

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
from torch.nn import functional as F  # noqa: E402
from yolos_support import randomised  # noqa: E402

pytest.importorskip("huggingface_hub", reason="needs the hub extra")
from engines import open_engine  # noqa: E402
from engines.base import ModelFileError  # noqa: E402
from engines.packs import read_pack, shipped  # noqa: E402
from engines.published import ram_pack, swin  # noqa: E402
from engines.published.bias_tables import for_window, places, spline  # noqa: E402
from engines.published.export import export  # noqa: E402
from engines.published.making import write_pack  # noqa: E402
from engines.published.ram import ChosenRam, Ram, RamConfig, read_ram  # noqa: E402
from engines.published.recipes import (  # noqa: E402
    RAM_TAGS,
    RAM_THRESHOLDS,
    Options,
    find_recipe,
)
from engines.published.swin import Swin, SwinConfig  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.opening import open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

pytestmark = pytest.mark.train

#: Windows, shifted and not, on maps of 32, 16, 8 and 4 cells; the last is one window.
SMALL = SwinConfig(side=128, width=16, depths=(2, 2, 4, 2), heads=(1, 2, 4, 8), window=4)
TINY = SwinConfig(side=32, width=8, depths=(1, 2), heads=(1, 2), window=4)
#: Nine of a table of 49 sines.
SPLINE = [
    *(-0.2879033, -0.9613975, -0.7509872),
    *(-0.8462204, -0.9055784, -0.1323518),
    *(-0.9880316, -0.4040376, 0.5514267),
]
TAGS = [f"tag {i}" for i in range(9)]


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ram(descriptions=1, seed=0):
    """A small one; its embeddings are of unit length, as those of CLIP are."""
    net = randomised(Ram(RamConfig(TINY, len(TAGS), descriptions)), seed)
    with torch.no_grad():
        net.label_embed.copy_(F.normalize(net.label_embed, dim=-1))
        if descriptions > 1:
            net.reweight_scale.fill_(2.659)
        # As large a spread as trained ones have, with so few and small layers.
        for own in net.parameters():
            own.mul_(0.5)
    return net.eval()


@pytest.fixture(scope="module")
def plain():
    return ram()


@pytest.fixture(scope="module")
def plus():
    return ram(51)


# -- The picture's side ------------------------------------------------------------------------


def theirs_as_ours(theirs):
    """The names of the original checkpoints for those of transformers."""
    state = {}
    for name, own in theirs.state_dict().items():
        if "relative_position_index" in name or ".query." in name:
            continue
        for before, after in (
            ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
            ("embeddings.norm", "patch_embed.norm"),
            ("encoder.layers", "layers"),
            ("layernorm_before", "norm1"),
            ("layernorm_after", "norm2"),
            ("attention.self.relative", "attn.relative"),
            ("attention.output.dense", "attn.proj"),
            ("intermediate.dense", "mlp.fc1"),
            ("output.dense", "mlp.fc2"),
            ("layernorm.", "norm."),
        ):
            name = name.replace(before, after)
        if ".value." in name:
            continue
        if ".key." in name:
            parts = [
                theirs.state_dict()[
                    name.replace("layers", "encoder.layers", 1).replace(".key.", f".{part}.")
                ]
                for part in ("query", "key", "value")
            ]
            name, own = name.replace("attention.self.key", "attn.qkv"), torch.cat(parts)
        state[name] = own
    return state


def test_the_encoder_computes_what_transformers_does():
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = transformers.SwinConfig(
        image_size=SMALL.side, patch_size=4, embed_dim=SMALL.width, depths=list(SMALL.depths),
        num_heads=list(SMALL.heads), window_size=SMALL.window, drop_path_rate=0.0,
    )  # fmt: skip
    theirs = randomised(transformers.SwinModel(config))
    ours = Swin(SMALL).eval()
    ours.load_state_dict(theirs_as_ours(theirs))
    for seed in range(3):
        pictures = noise(2, 3, SMALL.side, SMALL.side, seed=seed)
        with torch.no_grad():
            wanted, found = theirs(pictures), ours(pictures)
        assert wanted.last_hidden_state.abs().max() > 1
        assert (found[:, 1:] - wanted.last_hidden_state).abs().max() <= 1e-4
        assert (found[:, 0] - wanted.pooler_output).abs().max() <= 1e-4


@pytest.mark.parametrize(("side", "window"), [(128, 4), (96, 3)])
def test_the_encoder_computes_what_timm_does(side, window):
    """An implementation of its own; maps of 32 and 24 cells, windows shifted and whole."""
    try:
        from timm.models.swin_transformer import SwinTransformer
    except (ImportError, RuntimeError) as error:  # timm needs a torchvision that fits PyTorch
        pytest.skip(f"needs timm, with its torchvision: {str(error)[:60]}")
    own = replace(SMALL, side=side, window=window)
    theirs = randomised(
        SwinTransformer(
            img_size=side, embed_dim=own.width, depths=own.depths, num_heads=own.heads,
            window_size=window, num_classes=0,
        )
    )  # fmt: skip
    ours = Swin(own).eval()
    state = {}
    for name, value in theirs.state_dict().items():
        # timm merges patches at the beginning of a stage instead of the end of the one before.
        match = re.fullmatch(r"layers\.(\d)\.downsample\.(.*)", name)
        new = f"layers.{int(match[1]) - 1}.downsample.{match[2]}" if match else name
        if not re.search("relative_position_index|attn_mask", name):
            state[new] = value
    ours.load_state_dict(state)
    for seed in range(2):
        pictures = noise(2, 3, side, side, seed=seed)
        with torch.no_grad():
            wanted, found = theirs.forward_features(pictures), ours(pictures)
        assert wanted.abs().max() > 1
        assert (found[:, 1:] - wanted.flatten(1, 2)).abs().max() <= 1e-4


def test_a_shifted_window_sees_across_edges_and_no_further():
    mask = swin.shift_mask(8, 4, 2)
    assert mask.shape == (4, 16, 16)
    assert not mask[0].any(), "the first window is whole"
    last = mask[-1].reshape(4, 4, 4, 4)
    assert not last[:2, :2, :2, :2].any()
    assert (last[:2, :2, 2:, 2:] == swin.APART).all()
    rolled = torch.arange(64.0).reshape(1, 8, 8, 1)
    assert torch.equal(swin.together(swin.windows(rolled, 4), 4, 8), rolled)


def test_the_published_sizes():
    with torch.device("meta"):
        net = Ram(RamConfig(tags=4585))
    head = sum(own.numel() for own in net.tagging_head.parameters())
    assert head == pytest.approx(13.39e6, rel=1e-3)
    assert sum(own.numel() for own in net.parameters()) == pytest.approx(212e6, rel=0.01)


# -- The tags' side ----------------------------------------------------------------------------


def by_hand(net, questions, tokens):
    """The head with PyTorch's own attention, for one picture."""

    def heads(linear, numbers):
        return F.linear(numbers, linear.weight, linear.bias).unflatten(-1, (4, 192)).swapaxes(0, 1)

    def normed(norm, numbers):
        return F.layer_norm(numbers, (768,), norm.weight, norm.bias, 1e-12)

    x = questions
    for layer in net.tagging_head.encoder["layer"]:
        own, out = layer.crossattention["self"], layer.crossattention["output"]
        three = heads(own.query, x), heads(own.key, tokens), heads(own.value, tokens)
        seen = F.scaled_dot_product_attention(*three).swapaxes(0, 1).flatten(-2)
        seen = normed(out.LayerNorm, x + out.dense(seen))
        inner = layer.output.dense(F.gelu(layer.intermediate["dense"](seen)))
        x = normed(layer.output.LayerNorm, seen + inner)
    return net.fc(x)[..., 0]


def test_the_head_is_pytorch_s_attention(plain):
    pictures = noise(2, 3, 32, 32)
    with torch.no_grad():
        tokens = plain.image_proj(plain.visual_encoder(pictures))
        questions = F.relu(plain.wordvec_proj(plain.label_embed))
        wanted = torch.stack([by_hand(plain, questions, one) for one in tokens])
        found = plain(pictures)
    assert found.std() > 1e-3
    assert (found - wanted).abs().max() <= 1e-5


def test_descriptions_are_weighed_for_each_picture(plus):
    """The sum as one product, against a loop over pictures and tags."""
    tokens = noise(3, 5, 512)
    with torch.no_grad():
        found = plus.questions(tokens, plus.label_embed)
        for b in range(3):
            picture = tokens[b, 0] / tokens[b, 0].norm()
            for t in range(len(TAGS)):
                own = plus.label_embed[51 * t : 51 * (t + 1)]
                weights = (plus.reweight_scale.exp() * own @ picture).softmax(dim=0)
                mean = (weights[:, None] * own).sum(dim=0)
                wanted = F.relu(plus.wordvec_proj(mean))
                assert (found[b, t] - wanted).abs().max() <= 1e-6


def test_fifty_one_equal_descriptions_are_one(plain):
    net = Ram(RamConfig(TINY, len(TAGS), 51)).eval()
    state = {**plain.state_dict(), "reweight_scale": torch.tensor(2.6)}
    state["label_embed"] = plain.label_embed.detach().repeat_interleave(51, dim=0)
    net.load_state_dict(state)
    with torch.no_grad():
        pictures = noise(1, 3, 32, 32)
        assert (net(pictures) - plain(pictures)).abs().max() <= 1e-5


@pytest.mark.parametrize("which", ["plain", "plus"])
def test_asking_some_tags_only_loses_nothing(which, request):
    net = request.getfixturevalue(which)
    pictures = noise(2, 3, 32, 32)
    with torch.no_grad():
        every = net(pictures)
        for chosen in ([0], [8, 3], list(range(9)), [2, 2, 5]):
            assert (ChosenRam(net, chosen)(pictures) - every[:, chosen]).abs().max() <= 1e-5


@pytest.mark.parametrize("which", ["plain", "plus"])
def test_its_onnx_file_computes_the_same(which, request, tmp_path):
    net = request.getfixturevalue(which)
    pictures = noise(1, 3, 32, 32)
    path = tmp_path / "ram.onnx"
    export(ChosenRam(net, [1, 4, 7]), pictures, path, ["logits"])
    with torch.no_grad():
        wanted = net(pictures)[:, [1, 4, 7]].numpy()
    for engine in ("onnxruntime", "openvino"):
        with open_engine(path, engine) as running:
            found = running.infer({"pixel_values": pictures.numpy()})["logits"]
            assert np.abs(found - wanted).max() <= 1e-4


# -- Checkpoints -------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["plain", "plus"])
def test_checkpoints_as_they_are_published_are_loaded(which, request, tmp_path):
    net = request.getfixturevalue(which)
    state = {
        name.replace("tagging_head.", "vision_multi."): own
        for name, own in net.state_dict().items()
    }
    state["visual_encoder.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(3)
    state["visual_encoder.layers.1.blocks.1.attn_mask"] = torch.zeros(3)
    state["text_decoder.bert.encoder.layer.0.output.dense.bias"] = torch.zeros(3)
    state["tag_encoder.embeddings.weight"] = torch.zeros(3)
    path = tmp_path / "ram.pth"
    torch.save({"model": state, "optimizer": {"step": 3}, "config": {"a": 1}, "epoch": 4}, path)
    read = read_ram(path, TINY)
    assert read.config.descriptions == net.config.descriptions
    for name, own in net.state_dict().items():
        assert torch.equal(read.state_dict()[name], own)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("fc.bias"), "lacks fc.bias"),
        (lambda s: s.update(fc2=torch.zeros(1)), "has unknown fc2"),
        (lambda s: s.update({"fc.bias": torch.zeros(2)}), r"has fc.bias \(2,\) instead"),
        (lambda s: s.pop("label_embed"), "no label_embed"),
        (lambda s: s.update(reweight_scale=torch.tensor(1.0)), "are not 51 a tag"),
    ],
)
def test_checkpoints_that_do_not_fit_are_refused(plain, tmp_path, change, reason):
    state = dict(plain.state_dict())
    change(state)
    torch.save({"model": state}, tmp_path / "ram.pth")
    with pytest.raises(ModelFileError, match=reason):
        read_ram(tmp_path / "ram.pth", TINY)


def test_tables_of_larger_windows_are_read_by_splines():
    """What RectBivariateSpline of SciPy gives at the same places, computed once."""
    table = torch.arange(49, dtype=torch.float64).reshape(49, 1).sin()
    found = for_window(table, 9)[:, 0]
    wanted = torch.tensor(SPLINE)
    assert (found - wanted).abs().max() <= 1e-6
    assert torch.equal(for_window(table, 49), table)
    assert for_window(torch.zeros(50, 2), 9).shape == (50, 2), "no square: the loader refuses it"


@settings(max_examples=20, deadline=None)
@given(st.integers(7, 23), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_splines_are_exact_for_cubics(count, factors):
    known = np.sort(np.random.default_rng(count).uniform(-3, 3, count))
    wanted = np.linspace(known[0], known[-1], 11)
    found = spline(known, wanted) @ np.polyval(factors, known)
    assert np.abs(found - np.polyval(factors, wanted)).max() <= 1e-5


def test_the_published_tables_are_read_where_swin_reads_them():
    """From windows of 12 to 7, where cells lie one by one in both."""
    lie = places(23, 13)
    assert len(lie) == 23
    assert lie[11] == 0
    assert lie[-1] == pytest.approx((1 - 1.01**11) / (1 - 1.01), abs=1e-3)
    assert np.allclose(lie, -lie[::-1])


@pytest.mark.parametrize("which", ["plain", "plus"])
def test_a_checkpoint_is_loaded_for_smaller_pictures(which, request, tmp_path):
    net = request.getfixturevalue(which)
    torch.save({"model": net.state_dict()}, tmp_path / "ram.pth")
    small = replace(TINY, side=16, window=2)
    read = read_ram(tmp_path / "ram.pth", small)
    assert read.config.swin == small
    own = net.state_dict()
    for name, value in read.state_dict().items():
        if name.endswith("bias_table"):
            assert torch.equal(value, for_window(own[name], len(value)))
        else:
            assert torch.equal(value, own[name])
    with torch.no_grad():
        assert read(noise(1, 3, 16, 16)).shape == (1, len(TAGS))


def test_pictures_of_384_and_224_are_taken(lists):
    torch.save({"model": {}}, lists / "ram.pth")
    assert set(ram_pack.SWINS) == {384, 224}
    with pytest.raises(ModelFileError, match="384x384 or 224x224"):
        ram_pack.build(lists, Options(size=(256, 256)))
    with pytest.raises(ModelFileError, match="no label_embed"):
        ram_pack.build(lists, Options(size=(224, 224)))


# -- Packs -------------------------------------------------------------------------------------


@pytest.fixture
def lists(tmp_path):
    """The lists that belong to the checkpoint."""
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / RAM_TAGS).write_text("\n".join(TAGS) + "\n", encoding="utf-8")
    limits = [0.5] * 8 + [1.0]
    (folder / RAM_THRESHOLDS).write_text("\n".join(map(str, limits)), encoding="utf-8")
    return folder


def test_a_pack_asks_what_a_deployment_wants(plain, lists, tmp_path):
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("tag 8\n\ntag 1\ntag 4\n", encoding="utf-8")
    built = ram_pack.built(plain, lists, Options(tags=wanted))
    folder = tmp_path / "ram"
    folder.mkdir()
    cost = write_pack(folder, built, find_recipe("ram"), "a test")
    assert cost.apart <= 1e-4
    assert cost.gflop > 0
    pack = read_pack(folder)
    assert pack.tagger.ignore == ("tag 8",), "a threshold of one means never"
    labels = json.loads((folder / "labels.json").read_text())
    assert [row["label"] for row in labels] == ["tag 1", "tag 4", "tag 8"]
    settings = Fixed(PackSettings(pack="ram", least=0.01))
    with Models(EngineSettings(), shipped().joined([pack])) as models:
        tagger = open_pack(pack, settings, models)
        frame = make_frame(size=(64, 48))
        [evidence] = tagger.look([Subject("frame", frame, (0.0, 0.0, 64.0, 48.0))])
    with torch.no_grad():
        # An even picture stays one however it is resized.
        grey = torch.from_numpy(frame.rgb()[:1, :1].astype(np.float32) / 255).permute(2, 0, 1)
        mean, std = (torch.tensor(v)[:, None, None] for v in (built.mean, built.std))
        chances = plain((grey - mean).div(std).expand(1, 3, 32, 32)).sigmoid()[0]
    for tag in evidence.tags:
        assert tag.score == pytest.approx(float(chances[TAGS.index(tag.label)]), abs=2e-3)
    assert evidence.tags


def test_it_is_pulled_and_tags_a_clip(plain, lists, tmp_path, short_clip, monkeypatch):
    """From the hub's server to tags of whole pictures, which a threshold of one never passes."""
    recipe, packs = find_recipe("ram"), tmp_path / "packs"
    [[checkpoint]] = recipe.files
    torch.save({"model": plain.state_dict()}, tmp_path / checkpoint)
    (lists / RAM_THRESHOLDS).write_text("\n".join(["0.05"] * 8 + ["1.0"]), encoding="utf-8")
    files = {f"{recipe.where}/{checkpoint}": (tmp_path / checkpoint).read_bytes()}
    files |= {f"a/b/{path.name}": path.read_bytes() for path in lists.iterdir()}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ram_pack, "SWINS", {TINY.side: TINY})
    with Hub(files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        own = {path.name: f"{hub.url}/elsewhere/a/b/{path.name}" for path in lists.iterdir()}
        changed = replace(recipe, elsewhere=own)
        monkeypatch.setattr("pipeline.cli.models.find_recipe", lambda name: changed)
        done = command("models", "pull", "ram", "--packs", packs)
    assert done.returncode == 0, done.stderr
    assert COMMIT in read_pack(packs / "ram").source
    (tmp_path / "s.yaml").write_text("garments: {enabled: false}\nlogos: {enabled: false}\n")
    done = command(
        "run", short_clip, "--pack", packs / "ram", "-c", tmp_path / "s.yaml",
        "--out", tmp_path, "--no-video", "--quiet", "--engine", "onnxruntime",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told = [event["tag"] for event in lines(tmp_path / "events.jsonl") if "tag" in event]
    assert {tag["model"] for tag in told} == {"ram"}
    assert {tag["label"] for tag in told} <= set(TAGS[:8])
    assert {tag["kind"] for tag in told} == {"tag"}


def test_lists_that_do_not_fit_are_refused(plain, lists, tmp_path):
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("tag 1\nno such thing\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="no such tags: no such thing"):
        ram_pack.built(plain, lists, Options(tags=wanted))
    with pytest.raises(ModelFileError, match="leave --size and --fit out"):
        ram_pack.built(plain, lists, Options(size=(224, 224)))
    (lists / RAM_THRESHOLDS).write_text("0.5\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="belong to different versions"):
        ram_pack.built(plain, lists, Options())
    (lists / RAM_THRESHOLDS).write_text("half\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="one number a line"):
        ram_pack.built(plain, lists, Options())
    with pytest.raises(ModelFileError, match="holds no checkpoint"):
        ram_pack.build(lists, Options())
