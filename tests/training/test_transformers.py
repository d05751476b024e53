"""Published facts of the transformers' parts: counts, boxes, exports. Needs the train extra."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from vit_support import google  # noqa: E402

from engines.base import EngineOptions  # noqa: E402
from engines.nets.glsim import GlobalLocal, boxes, enlarged, similarity  # noqa: E402
from engines.nets.ifa import Aggregated, AggregatedTransformer  # noqa: E402
from engines.nets.ila import (  # noqa: E402
    AdaptedTransformer,
    Bottleneck,
    InterLayerAdapter,
)
from engines.nets.vit import Block, Shape, VisionTransformer, read_npz, resized, shape_of  # noqa: E402
from engines.nets.vit_names import from_timm  # noqa: E402
from engines.ort import open as open_model  # noqa: E402
from engines.teach import linear  # noqa: E402
from engines.teach.courses import NetworkCourse  # noqa: E402
from engines.teach.lesson import Picture, TeachError, make_lesson  # noqa: E402
from engines.teach.onnx_file import parity, write_model  # noqa: E402
from engines.teach.room import Room  # noqa: E402
from engines.teach.trainer import Recipe, look  # noqa: E402
from engines.teach.transformers import transformer  # noqa: E402
from engines.teach.watch import Unwatched  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]
#: A transformer small enough to run in a test.
SMALL = Shape(side=112, patch=8, width=24, depth=9, heads=3)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def parameters(net, learnt=False):
    return sum(p.numel() for p in net.parameters() if p.requires_grad or not learnt)


def gmacs(net, side, left_out=()):
    """Multiplications of all layers and of attention, counted on shapes alone."""
    apart = set(left_out.modules()) if left_out else set()
    total = 0

    def count(module, given, out):
        nonlocal total
        if isinstance(module, torch.nn.Linear):
            total += given[0].shape[:-1].numel() * module.in_features * module.out_features
        elif isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d):
            each = module.weight[0].numel()
            total += out.numel() * each
        elif type(module).__name__ == "Attention":
            n, tokens, width = given[0].shape
            total += 2 * n * tokens**2 * width

    hooks = [m.register_forward_hook(count) for m in net.modules() if m not in apart]
    with torch.device("meta"):
        net(torch.empty(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return total / 1e9


# -- ILA ----------------------------------------------------------------------------------------


def test_adapters_have_as_many_parameters_as_published():
    assert parameters(InterLayerAdapter(768, 14)) == 20_248
    assert parameters(InterLayerAdapter(768, 14, down=False)) == 13_336
    assert parameters(Bottleneck(768)) == 13_064


@pytest.mark.parametrize(("kind", "learnt"), [("ila", 40), ("ila+", 174), ("ila++", 354)])
def test_what_learns_is_as_large_as_published(kind, learnt):
    with torch.device("meta"):
        net = AdaptedTransformer(Shape(), kind)
    assert round((parameters(net, learnt=True) - 768) / 1000) == learnt, "in thousands"
    assert parameters(net) > 85e6


def test_tokens_go_from_196_to_144_to_100():
    with torch.device("meta"):
        found = AdaptedTransformer(Shape()).tokens(torch.empty(1, 3, 224, 224))
        large = AdaptedTransformer(Shape(side=448)).tokens(torch.empty(1, 3, 448, 448))
    assert [tokens.shape[1] - 1 for tokens in found] == [196] * 3 + [144] * 4 + [100] * 5
    assert [large[i].shape[1] - 1 for i in (2, 3, 7)] == [28**2, 26**2, 24**2]


@pytest.mark.parametrize(
    ("side", "plain", "adapted", "saved"), [(224, 17.56, 13.09, 0.255), (448, 78.49, 66.84, 0.149)]
)
def test_cost_is_as_published(side, plain, adapted, saved):
    """The adapters themselves add 0.005 and 0.026 to that."""
    with torch.device("meta"):
        whole, ours = VisionTransformer(Shape(side=side)), AdaptedTransformer(Shape(side=side))
    cost, less = gmacs(whole, side), gmacs(ours, side, left_out=ours.adapters)
    assert (round(cost, 2), round(less, 2)) == (plain, adapted)
    assert 1 - less / cost == pytest.approx(saved, abs=0.0005)
    assert 0 < gmacs(ours, side) - less < 0.03


def test_the_residual_starts_as_the_sum_of_nine_neighbours():
    adapter = InterLayerAdapter(6, 4).eval()
    with torch.no_grad():
        adapter.adapter_up.weight.zero_()
        adapter.adapter_up.bias.zero_()
    tokens = torch.arange(17.0)[None, :, None].expand(1, 17, 6)
    out = adapter(tokens)
    grid = torch.arange(1.0, 17).reshape(4, 4)
    sums = [float(grid[y : y + 3, x : x + 3].sum()) for y in (0, 1) for x in (0, 1)]
    assert out.shape == (1, 5, 6)
    assert torch.equal(out[0, 0], tokens[0, 0]), "the class token passes"
    assert out[0, 1:, 0].tolist() == pytest.approx(sums, rel=0.01)


def test_only_adapters_and_the_class_token_learn():
    net = AdaptedTransformer(SMALL, "ila++")
    net(torch.rand(2, 3, 112, 112)).sum().backward()
    learnt = {name for name, p in net.named_parameters() if p.grad is not None}
    assert {"vit.class_token", "adapters.3.ds_conv.weight"} <= learnt
    assert all("adapter" in name or name == "vit.class_token" for name in learnt)
    assert any("adapter_attn" in name for name in learnt)


# -- GLSim --------------------------------------------------------------------------------------


def likeness(*cells, grid=14):
    found = torch.zeros(1, grid * grid)
    for rank, (row, column) in enumerate(cells):
        found[0, row * grid + column] = 10 - rank
    return found


@pytest.mark.parametrize(
    ("cells", "box"),
    [
        (((2, 3), (5, 9)), (32, 48, 80, 144)),  # the row and column of the last cell are cut off
        (((4, 4), (4, 4 + 1)), (64, 64, 80, 80)),  # one row: kept whole; two columns: the first
        (((7, 7),), (112, 112, 128, 128)),  # one cell
        (((0, 0), (13, 13)), (0, 0, 208, 208)),
        (((13, 13),), (208, 208, 224, 224)),
    ],
)
def test_the_box_and_its_cut_off_end(cells, box):
    assert tuple(boxes(likeness(*cells), 14, 16, len(cells))[0].tolist()) == box


def test_eight_patches_span_the_box():
    chosen = [(3, 4), (6, 2), (9, 5), (4, 11), (5, 5), (6, 6), (7, 7), (8, 8)]
    scores = likeness(*chosen)
    scores[0, 13 * 14 + 13] = 1.5  # the ninth
    assert boxes(scores, 14, 16)[0].tolist() == [48, 32, 144, 176]


def test_similarity_is_the_cosine_with_the_class_token():
    tokens = torch.tensor([[[3.0, 4.0], [6.0, 8.0], [-4.0, 3.0], [-3.0, -4.0]]])
    assert similarity(tokens)[0].tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-6)


@pytest.mark.parametrize("box", [(0, 0, 16, 16), (32, 48, 80, 144), (208, 0, 224, 224)])
def test_sampling_is_a_crop_and_its_enlargement(box):
    images = torch.rand(2, 3, 224, 224)
    y0, x0, y1, x1 = box
    wanted = torch.nn.functional.interpolate(
        images[:, :, y0:y1, x0:x1], (224, 224), mode="bilinear", align_corners=True
    )
    found = enlarged(images, torch.tensor([box, box]))
    assert float((found - wanted).abs().max()) < 1e-5 * 10
    assert float((found - wanted).abs().mean()) < 1e-5


def test_one_more_block_has_7_09_million_parameters():
    with torch.device("meta"):
        assert round(parameters(Block(Shape())) / 1e6, 2) == 7.09


def test_both_looks_are_one_graph_without_pytorch(tmp_path):
    net = GlobalLocal(SMALL).eval()
    with torch.no_grad():
        torch.nn.init.normal_(net.vit.class_token)
    images = torch.rand(2, 3, 112, 112)
    path = tmp_path / "glsim.onnx"
    torch.onnx.export(
        net, (torch.rand(3, 3, 112, 112),), str(path), input_names=["x"], output_names=["y"],
        opset_version=17, dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False,
    )  # fmt: skip
    import onnx

    kinds = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert {"TopK", "GridSample"} <= kinds
    with torch.no_grad():
        wanted = net(images).numpy()
        whole, where = net.first(images)
        crops = torch.cat(
            [
                torch.nn.functional.interpolate(
                    one[None, :, y0:y1, x0:x1], (112, 112), mode="bilinear", align_corners=True
                )
                for one, (y0, x0, y1, x1) in zip(images, where.tolist(), strict=True)
            ]
        )
        apart = net.second(whole, net.vit(crops)[:, 0]).numpy()
    with open_model(path, EngineOptions(threads=1)) as engine:
        found = engine.infer({"x": images.numpy()})["y"]
    assert np.abs(found - wanted).max() < 1e-4
    assert np.abs(apart - wanted).max() < 1e-4, "two steps, cropped outside, give the same"


# -- IFA ----------------------------------------------------------------------------------------


def test_aggregation_by_hand():
    head = Aggregated(2, 3)
    with torch.no_grad():
        head.mix.weight.copy_(torch.tensor([[1.0, 2.0, -1.0]]))
        head.mix.bias.fill_(0.5)
    tokens = torch.tensor([[[1.0, 1.0, 1.0], [0.0, 1.0, 4.0]]])  # channels x blocks
    mixed = torch.tensor([[2.5, 0.0]])  # 1 + 2 - 1 + 0.5; max(0 + 2 - 4 + 0.5, 0)
    wanted = torch.nn.functional.layer_norm(mixed, (2,), eps=1e-12)
    assert torch.allclose(head(tokens), wanted)


def test_every_block_is_heard():
    net = AggregatedTransformer(SMALL)
    net(torch.rand(1, 3, 112, 112)).square().sum().backward()
    assert net.aggregated.mix.weight.shape == (1, 9)
    assert (net.vit.blocks[0].mlp.fc1.weight.grad != 0).any()


# -- The transformer ----------------------------------------------------------------------------


def test_published_files_are_read_name_by_name(tmp_path):
    shape = Shape(side=32, patch=16, width=8, depth=2, heads=2)
    state = google(shape)
    np.savez(tmp_path / "vit.npz", **state)
    net = VisionTransformer(shape)
    read = read_npz(tmp_path / "vit.npz")
    assert shape_of(read, 32) == shape
    net.load(read)
    x = torch.rand(2, 5, 8)
    heard = "Transformer/encoderblock_1/MultiHeadDotProductAttention_1"
    parts = ("query", "key", "value", "out")
    kernel = {part: torch.from_numpy(state[f"{heard}/{part}/kernel"]) for part in parts}
    bias = {part: torch.from_numpy(state[f"{heard}/{part}/bias"]) for part in kernel}
    q, k, v = (
        torch.einsum("ntd,dhe->nhte", x, kernel[p]) + bias[p][None, :, None]
        for p in ("query", "key", "value")
    )
    weights = torch.softmax(q @ k.transpose(2, 3) / 2.0, dim=3)
    wanted = torch.einsum("nhte,hed->ntd", weights @ v, kernel["out"]) + bias["out"]
    assert torch.allclose(net.blocks[1].attn(x), wanted, atol=1e-5)
    del state["cls"]
    np.savez(tmp_path / "vit.npz", **state)
    with pytest.raises(KeyError, match="cls"):
        net.load(read_npz(tmp_path / "vit.npz"))


@pytest.mark.parametrize("name", ["vit.npz", "vit.safetensors", "vit.bin", "deit.pth"])
@pytest.mark.parametrize(("width", "heads"), [(384, 6), (768, 12)])
def test_small_and_base_are_read_from_every_kind_of_file(tmp_path, name, width, heads):
    """ViT-S/16 and ViT-B/16, one block of each."""
    shape = Shape(side=32, patch=16, width=width, depth=1, heads=heads)
    state = google(shape)
    net = VisionTransformer(shape).eval()
    net.load({key: torch.from_numpy(value) for key, value in state.items()})
    ours = {"class_token": "cls_token", "positions": "pos_embed"}
    named = {ours.get(key, key.replace("patches.", "patch_embed.proj.")): tensor.clone()
             for key, tensor in net.state_dict().items()}  # fmt: skip
    named |= {"head.weight": torch.zeros(3, width), "head.bias": torch.zeros(3)}
    path = tmp_path / name
    if path.suffix == ".npz":
        np.savez(path, **state)
    elif path.suffix == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(named, path)
    else:
        torch.save({"model": named}, path)
    found = transformer("glsim", path, 32)
    assert found.vit.shape == shape
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(found.vit.eval()(images), net(images))
    if path.suffix == ".safetensors":
        del named["norm.weight"]
        pytest.importorskip("safetensors.torch").save_file(named, path)
        with pytest.raises(TeachError, match=r"norm\.weight"):
            transformer("glsim", path, 32)


def test_factors_of_layers_are_multiplied_into_them():
    shape = Shape(side=32, patch=16, width=64, depth=2, heads=1)
    plain = VisionTransformer(shape).eval()
    own = plain.state_dict()
    factors = {f"blocks.{i}.ls{j}.gamma": torch.rand(64) for i in range(2) for j in (1, 2)}
    named = {**own, **factors, "cls_token": own["class_token"], "pos_embed": own["positions"],
             "patch_embed.proj.weight": own["patches.weight"],
             "patch_embed.proj.bias": own["patches.bias"]}  # fmt: skip
    for name in ("class_token", "positions", "patches.weight", "patches.bias"):
        del named[name]
    x = torch.rand(2, 5, 64)
    wanted = x
    for i, block in enumerate(plain.blocks):
        for part, norm, factor in (("attn", "norm1", "ls1"), ("mlp", "norm2", "ls2")):
            heard = getattr(block, part)(getattr(block, norm)(wanted))
            wanted = wanted + factors[f"blocks.{i}.{factor}.gamma"] * heard
    scaled = VisionTransformer(shape).eval()
    scaled.load_state_dict(from_timm(named, shape))
    found = x
    for block in scaled.blocks:
        found = block(found)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_timm_is_asked_for_by_name_and_told_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(TeachError, match="timm:vit_small_patch16_224: timm is missing: pip"):
        transformer("ila", Path("timm:vit_small_patch16_224"), 224)


def test_positions_of_another_grid_are_interpolated():
    positions = torch.rand(1, 1 + 9, 4)
    assert resized(positions, 3) is positions
    larger = resized(positions, 6)
    assert larger.shape == (1, 37, 4)
    assert torch.equal(larger[:, 0], positions[:, 0])
    assert float(larger[:, 1:].mean()) == pytest.approx(float(positions[:, 1:].mean()), abs=0.02)


# -- As recipes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["ila++", "glsim", "ifa"])
def test_a_transformer_is_taught_and_runs_without_pytorch(tmp_path, recipe):
    shape = Shape(side=64, patch=8, width=24, depth=9, heads=3)
    np.savez(tmp_path / "vit.npz", **google(shape))
    rng = np.random.default_rng(0)
    pictures = [
        Picture(rng.integers(0, 255, (40, 40, 3), np.uint8), "ab"[i % 2], f"{i}") for i in range(8)
    ]
    room = Room(tmp_path, "cpu", 64, 0, Unwatched(), tmp_path / "vit.npz")
    course = NetworkCourse(recipe, make_lesson(pictures), room, Recipe(batch=4))
    course.recipe = replace(course.recipe, steps=2)
    net = course.learn(np.arange(8), "final")
    write_model(net, 1.0, 64, tmp_path / "model.onnx")
    assert parity(net, 1.0, tmp_path / "model.onnx", [p.rgb for p in pictures], 64) < 1e-4


@pytest.mark.parametrize("recipe", ["ila++", "glsim"])
def test_a_training_begins_as_a_linear_classifier_on_what_is_known(tmp_path, recipe):
    np.savez(tmp_path / "vit.npz", **google(Shape(side=64, patch=8, width=24, depth=8, heads=3)))
    rng = np.random.default_rng(0)
    pictures = [
        Picture(rng.integers(0, 255, (40, 40, 3), np.uint8), "ab"[i % 2], f"{i}") for i in range(6)
    ]
    lesson = make_lesson(pictures)
    room = Room(tmp_path, "cpu", 64, 0, Unwatched(), tmp_path / "vit.npz")
    course = NetworkCourse(recipe, lesson, room, Recipe(batch=4, lr=0.0))
    course.recipe = replace(course.recipe, steps=1)
    net = course.learn(np.arange(6), "final")
    wanted = torch.nn.Linear(24, 2)
    seen = look(net, [one.rgb for one in pictures], 64)[1]
    linear.begin(wanted, seen, lesson.classes, lesson.together, 0)
    assert torch.allclose(net.fc.weight, wanted.weight, rtol=1e-3)
    assert torch.allclose(net.fc.bias, wanted.bias, rtol=1e-3)


def test_a_transformer_needs_a_file_of_one(tmp_path):
    with pytest.raises(TeachError, match=r"give --weights ViT-B_16.npz"):
        transformer("ila", None, 64)
    np.savez(tmp_path / "vit.npz", **google(Shape(side=64, patch=16, width=24, depth=1, heads=3)))
    with pytest.raises(TeachError, match="--side 64: too small for 'ila', which needs 80"):
        transformer("ila", tmp_path / "vit.npz", 64)
    path = tmp_path / "other.npz"
    for content in (b"", b"nothing"):
        path.write_bytes(content)
        with pytest.raises(TeachError, match="no transformer"):
            transformer("glsim", path, 64)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(TeachError, match="no transformer"):
        transformer("ifa", path, 64)
    np.savez(path, a=np.array([object()]))
    with pytest.raises(TeachError, match="no transformer"):
        transformer("ifa", path, 64)


# -- Checkpoints of the authors -----------------------------------------------------------------


def theirs(net, inside=False):
    """The weights of a network under its authors' names, as the dossier of their repositories
    lists them."""
    own = net.state_dict()
    found = {}
    for name, tensor in own.items():
        name = name.replace("block.", "") if inside else name
        for ours, other in (
            ("vit.class_token", "class_token"),
            ("vit.positions", "positional_embedding.pos_embedding"),
            ("vit.patches.", "patch_embedding."),
            ("vit.norm.", "encoder_norm."),
            ("vit.blocks.", "encoder.blocks."),
            ("aggregator_norm.", "aggregator_norm."),
            ("aggregator.", "aggregator.blocks.0."),
            ("adapters.3.", "encoder.ila_ds.0."),
            ("adapters.7.", "encoder.ila_ds.1."),
            ("depthwise", "adapter_conv.0"),
            ("pointwise", "adapter_conv.2"),
            (".attn.proj.", ".proj."),
            (".mlp.", ".pwff."),
        ):
            name = name.replace(ours, other, 1) if ours in name else name
        if "ila_ds" in name:
            norms = (("norm1", "norm1.1"), ("norm2", "adapter_conv.1.0"), ("norm3", "norm3.1"))
            for ours, other in norms:
                name = name.replace(ours, other, 1)
        if ".qkv." in name:
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                found["model." + name.replace("qkv", f"proj_{part}")] = piece.clone()
        else:
            found["model." + name] = tensor.clone()
    return found


@pytest.mark.parametrize("recipe", ["ila", "ila++", "glsim"])
def test_checkpoints_are_read_name_by_name_and_nothing_in_them_is_run(tmp_path, recipe):
    shape = Shape(side=64, patch=8, width=24, depth=9, heads=12)
    net = GlobalLocal(shape) if recipe == "glsim" else AdaptedTransformer(shape, recipe)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.dtype.is_floating_point:
                tensor.uniform_(0.1, 0.4)
    state = theirs(net, inside=recipe == "ila++") | {"model.head.head.weight": torch.zeros(3, 24)}
    config = argparse.Namespace(model_name="vit", num_classes=3)
    path = tmp_path / "official.pth"
    torch.save({"config": config, "epoch": 4, "model": state, "optimizer": {}}, path)
    found = transformer(recipe, path, 64).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(found(images), net.eval()(images), atol=1e-5)
    del state["model.class_token"]
    torch.save({"config": config, "model": state}, path)
    with pytest.raises(TeachError, match="class_token"):
        transformer(recipe, path, 64)
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    torch.save({"config": Evil(), "model": state}, path)
    with pytest.raises(TeachError, match="unsafe"):
        transformer(recipe, path, 64)
    assert not ran.exists()
    torch.save({"model": 3}, path)
    with pytest.raises(TeachError, match="no 'model'"):
        transformer(recipe, path, 64)
