"""Studies of teaching from few pictures: what they share, and what they count. Needs train."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training import brand_study, cost_packs, fashion_mnist, low_data  # noqa: E402
from training.focus_weights import named  # noqa: E402

from engines.teach.losses import ALPHA, self_distillation  # noqa: E402
from engines.teach.onnx_file import write_onnx  # noqa: E402
from engines.teach.trainer import Recipe, Trainer, look  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def test_what_is_frozen_may_run_on_an_engine():
    """Features, and what is learnt, are those of the network in one piece."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (50, 40, 3), np.uint8) for _ in range(4)]
    whole, parted = low_data.fresh(2, 0), low_data.fresh(2, 0)
    parted.features = low_data.Rest(parted.features.backbone)
    wanted, found = look(whole, pictures, 64), low_data.asked(parted, pictures, 64)
    assert np.abs(wanted[1]).max() > 0.5
    for one, other in zip(wanted, found, strict=True):
        assert np.abs(one - other).max() < 1e-3
    recipe = Recipe(steps=3, batch=4, side=64, method="adnet")
    losses = [
        list(kind(pictures, np.array([0, 1, 0, 1]), net, recipe).epoch())
        for kind, net in ((Trainer, whole), (low_data.FrontedTrainer, parted))
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


@pytest.fixture
def fashion(tmp_path):
    """Ten classes of grey squares, as Fashion-MNIST's files have them."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 1060), ("t10k", 20)):
        classes = (np.arange(count) % 10).astype(np.uint8)
        pixels = np.clip(classes[:, None, None] * 25 + rng.normal(0, 3, (count, 28, 28)), 0, 255)
        for kind, head, content in (("images-idx3", 16, pixels), ("labels-idx1", 8, classes)):
            packed = gzip.compress(bytes(head) + content.astype(np.uint8).tobytes())
            (tmp_path / f"{name}-{kind}-ubyte.gz").write_bytes(packed)
    return tmp_path


def test_fashion_is_learnt_by_every_arm_from_the_same_draw(fashion):
    pictures, classes = fashion_mnist.read(fashion, "train")
    assert pictures.shape == (1060, 28, 28, 3)
    assert abs(float(pictures[7].mean()) - 175) < 3
    rows = fashion_mnist.draw(classes[: -fashion_mnist.HELD_OUT], 3, 0)
    assert sorted(classes[rows].tolist()) == sorted([*range(10)] * 3)
    assert rows.max() < 60, "what the rate is chosen by is not learnt from"
    study = fashion_mnist.Study(fashion, steps=2, batch=4, tested=10)
    for arm in fashion_mnist.ARMS:
        assert study.learn(arm, 2, 0, 1e-3).shape == (10,)
        assert len(fashion_mnist.ARMS[arm].method.views) == (
            {"plain": 1, "faster classifier": 1, "one crop": 2}.get(arm, 3)
        )


def test_one_crop_is_pulled_towards_the_standard_view():
    class Net(torch.nn.Module):
        def forward(self, x):
            features = x.flatten(1)[:, :3]
            return features[:, :2], features

    views = [torch.rand(2, 3, 2, 2), torch.rand(2, 3, 2, 2)]
    classes = torch.tensor([0, 1])
    net = Net()
    wanted = torch.nn.functional.cross_entropy(net(views[0])[0], classes)
    wanted = wanted + ALPHA * self_distillation(net(views[0])[1], net(views[1])[1])
    found = fashion_mnist.ARMS["one crop"].method.loss(net, views, classes, Recipe())
    assert float(found) == pytest.approx(float(wanted))


def test_brands_have_from_forty_pictures_to_one():
    counts = brand_study.counts()
    assert len(counts) == 3000
    assert (counts[0], counts[60], counts[-1]) == (40, 20, 1)
    assert (np.diff(counts) <= 0).all()


@pytest.mark.parametrize(("arm", "heard"), [("last token", [2]), ("ifa", [0, 1])])
def test_a_head_hears_its_blocks_and_no_others(arm, heard):
    torch.manual_seed(0)
    head = brand_study.Head(8, 2, brand_study.ARMS[arm].every_block)
    if head.aggregated is not None:
        torch.nn.init.constant_(head.aggregated.mix.weight, 0.5)
    tokens = torch.rand(1, 8, 3, requires_grad=True)
    assert head(tokens).shape == (1, brand_study.KINDS)
    head(tokens)[0, 5].backward()
    told = tokens.grad.abs().sum(dim=(0, 1))
    assert torch.nonzero(told).flatten().tolist() == heard


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("backbone.encoder.layer.3.layer_scale1.lambda1", "blocks.3.ls1.gamma"),
        ("backbone.encoder.layer.3.attention.output.dense.bias", "blocks.3.attn.proj.bias"),
        ("backbone.embeddings.cls_token", "cls_token"),
        ("backbone.layernorm.weight", "norm.weight"),
        ("decoder.bn1.weight", None),
    ],
)
def test_names_of_a_transformer_within_another_model(theirs, ours):
    assert named(theirs) == ours


def test_multiplications_are_those_of_convolutions_and_products(tmp_path):
    class Net(torch.nn.Module):
        """3 -> 4 channels by 3 x 3 at 8 x 6 places, then 4 -> 5, then a product with itself."""

        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.fc = torch.nn.Linear(4, 5)

        def forward(self, images):
            x = self.fc(self.conv(images.permute(0, 3, 1, 2).float()).flatten(2).transpose(1, 2))
            return x @ x.transpose(1, 2)

    path = tmp_path / "net.onnx"
    write_onnx(Net(), {"images": torch.zeros(1, 8, 6, 3, dtype=torch.uint8)}, ("y",), path)
    wanted = 48 * 4 * 27 + 48 * 4 * 5 + 48 * 48 * 5
    assert cost_packs.gmacs(path, (1, 8, 6, 3)) == pytest.approx(wanted / 1e9)
