"""Plans of TensorRT: built for real where TensorRT-RTX is installed, which needs no GPU for that;
kept, found again, refused and built anew."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import command

from engines import EngineUnavailableError, ModelFileError, PackError, open_engine
from engines.packs import find, shipped
from engines.trt import build, graphs
from engines.trt.build import Batch, BuildStoppedError
from engines.trt.library import flavour, library, missing
from engines.trt.plans import Key, PlanError, Plans
from pipeline.errors import SourceRefusedError
from pipeline.models import building, quantising, samples
from pipeline.models.building import PlanRequest, build_plan, key_of, shapes
from pipeline.models.opening import EngineSettings, Models
from pipeline.models.parity import ParityError

FLOATS = [pack for pack in shipped() if not pack.twin_of]
SMALL = find("logo-detector-lite0")


def installed():
    try:
        return library().__name__ == "tensorrt_rtx"
    except EngineUnavailableError:
        return False


class Opened:
    """Opens models, and only remembers a plan that is to be opened."""

    def __init__(self, open_engine):
        self._open, self.plan = open_engine, None

    def __call__(self, model, name, options=None):
        if isinstance(model, Path) and model.suffix == ".plan":
            self.plan = model
            return None
        return self._open(model, name, options)


needs_rtx = pytest.mark.skipif(not installed(), reason="needs TensorRT-RTX: docs/tensorrt.md")


def key(**changes):
    plain = Key("m", "0" * 64, "f16", {"images": ((1, 4), (1, 4), (8, 4))}, "trt 1", ("sm86",))
    return replace(plain, **changes)


@given(st.integers(1, 999), st.integers(0, 99), st.integers(0, 99))
def test_batches_are_read_as_they_are_written(least, more, most):
    batch = Batch(least, least + more, least + more + most)
    assert Batch.parse(str(batch)) == batch
    assert Batch.parse(str(least)) == Batch(least, least, least)


@pytest.mark.parametrize("text", ["", "0", "8:4:1", "1:2", "a", "1:8:32:64", "-1", "1e3", "99999"])
def test_batches_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="1:8:32"):
        Batch.parse(text)


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "1" * 64}, {"precision": "f32"}, {"flavour": "trt 2"}, {"targets": ("sm89",)},
     {"shapes": {"images": ((1, 4), (1, 4), (4, 4))}}],
)  # fmt: skip
def test_a_plan_for_anything_else_is_not_taken_and_why_is_said(tmp_path, changes):
    plans = Plans(tmp_path)
    plans.write(key(), b"plan")
    assert plans.read(key()) == b"plan"
    with pytest.raises(PlanError, match=r"no plan of m .* the nearest was built for"):
        plans.read(key(**changes))


def test_a_plan_built_ahead_serves_every_gpu_it_was_built_for(tmp_path):
    plans = Plans(tmp_path)
    path = plans.write(key(targets=("sm86", "sm89")), b"plan")
    assert plans.find(key(targets=("sm89 NVIDIA L4",))) == path
    with pytest.raises(PlanError):
        plans.find(key(targets=("sm120 NVIDIA Thor",)))
    with pytest.raises(PlanError):
        plans.find(key(targets=("sm89 NVIDIA L4",), precision="f32"))
    with pytest.raises(PlanError):
        plans.find(key(targets=()))


@pytest.mark.parametrize("damage", ["cut", "other", "no json", "bad json", "list", "foreign"])
def test_damage_to_a_plan_is_noticed(tmp_path, damage):
    plans = Plans(tmp_path)
    path = plans.write(key(), b"a plan")
    beside = path.with_suffix(".json")
    if damage == "cut":
        path.write_bytes(b"a pl")
    elif damage == "other":
        path.write_bytes(b"A PLAN")
    elif damage == "no json":
        beside.unlink()
    elif damage == "foreign":
        about = json.loads(beside.read_text())
        beside.write_text(json.dumps({**about, "key": key(precision="f32").record()}))
    else:
        beside.write_text({"bad json": "{", "list": "[]"}[damage])
    with pytest.raises(PlanError, match=path.stem):
        plans.read(key())
    plans.write(key(), b"a plan")
    assert plans.read(key()) == b"a plan"


def test_a_folder_that_cannot_be_written_is_said_and_nothing_half_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Plans(tmp_path / "file").write(key(), b"plan")


@needs_rtx
@pytest.mark.parametrize("precision", ["f32", "f16"])
@pytest.mark.parametrize("pack", FLOATS, ids=lambda pack: pack.name)
def test_every_model_is_built_once_and_then_found(tmp_path, monkeypatch, pack, precision):
    targets = ("sm86", "sm89") if precision == "f16" else ("sm86",)
    request = PlanRequest(pack, precision, Batch(1, 8, 32), targets)
    plans, said, shares = Plans(tmp_path), [], []
    path = build_plan(
        request, plans, lambda phase, share: shares.append(share) or True, said.append
    )
    assert path.stat().st_size > 1_000_000
    assert shares
    assert min(shares) >= 0
    assert max(shares) == 1
    report = plans.report(path)
    assert report["graph"]["agree"] >= 0.98
    assert report["plan"] is None, "not run: there may be no GPU, and not one of those named"
    assert "building" in said[0]
    assert report["graph"]["failures"] == []
    monkeypatch.setattr(build, "build", lambda *args: pytest.fail("built again"))
    said.clear()
    assert build_plan(request, plans, None, said.append) == path
    assert said == []


@needs_rtx
def test_a_build_that_a_run_waits_for_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "choose", lambda name: name)  # runs no plan here
    monkeypatch.setattr(building, "open_engine", opened := Opened(building.open_engine))
    monkeypatch.setattr(building, "TOLD_S", 0.05)
    said = []
    request = PlanRequest(SMALL, "f32", targets=("sm86",), engine="tensorrt")
    building.open_built(request, Plans(tmp_path), said.append)
    assert "takes minutes" in said[0]
    between = said[1:-1]
    assert len(between) >= 2
    for text in between:
        assert re.fullmatch(rf"building {SMALL.name}: \d+ s, [\w ]+ \d+%", text)
    assert re.fullmatch(r".*\.plan: built in \d+ s", said[-1])
    assert opened.plan == Plans(tmp_path).find(key_of(request))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures of the clip, as somebody would calibrate with."""
    import cv2
    from support import CLIP

    folder = tmp_path_factory.mktemp("photos")
    capture = cv2.VideoCapture(str(CLIP))
    for i in range(48):
        good, picture = capture.read()
        if good and i % 12 == 0:
            cv2.imwrite(str(folder / f"{i}.jpg"), picture)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@needs_rtx
