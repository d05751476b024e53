"""Teaching: losses by hand, training, export, packs. Needs the train extra."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training.low_data import Result, summary  # noqa: E402

from engines import Packs, open_engine  # noqa: E402
from engines.nets.taught import Lite0Features, Taught  # noqa: E402
from engines.packs import Pack, PackError, Tensor, find, read_pack  # noqa: E402
from engines.packs.tagger import TaggerTable  # noqa: E402
from engines.packs.taught import TaughtLabels, taught  # noqa: E402
from engines.teach import checkpoint, linear  # noqa: E402
from engines.teach.export import About, fill, write_pack  # noqa: E402
from engines.teach.lesson import Picture, TeachError, make_lesson  # noqa: E402
from engines.teach.losses import adnet_loss, self_distillation  # noqa: E402
from engines.teach.making import make_pack  # noqa: E402
from engines.teach.onnx_file import parity, write_model  # noqa: E402
from engines.teach.teaching import HeldOut, Wish, choose, teach  # noqa: E402
from engines.teach.trainer import METHODS, PARTS, Recipe, Trainer, look  # noqa: E402
from engines.teach.views import fitted, square  # noqa: E402
from engines.teach.watch import Unwatched  # noqa: E402

pytestmark = [pytest.mark.train]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def painted(count=6, seed=0):
    """Pictures of two classes anybody could tell: warm stripes across, cold stripes down."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(2 * count):
        kind = i % 2
        wave = np.sin(np.arange(48) / rng.uniform(1.5, 4) + rng.uniform(0, 6))
        stripes = np.tile(wave, (48, 1)) if kind else np.tile(wave[:, None], (1, 48))
        colour = np.array([[200, 90, 60], [60, 90, 200]][kind])
        rgb = 127 + stripes[..., None] * 40 + (colour - 127) / 2 + rng.normal(0, 12, (48, 48, 3))
        found.append(Picture(rgb.clip(0, 255).astype(np.uint8), "ab"[kind], f"{i}.png"))
    return make_lesson(found)


# -- AD-Net's loss ------------------------------------------------------------------------------


def test_the_distillation_by_hand():
    """softmax(0, ln 3) = (1/4, 3/4) against softmax(0, 0) = (1/2, 1/2)."""
    weak = torch.tensor([[0.0, np.log(3.0)], [1.0, 1.0]])
    strong = torch.tensor([[0.0, 0.0], [5.0, 5.0]])
    first = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5)
    assert float(self_distillation(weak, strong)) == pytest.approx((first + 0.0) / 2, abs=1e-6)
    assert float(self_distillation(strong[:1], weak[:1])) == pytest.approx(
        0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75), abs=1e-6
    ), "it is not symmetric: the weak crop is the target"


def test_gradients_go_into_both_crops_and_are_those_of_the_formula():
    """d/dstrong = (q - p) / n; d/dweak = p (log p - log q - KL) / n, with p of the weak crop."""
    rng = torch.Generator().manual_seed(0)
    weak = torch.randn(3, 5, generator=rng, dtype=torch.double, requires_grad=True)
    strong = torch.randn(3, 5, generator=rng, dtype=torch.double, requires_grad=True)
    self_distillation(weak, strong).backward()
    p, q = weak.detach().softmax(1), strong.detach().softmax(1)
    each = (p * (p / q).log()).sum(1, keepdim=True)
    assert torch.allclose(strong.grad, (q - p) / 3)
    assert torch.allclose(weak.grad, p * ((p / q).log() - each) / 3)
    assert torch.autograd.gradcheck(self_distillation, (weak, strong))


def test_the_whole_loss_and_what_is_not_finite():
    logits, classes = torch.tensor([[0.0, np.log(4.0)]]), torch.tensor([0])
    weak, strong = torch.tensor([[0.0, np.log(3.0)]]), torch.zeros(1, 2)
    kl = float(self_distillation(weak, strong))
    assert float(adnet_loss(logits, classes, weak, strong)) == pytest.approx(np.log(5) + 0.1 * kl)
    assert float(adnet_loss(logits, classes, weak, strong, 0.0)) == pytest.approx(np.log(5))
    endless = torch.tensor([[float("inf"), 0.0]])
    assert float(adnet_loss(logits, classes, endless, strong)) == pytest.approx(np.log(5))


def test_adnet_is_three_passes_of_one_network_and_the_control_is_as_many():
    lesson = painted()
    passes = {}
    for name in METHODS:
        net = Taught(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()), 12, 2)
        seen = []
        net.register_forward_hook(lambda module, given, out, seen=seen: seen.append(given[0].shape))
        recipe = Recipe(name, steps=2, batch=4, side=32)
        trainer = Trainer([p.rgb for p in lesson.pictures], lesson.classes, net, recipe)
        losses = list(trainer.epoch())
        assert np.isfinite(losses).all()
        passes[name] = len(seen)
        assert set(seen) == {(4, 3, 32, 32)}
    assert passes == {"finetune": 2, "adnet": 6, "control": 6}