@pytest.mark.parametrize("pack", FLOATS, ids=lambda pack: pack.name)
def test_every_model_is_built_in_int8(tmp_path, pack, photos, monkeypatch):
    pytest.importorskip("onnx", reason="needs onnx")
    monkeypatch.setattr(quantising, "LEFT_IN_FLOAT", (3,))  # how many it takes is another question
    plans = Plans(tmp_path)
    request = PlanRequest(pack, "int8", Batch(), ("sm86",), photos, strict=False)
    path = build_plan(request, plans)
    assert path.stat().st_size > 500_000
    assert plans.report(path)["graph"]["pictures"] > 0


@needs_rtx
def test_what_is_fp32_is_not_computed_in_tf32():
    trt = library()
    builder = trt.Builder(build.listening(trt))
    flag = trt.BuilderFlag.TF32
    assert builder.create_builder_config().get_flag(flag), "else there is nothing to switch off"
    assert not build._config(trt, builder, {}, ()).get_flag(flag)


@needs_rtx
def test_a_damaged_plan_is_built_anew_and_why_is_said(tmp_path):
    plans, said = Plans(tmp_path), []
    request = PlanRequest(SMALL, "f32", Batch(), ("sm86",))
    path = build_plan(request, plans)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    assert build_plan(request, plans, None, said.append) == path
    assert "damaged" in said[0]
    assert len(path.read_bytes()) > 0.9 * len(whole)


@needs_rtx
def test_a_build_can_be_stopped(tmp_path):
    with pytest.raises(BuildStoppedError, match="stopped"):
        build_plan(PlanRequest(SMALL, "f32"), Plans(tmp_path), lambda phase, share: False)
    assert list(tmp_path.glob("*.plan")) == []


@needs_rtx
def test_unknown_targets_name_the_known_ones(tmp_path):
    with pytest.raises(EngineUnavailableError, match=r"sm12.*sm86"):
        build_plan(PlanRequest(SMALL, "f32", targets=("sm12",)), Plans(tmp_path))


@needs_rtx
def test_what_tensorrt_cannot_read_is_named_by_its_node(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    one = onnx.helper.make_tensor_value_info("x", 1, [1, 4])
    node = onnx.helper.make_node("Erf7", ["x"], ["y"], "a/strange/node", domain="nobody")
    other = onnx.helper.make_tensor_value_info("y", 1, [1, 4])
    graph = onnx.helper.make_graph([node], "g", [one], [other])
    sets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("nobody", 1)]
    model = onnx.helper.make_model(graph, opset_imports=sets)
    with pytest.raises(ModelFileError, match=r"a/strange/node.*Erf7"):
        build.build(model, {"x": ((1, 4),) * 3})


def test_a_file_that_is_no_model_is_named(tmp_path):
    pytest.importorskip("onnx", reason="needs onnx")
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        graphs.load(path)


@needs_rtx
def test_a_graph_that_says_something_else_is_refused(tmp_path, monkeypatch):
    """Weights are changed on the way, as a wrong conversion would."""
    right = graphs.ready

    def wrong(model, precision):
        model = right(model, precision)
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.ndim == 4:
                tensor.CopyFrom(numpy_helper.from_array(-array, tensor.name))
        return model

    monkeypatch.setattr(building.graphs, "ready", wrong)
    pack = find("logo-embedder-lite0")
    monkeypatch.setattr(samples, "shipped", lambda s: [np.full((*s.size, 3), 99, np.uint8)])
    request = PlanRequest(pack, "f16", targets=("sm86",))
    plans = Plans(tmp_path)
    if not _changed(pack, wrong, tmp_path):
        pytest.fail("this test changes nothing")
    with pytest.raises(ParityError, match=r"logo-embedder-lite0.*cosine"):
        build_plan(request, plans)
    assert list(tmp_path.glob("*.plan")) == []
    assert build_plan(replace(request, strict=False), plans).exists()
    with pytest.raises(ParityError):  # kept by somebody who knew; nobody else gets it unawares
        build_plan(request, plans)


def _changed(pack, change, folder):
    path = folder / "changed.onnx"
    path.write_bytes(change(graphs.load(pack.path), "f32").SerializeToString())
    picture = np.full((1, *pack.size, 3), 99, np.uint8)
    with open_engine(pack, "onnxruntime") as one, open_engine(path, "onnxruntime") as two:
        return not np.allclose(
            one.infer({"images": picture})["embeddings"],
            two.infer({"images": picture})["embeddings"],
            atol=0.01,
        )


@needs_rtx
def test_int8_without_pictures_says_how(tmp_path):
    with pytest.raises(SourceRefusedError, match="--precision int8 --images"):
        build_plan(PlanRequest(SMALL, "int8"), Plans(tmp_path))
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(SourceRefusedError, match=r"none of its pictures"):
        build_plan(PlanRequest(SMALL, "int8", images=tmp_path), Plans(tmp_path))


@needs_rtx
def test_a_plan_depends_on_all_it_is_built_from():
    plain = PlanRequest(SMALL, "f16", Batch(), ("sm86",))
    others = [
        PlanRequest(find("person-store"), "f16", Batch(), ("sm86",)),
        replace(plain, precision="f32"),
        replace(plain, batch=Batch(1, 1, 4)),
        replace(plain, targets=("sm89",)),
    ]
    stems = [key_of(request).stem for request in (plain, *others)]
    assert len(set(stems)) == len(stems)
    assert key_of(plain).flavour == flavour(library())