def test_the_rate_of_the_classifier_is_a_switch_of_its_own():
    net = Taught(torch.nn.Linear(3, 3), 3, 2)
    trainer = Trainer([], np.zeros(0, np.int64), net, Recipe("adnet", lr=0.02, head_rate=10.0))
    assert [group["initial_lr"] for group in trainer.optimizer.param_groups] == [0.2, 0.02]
    assert trainer.optimizer.param_groups[0]["params"] == list(net.fc.parameters())


def test_what_is_new_beside_a_transformer_learns_at_a_rate_of_its_own():
    features = torch.nn.ModuleDict({"vit": torch.nn.Linear(3, 3), "joined": torch.nn.Linear(3, 3)})
    recipe = Recipe(lr=0.02, head_rate=3.0, new_rate=30.0)
    trainer = Trainer([], np.zeros(0, np.int64), Taught(features, 3, 2), recipe)
    groups = trainer.optimizer.param_groups
    assert [group["initial_lr"] for group in groups] == pytest.approx([0.06, 0.6, 0.02])
    assert groups[1]["params"] == list(features["joined"].parameters())


# -- Training -----------------------------------------------------------------------------------


def small(seed=0):
    torch.manual_seed(seed)
    layers = (
        torch.nn.Conv2d(3, 8, 5, 4),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.2),
    )
    return Taught(torch.nn.Sequential(*layers), 8, 2)


def trainer(lesson, steps=60):
    recipe = Recipe("adnet", steps=steps, batch=4, side=32)
    return Trainer([p.rgb for p in lesson.pictures], lesson.classes, small(), recipe)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path):
    lesson = painted()
    whole = trainer(lesson).run(None, Unwatched())

    class Impatient(Unwatched):
        steps = 0

        def step(self, count=1):
            self.steps += count
            if self.steps == 33:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(lesson).run(tmp_path / "one.pt", Impatient())
    again = trainer(lesson)
    begun = []
    watch = Unwatched()
    watch.begin = lambda what, total, done: begun.append((total, done))
    resumed = again.run(tmp_path / "one.pt", watch)
    assert begun == [(60, 20)], "all but the current epoch was kept"
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind"])
def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_gone_on_from(tmp_path, content):
    lesson, path = painted(), tmp_path / "one.pt"
    if content is None:
        trainer(lesson, 40).run(path, Unwatched())
    else:
        path.write_bytes(content)
    told = []
    watch = Unwatched()
    watch.tell = told.append
    found = trainer(lesson, 20).run(path, watch).state_dict()
    wanted = trainer(lesson, 20).run(None, Unwatched()).state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert told == ["one.pt: of another training, or damaged; beginning anew"]


def test_the_linear_classifier_is_at_the_minimum_of_its_loss():
    rng = np.random.default_rng(0)
    features = rng.normal(2, 3, (30, 5)).astype(np.float32)
    classes = np.concatenate([rng.integers(0, 3, 27), [0, 1, 2]])
    found = linear.fit(features, classes, 3, 0.5)
    x = torch.from_numpy(features).double()
    spread = x.std(0, correction=0) + 1e-3
    weight = torch.from_numpy(found.weight).double() * spread * 5**0.5
    bias = torch.from_numpy(found.bias).double() + torch.from_numpy(found.weight).double() @ x.mean(
        0
    )
    weight.requires_grad_()
    sizes = np.bincount(classes)
    balance = torch.from_numpy(30 / 3 / sizes[classes])
    logits = ((x - x.mean(0)) / spread / 5**0.5) @ weight.T + bias
    each = torch.nn.functional.cross_entropy(logits, torch.from_numpy(classes), reduction="none")
    ((each * balance).mean() + 0.5 * 0.5 / 5 * (weight**2).sum()).backward()
    assert float(weight.grad.abs().max()) < 1e-4


def test_a_class_without_a_picture_in_a_fold_does_no_harm():
    features = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    found = linear.fit(features, np.array([0, 0, 0, 2, 2, 2]), 3, 1.0)
    assert np.isfinite(found(features)).all()
    assert (found(features).argmax(1) != 1).all()


# -- Choosing -----------------------------------------------------------------------------------


def test_a_dearer_recipe_has_to_be_clearly_better():
    classes = np.zeros(100, np.int64)
    rows = np.arange(100)

    def right(count):
        logits = np.zeros((100, 2), np.float32)
        logits[:count, 0] = logits[count:, 1] = 1.0
        return HeldOut(rows, logits, "")

    assert choose({"linear": right(80), "adnet": right(90)}, classes)[0] == "adnet"
    assert choose({"linear": right(80), "adnet": right(80)}, classes)[0] == "linear"
    best, why = choose({"linear": right(80), "finetune": right(81)}, classes)
    assert best == "linear"
    assert "not clear enough" in why
    assert "finetune is right 1.0% more often than linear" in why
    assert "less often" in choose({"linear": right(80), "finetune": right(70)}, classes)[1]


def test_what_was_learnt_is_told_on_pictures_that_were_held_out(tmp_path):
    lesson = painted()
    _, found = teach(lesson, Wish("linear", side=64), tmp_path, Unwatched())
    assert sorted(found.held.rows.tolist()) == list(range(12))
    assert found.figures.accuracy > 0.8
    assert (tmp_path / "features-0000.npy").exists()
    _, changed = teach(painted(seed=1), Wish("linear", side=64), tmp_path, Unwatched())
    assert not np.array_equal(found.held.logits, changed.held.logits), "other pictures, other cache"


def test_a_budget_that_is_too_short_names_one_that_is_not(tmp_path):
    told = []
    watch = Unwatched()
    watch.tell = told.append
    _, found = teach(painted(), Wish("auto", seconds=0.01, side=64), tmp_path, watch)
    assert found.recipe == "linear"
    left_out = [line for line in told if "left out: recipe 'adnet'" in line]
    assert left_out[0].endswith("; a longer --budget tries it, too")
    with pytest.raises(TeachError, match=r"--budget \d+m or more, or take --recipe linear"):
        teach(painted(), Wish("finetune", seconds=0.01, side=64), tmp_path, Unwatched())
    with pytest.raises(TeachError, match="--recipe magic: unknown; choose one of auto, linear"):
        teach(painted(), Wish("magic"), tmp_path, Unwatched())


# -- The pack -----------------------------------------------------------------------------------