@pytest.mark.skipif(not missing(), reason="has a GPU")
def test_without_a_gpu_tensorrt_is_refused_or_replaced(tmp_path, caplog):
    settings = EngineSettings(backend="tensorrt", plans=str(tmp_path))
    with Models(settings, shipped()) as models:
        for _ in range(2):  # a failure is not remembered as a model
            with pytest.raises(EngineUnavailableError, match=r"tensorrt.*GPU"):
                models.open("person-store-int8")
    with pytest.raises(EngineUnavailableError, match=r"tensorrt.*GPU"):
        open_engine(find("person-store"), "tensorrt")
    with Models(settings.model_copy(update={"fallback": True}), shipped()) as models:
        engine, pack = models.open("person-store-int8")
        assert engine.backend in ("openvino", "onnxruntime")
        assert pack.name == "person-store-int8"
    assert "on the processor instead" in caplog.text


def test_plans_take_every_input_whose_size_is_known():
    assert shapes(find("person-store"), Batch(1, 2, 8))["images"] == (
        (1, 128, 128, 3), (2, 288, 512, 3), (8, 1024, 1024, 3),
    )  # fmt: skip
    tokens = replace(SMALL.inputs[0], name="tokens", layout="", shape=("n", 16))
    two = replace(SMALL, inputs=(*SMALL.inputs, tokens))
    assert shapes(two, Batch(1, 2, 8))["tokens"] == ((1, 16), (2, 16), (8, 16))
    turned = replace(SMALL.inputs[0], layout="nchw", shape=("n", 3, "height", "width"))
    free = replace(SMALL, inputs=(turned,))
    assert shapes(free, Batch())["images"][0] == (1, 3, *SMALL.size[::-1])
    unknown = replace(SMALL, inputs=(replace(tokens, shape=("n", "length")),))
    with pytest.raises(PackError, match=r"'length'.*'tokens'"):
        shapes(unknown, Batch())


@needs_rtx
def test_models_are_built_on_the_command_line(tmp_path):
    words = ("models", "build", SMALL.name, "--precision", "fp32", "--target", "sm86,SM89")
    done = command(*words, "--cache", tmp_path, "--batch", "1:2:4")
    assert done.returncode == 0, done.stderr
    [plan] = tmp_path.glob("*.plan")
    assert str(plan) in done.stdout.replace("\n", "")
    assert '"agree"' in done.stdout
    assert "building" in done.stderr
    again = command(*words, "--cache", tmp_path, "--batch", "1:2:4")
    assert "there already" in " ".join(again.stderr.split())


@needs_rtx
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nobody",), "is unknown"),
        ((SMALL.name, "--precision", "f8"), "f32, f16, int8"),
        ((SMALL.name, "--batch", "8:1:4"), "1:8:32"),
        ((SMALL.name, "--engine", "openvino"), "tensorrt only"),
        ((SMALL.name, "--target", "sm1"), "sm86"),
        ((SMALL.name, "--precision", "int8"), "--images"),
        ((SMALL.name, "--images", "/nowhere"), "/nowhere"),
        ((SMALL.name, "--cache", "/proc/nowhere"), "/proc/nowhere"),
    ],
)
def test_mistakes_in_building_get_a_line_with_a_remedy(args, words, tmp_path):
    cache = () if "--cache" in args else ("--cache", tmp_path)
    done = command("models", "build", *args, *cache)
    assert done.returncode in (1, 2)
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_what_int8_would_change_is_told_layer_by_layer(photos, tmp_path):
    pytest.importorskip("onnx", reason="needs onnx")
    out = tmp_path / "small.onnx"
    done = command("models", "quantize", SMALL.name, "--images", photos, "--out", out)
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if "/net/" in line]) == 15
    assert '"agree"' in done.stdout
    with open_engine(out, "onnxruntime") as engine:
        assert [pack.name for pack in engine.outputs] == ["boxes", "scores"]