def test_a_pack_is_what_was_learnt_whatever_its_labels_are(tmp_path):
    evil = "<script>$x^ {} | </script>"
    label = {"a": evil, "b": "ü 衣"}
    lesson = make_lesson(Picture(p.rgb, label[p.label], p.origin) for p in painted().pictures)
    work = tmp_path / "work"
    work.mkdir()
    folder = tmp_path / "packs" / "stripes"
    outcome = make_pack(lesson, Wish("linear", side=64), folder, work, Unwatched())
    pack = read_pack(folder)
    assert pack.size == (64, 64)
    assert pack.tagger == TaggerTable(
        "classifier", report="stripes", every_s=1.0, least=0.5, activation="none"
    )
    images = np.stack([square(one.rgb, 64) for one in lesson.pictures])
    with open_engine(pack) as engine:
        scores = engine.infer({"images": images})["scores"]
    assert scores.sum(1) == pytest.approx(1.0, abs=1e-5)
    assert (scores.argmax(1) == lesson.classes).mean() > 0.9
    assert outcome.figures.count == len(images)
    rows = json.loads((folder / "labels.json").read_text())
    assert [row["label"] for row in rows] == [evil, "ü 衣"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert all(word in card for word in ("Licence", "Data", "Figures", "held out"))
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png") == 2
    assert 'src="http' not in page
    assert "<script>" not in page
    assert (folder / "report.html").stat().st_mode & 0o077 == 0, "it shows pictures"
    assert "ü 衣" in page


def test_the_file_and_the_network_agree(tmp_path):
    net = Taught(Lite0Features(), 1280, 3).eval()
    with torch.no_grad():
        net.fc.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    path = tmp_path / "model.onnx"
    write_model(net, 1.7, 64, path)
    pictures = [one.rgb for one in painted(2).pictures]
    assert parity(net, 1.7, path, pictures, 64) < 1e-4
    with pytest.raises(TeachError, match="scores differ by"):
        parity(net, 0.2, path, pictures, 64)


def test_a_pack_that_could_not_be_finished_is_never_there(tmp_path, monkeypatch):
    net = Taught(Lite0Features(), 1280, 2)
    model = tmp_path / "model.onnx"
    write_model(net, 1.0, 64, model)
    folder = tmp_path / "packs" / "mine"

    def written(source, *labels):
        write_pack(
            folder, lambda made: fill(made, About("mine", source, "MIT", {}, {}), labels, 64, model)
        )

    written("first", "a", "b")
    full = OSError(28, "No space left on device")

    def fail(handle):
        raise full

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(TeachError, match=r"No space left on device; free space"):
        written("second", "a", "b")
    assert read_pack(folder).source == "first", "what was there stays"
    found = Packs.read(folder.parent)
    assert list(found.by_name) == ["mine"]
    assert not found.broken
    monkeypatch.undo()
    written("third", "a", "Other")
    changed = read_pack(folder)
    assert changed.source == "third"
    assert changed.tagger.ignore == ("Other",), "learnt, so that there is something else"
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_looks_are_the_same_in_any_batch():
    net = small().eval()
    pictures = [one.rgb for one in painted(12).pictures]
    every, _ = look(net, pictures, 32)
    alone = np.concatenate([look(net, [rgb], 32)[0] for rgb in pictures])
    assert np.abs(every - alone).max() < 1e-5


def test_a_full_disk_is_told_and_what_was_learnt_is_kept(tmp_path, monkeypatch):
    lesson, work = painted(), tmp_path / "work"
    work.mkdir()
    wish = Wish("linear", side=64)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("engines.teach.making.write_model", fail)
        with pytest.raises(TeachError, match=r"work: cannot be written: No space left on device"):
            make_pack(lesson, wish, tmp_path / "mine", work, Unwatched())
    assert (work / "features-0000.npy").exists()
    assert not (tmp_path / "mine").exists()


def test_a_checkpoint_that_could_not_be_written_leaves_the_last_one(tmp_path):
    """Files of this process may grow no larger, as on a full disk."""
    import resource

    path = tmp_path / "one.pt"
    trainer(painted(), 20).run(path, Unwatched())
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoint.save(path, trainer(painted(), 20), 20, PARTS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["one.pt"]


# -- A head on the parser -----------------------------------------------------------------------


def test_a_head_is_one_more_output_and_nothing_else_changes(tmp_path):
    lesson = painted()
    work = tmp_path / "work"
    work.mkdir()
    folder = tmp_path / "mine"
    make_pack(lesson, Wish("head"), folder, work, Unwatched())
    plain, pack = find("garments-lite0-int8"), read_pack(folder)
    known = taught(pack)
    assert known == TaughtLabels("mine", ("a", "b"), 0.5)
    assert taught(plain) is None
    assert pack.task == plain.task
    assert not pack.twin_of
    images = np.stack([fitted(one.rgb, pack.size) for one in lesson.pictures])
    with open_engine(plain, "onnxruntime") as one, open_engine(pack, "onnxruntime") as other:
        before = {name: out.copy() for name, out in one.infer({"images": images}).items()}
        after = other.infer({"images": images})
        for name, out in before.items():
            assert np.array_equal(out, after[name]), name
        scores = after["taught"]
    assert (scores.argmax(1) == lesson.classes).all()
    with open_engine(pack, "openvino") as engine:
        assert np.abs(engine.infer({"images": images})["taught"] - scores).max() < 0.05
    card = (folder / "MODEL_CARD.md").read_text()
    assert "garments-lite0-int8" in card
    before_size = (plain.folder / "model.onnx").stat().st_size
    assert (folder / "model.onnx").stat().st_size - before_size < 50_000


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"report": "a b", "labels": ["a", "b"], "least": 0.5, "ignore": []}',
        '{"report": "x", "labels": ["a"], "least": 0.5, "ignore": []}',
        '{"report": "x", "labels": ["a", 3], "least": 0.5, "ignore": []}',
        '{"report": "x", "labels": ["a", "b"], "least": NaN, "ignore": []}',
    ],
)
def test_labels_that_do_not_fit_are_one_line(tmp_path, text):
    (tmp_path / "taught.json").write_text(text)
    outputs = (Tensor("taught", "float32", ("n", 2)),)
    pack = Pack(tmp_path, "mine", "t", "l", "s", (), outputs, {"taught.json": "0" * 64})
    with pytest.raises(PackError, match="pack 'mine'"):
        taught(pack)


# -- The study ----------------------------------------------------------------------------------


def test_gains_are_of_the_same_draws():
    rights = {"control": (0.5, 0.75), "adnet": (0.75, 0.75), "linear": (0.25,)}
    rows = summary(
        [
            Result(arm, 10, seed, tuple(i < 4 * share for i in range(4)))
            for arm, shares in rights.items()
            for seed, share in enumerate(shares)
        ]
    )
    by_arm = {row["arm"]: row for row in rows}
    assert by_arm["adnet"]["mean"] == 0.75
    assert by_arm["adnet"]["gain"] == 0.125
    assert by_arm["adnet"]["error"] == pytest.approx(np.std([0.25, 0.0], ddof=1) / np.sqrt(2))
    assert by_arm["linear"]["gain"] == -0.25
    assert np.isnan(by_arm["linear"]["error"]), "one draw tells no spread"
