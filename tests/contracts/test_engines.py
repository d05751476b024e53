"""What every engine owes, run over every installed backend and every shipped model."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import types
from contextlib import ExitStack
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from engines import (
    BACKENDS,
    EngineInputError,
    EngineOptions,
    EngineUnavailableError,
    ModelFileError,
    available,
    backends,
    choose,
    names,
    open_engine,
    ov,
    precisions,
    runs_plans,
    warm_up,
    why_not,
)
from engines.packs import find, shipped

ROOT = Path(__file__).parents[2]
HERE = [name for name, version in available().items() if version]


@pytest.fixture(params=HERE)
def backend(request):
    return request.param


@pytest.fixture(params=list(shipped().by_name))
def pack(request):
    found = find(request.param)
    if "backend" in request.fixturenames and not takes(request.getfixturevalue("backend"), found):
        pytest.skip("plans are built of the float model")
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where what is compiled is kept for other tests."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def opened(kept):
    """``opened(pack, backend)``: an engine that tests share, because they leave it as it was."""
    with ExitStack() as stack:

        @cache
        def once(pack, backend):
            return stack.enter_context(open_engine(find(pack), backend, EngineOptions(cache=kept)))

        yield lambda pack, backend: once(pack.name, backend)


def takes(backend, pack):
    """Whether an engine takes a model's own file: those that run plans have INT8 of their own."""
    return not (pack.twin_of and runs_plans(backend))


#: Takes pictures of any size, and is compiled in half the time its twin takes.
DETECTOR = find("person-store")
#: A model in float and one in INT8, for what does not depend on the model.
SMALL = ("logo-detector-lite0", "logo-detector-lite0-int8")


def images(pack, batch, seed=0):
    width, height = pack.size
    rng = np.random.default_rng(seed)
    return {"images": rng.integers(0, 256, (batch, height, width, 3), np.uint8)}


def test_contract_of_inputs_and_outputs(pack, backend, opened):
    engine = opened(pack, backend)
    assert engine.inputs == tuple(tensor.spec for tensor in pack.inputs)
    assert engine.backend == backend
    assert engine.precision == "f32"
    result = engine.infer(images(pack, 2))
    assert list(result) == [tensor.name for tensor in pack.outputs]
    for output, tensor in zip(engine.outputs, pack.outputs, strict=True):
        assert result[output.name].shape[0] == 2
        assert result[output.name].dtype == output.dtype == np.dtype(tensor.dtype)


def test_batches_give_what_single_pictures_give(pack, backend, opened):
    batch = images(pack, 3)["images"]
    engine = opened(pack, backend)
    together = {k: v.copy() for k, v in engine.infer({"images": batch}).items()}
    for i in range(3):
        alone = engine.infer({"images": batch[i : i + 1]})
        for name, value in alone.items():
            if value.dtype.kind == "i":
                assert (value[0] == together[name][i]).mean() > 0.999
            else:
                assert np.abs(value[0] - together[name][i]).max() < 1e-3


def test_an_input_can_be_prepared_for_and_a_wrong_one_is_refused(pack, backend, opened):
    width, height = pack.size
    engine = opened(pack, backend)
    engine.prepare((1, height, width, 3))
    assert engine.ready((1, height, width, 3))
    assert len(engine.infer(images(pack, 1))) == len(engine.outputs)
    with pytest.raises(EngineInputError, match="expected"):
        engine.prepare((1, height, width))
    assert not engine.ready((1, height, width))
    assert not engine.ready((1, height, width, 4))


def test_what_was_run_or_prepared_is_ready_for_any_batch(backend, kept):
    with open_engine(DETECTOR, backend, EngineOptions(cache=kept)) as engine:
        engine.infer({"images": np.zeros((1, 96, 128, 3), np.uint8)})
        engine.prepare((3, 128, 96, 3))
        for shape in ((1, 96, 128, 3), (5, 96, 128, 3), (1, 128, 96, 3)):
            assert engine.ready(shape)


def test_for_pictures_of_many_sizes_it_is_compiled_once(backend, monkeypatch, kept):
    compiled = []
    compile_it = ov.OpenVinoEngine._compiled

    def counted(engine, shapes, settings):
        compiled.append(shapes)
        return compile_it(engine, shapes, settings)

    monkeypatch.setattr(ov.OpenVinoEngine, "_compiled", counted)
    shapes = [(1, 96, 128, 3), (1, 128, 96, 3), (2, 160, 160, 3)]
    noise = np.random.default_rng(0)
    pictures = [{"images": noise.integers(0, 256, shape, np.uint8)} for shape in shapes]
    with open_engine(DETECTOR, backend, EngineOptions(any_size=True)) as engine:
        engine.infer(pictures[0])
        assert engine.ready(shapes[1]) or backend != "openvino"
        found = [
            {name: array.copy() for name, array in engine.infer(picture).items()}
            for picture in pictures
        ]
        engine.threads(1)
        assert engine.ready(shapes[0])
    assert len(set(compiled)) <= 1
    with open_engine(DETECTOR, backend, EngineOptions(cache=kept)) as engine:
        for picture, before in zip(pictures, found, strict=True):
            for name, array in engine.infer(picture).items():
                assert np.abs(array - before[name]).max() < 1e-4


def test_threads_can_be_changed_while_it_runs(backend):
    """Results stay the same, what was compiled stays ready, arrays stay readable."""
    pictures = [
        np.random.default_rng(i).integers(0, 256, (1, *shape, 3), np.uint8)
        for i, shape in enumerate(((96, 128), (128, 96)))
    ]
    with open_engine(DETECTOR, backend, EngineOptions(threads=2)) as engine:
        right = [engine.infer({"images": p})["scores"].copy() for p in pictures]
        held = engine.infer({"images": pictures[0]})["scores"]
        before = held.copy()
        engine.threads(1)
        assert all(engine.ready(p.shape) for p in pictures)
        assert np.array_equal(held, before), "outputs live until the next call"
        done, failures = threading.Event(), []

        def change():
            try:
                for count in (2, 0):
                    engine.threads(count)
            except Exception as error:
                failures.append(error)
            done.set()

        other = threading.Thread(target=change)
        other.start()
        rounds = 0
        while not done.is_set() or rounds < 2:
            for picture, scores in zip(pictures, right, strict=True):
                assert np.abs(engine.infer({"images": picture})["scores"] - scores).max() < 1e-4
            rounds += 1
        other.join()
        assert not failures
        assert all(engine.ready(p.shape) for p in pictures)
    engine.threads(1)  # closed: nothing happens


def test_shapes_met_while_threads_change_are_kept(monkeypatch):
    """OpenVINO compiles for both numbers of threads at the same time here."""
    if "openvino" not in HERE:
        pytest.skip("openvino is not installed")
    with open_engine(DETECTOR, "openvino") as engine:
        engine.prepare((1, 96, 128, 3))
        compile_it, met = engine._compiled, []

        def meanwhile(shapes, settings):
            if not met:
                met.append(shapes)
                engine.prepare((1, 128, 96, 3))
            return compile_it(shapes, settings)

        monkeypatch.setattr(engine, "_compiled", meanwhile)
        engine.threads(1)
        assert engine._settings["INFERENCE_NUM_THREADS"] == 1
        assert engine.ready((1, 96, 128, 3))
        assert engine.ready((1, 128, 96, 3))
        threads = [
            request.get_compiled_model().get_property("INFERENCE_NUM_THREADS")
            for request in engine._requests.values()
        ]
        assert threads == [1, 1]


def test_the_shape_unused_longest_makes_room(monkeypatch, kept):
    if "openvino" not in HERE:
        pytest.skip("openvino is not installed")
    monkeypatch.setattr(ov, "MOST_SIZES", 3)
    a, b, c, d = ((1, side, 128, 3) for side in (96, 128, 160, 192))
    with open_engine(DETECTOR, "openvino", EngineOptions(cache=kept)) as engine:
        for shape in (a, b, c):
            engine.prepare(shape)
        engine.infer({"images": np.zeros(a, np.uint8)})
        engine.prepare(d)
        assert [engine.ready(shape) for shape in (a, b, c, d)] == [True, False, True, True]


def apart(backend):
    """How far results may be apart: a GPU's kernels are chosen anew each time."""
    return 0.02 if runs_plans(backend) else 0.0


def scores(pack, backend, folder):
    """Of an engine that keeps in a folder what it compiles."""
    with open_engine(pack, backend, EngineOptions(cache=folder)) as engine:
        return engine.infer(images(pack, 1))[pack.outputs[0].name].copy()


def test_what_was_compiled_is_kept(pack, backend, opened, kept):
    first = opened(pack, backend).infer(images(pack, 1))[pack.outputs[0].name].copy()
    there = sorted(kept.iterdir())
    assert np.abs(scores(pack, backend, kept) - first).max() <= apart(backend)
    assert sorted(kept.iterdir()) == there


@pytest.mark.parametrize("pack", SMALL, indirect=True)
def test_damage_to_what_is_kept_does_no_harm(pack, backend, tmp_path):
    first = scores(pack, backend, tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:1000])
    assert np.abs(scores(pack, backend, tmp_path) - first).max() <= apart(backend)


@pytest.mark.parametrize("pack", SMALL, indirect=True)
def test_a_cache_that_cannot_be_written_is_done_without(pack, backend):
    with open_engine(pack, backend, EngineOptions(cache=Path("/proc/nowhere"))) as engine:
        assert len(engine.infer(images(pack, 1))) == len(engine.outputs)


def test_all_backends_agree(pack, opened):
    first, *others = [name for name in HERE if takes(name, pack)]
    if not others:
        pytest.skip("only one engine takes it here")
    results = {}
    for backend in (first, *others):
        found = opened(pack, backend).infer(images(pack, 2))
        results[backend] = {name: value.copy() for name, value in found.items()}
    for backend in others:
        for name, value in results[first].items():
            other = results[backend][name]
            if value.dtype.kind == "i":
                assert (value == other).mean() > 0.995
            elif pack.twin_of:  # rounding differs by a step here and there; boxes are pixels
                limit = max(0.2, 0.01 * float(np.abs(value).mean()))
                assert np.abs(value - other).mean() < limit
            else:
                assert np.abs(value - other).max() < 1e-2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: {"images": x["images"][:, :, :, :1]}, "expected"),
        (lambda x: {"images": x["images"].astype(np.float32)}, "float32"),
        (lambda x: {"image": x["images"]}, "takes"),
        (lambda x: {}, "takes"),
    ],
)
def test_wrong_inputs_are_refused_before_they_run(pack, backend, opened, change, word):
    with pytest.raises(EngineInputError, match=word):
        opened(pack, backend).infer(change(images(pack, 1)))


def test_sizes_a_model_cannot_take_are_input_errors(pack, backend, opened):
    batch = {"images": np.zeros((1, 2, 2, 3), np.uint8)}
    with pytest.raises(EngineInputError, match="images"):
        opened(pack, backend).infer(batch)


def test_models_of_free_size_take_one_after_the_other(backend):
    with open_engine(DETECTOR, backend) as engine:
        for size in ((512, 288), (320, 448), (288, 512), (512, 288)):
            result = engine.infer({"images": np.zeros((1, size[1], size[0], 3), np.uint8)})
            cells = sum(size[0] // stride * size[1] // stride for stride in (8, 16, 32))
            assert result["boxes"].shape == (1, cells, 4)


def test_warm_up_runs_on_any_batch(pack, backend, opened):
    warm_up(opened(pack, backend), pack.size, batch=3)


def test_a_damaged_file_is_an_error_with_its_name(tmp_path, backend):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        open_engine(path, backend)


def test_precision_the_cpu_lacks_is_refused_not_replaced(backend):
    for precision in ("bf16", "f16"):
        if precision in precisions(backend):
            with open_engine(
                find("logo-detector-lite0"), backend, EngineOptions(precision=precision)
            ) as engine:
                assert engine.precision == precision
        else:
            with pytest.raises(EngineUnavailableError, match=precision):
                open_engine(find("person-store"), backend, EngineOptions(precision=precision))


def test_an_engine_reports_nothing_to_its_maker(backend, tmp_path):
    """OpenVINO would leave a client id in the home folder and start a process that sends it."""
    code = "from engines import *; from engines.packs import find; open_engine(find(%r), %r)"
    home = {k: v for k, v in os.environ.items() if k != "CI"} | {"HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", code % ("person-store", backend)], env=home, cwd=ROOT, check=True
    )
    # What CUDA compiles it keeps there.
    assert [path.name for path in tmp_path.iterdir() if path.name != ".nv"] == []


@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_module_offers_what_a_backend_offers(name):
    module = backends.backend(name)
    assert isinstance(module.AUTOMATIC, bool)
    assert module.PLANS is runs_plans(name)
    assert bool(module.version()) is not bool(module.why_not()), "it can run here, or says why not"
    assert module.precisions()
    assert why_not(name) == module.why_not()


def test_the_tables_cannot_be_changed():
    with pytest.raises(TypeError):
        BACKENDS["openvino"] = "engines.ort"  # type: ignore[index]


def test_unknown_and_missing_engines_say_what_to_do(monkeypatch):
    with pytest.raises(EngineUnavailableError, match="choose auto, openvino, onnxruntime"):
        open_engine(find("logo-detector-lite0"), "cuda")
    monkeypatch.setattr(ov, "version", lambda: None)
    with pytest.raises(EngineUnavailableError, match=r"'openvino' cannot run.*pip install openv"):
        open_engine(find("logo-detector-lite0"), "openvino")
    assert available()["openvino"] is None
    with open_engine(find("logo-detector-lite0"), "auto") as engine:
        assert engine.backend == "onnxruntime"
    for each in names():
        monkeypatch.setattr(backends.backend(each), "why_not", lambda: "it is not here")
    with pytest.raises(EngineUnavailableError, match="pip install openvino"):
        choose("auto")


@pytest.fixture
def plugin(monkeypatch):
    """Makes a module an engine of another distribution, by its entry point."""
    entries = []
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)

    def add(name, **parts):
        path = f"plugin_{name}"
        entries.append(metadata.EntryPoint(name, path, backends.GROUP))
        if parts:
            module = types.ModuleType(path)
            vars(module).update(parts)
            monkeypatch.setitem(sys.modules, path, module)

    return add


WHOLE = {
    "AUTOMATIC": True,
    "PLANS": False,
    "version": lambda: "7",
    "why_not": lambda: "",
    "precisions": lambda: ["f32"],
    "open": lambda path, options: (path, options.threads),
}


def test_other_distributions_add_engines(plugin, monkeypatch):
    plugin("npu", **WHOLE)
    plugin("openvino", **WHOLE)
    assert names() == (*BACKENDS, "npu")
    assert available()["npu"] == "7"
    assert choose("auto") == "openvino", "those of the table come first and cannot be replaced"
    opened = open_engine(Path("x.onnx"), "npu", EngineOptions(threads=3))
    assert opened == (Path("x.onnx"), 3)
    for each in BACKENDS:
        monkeypatch.setattr(backends.backend(each), "why_not", lambda: "it is not here")
    assert choose("auto") == "npu"


def test_a_broken_engine_of_another_distribution_is_a_line(plugin):
    def fails():
        raise RuntimeError("no\ndevice")

    plugin("gone")
    plugin("partial", version=lambda: "1")
    plugin("failing", **{**WHOLE, "why_not": fails})
    here = available()
    assert here["openvino"] or here["onnxruntime"]
    for name, words in (("gone", "plugin_gone"), ("partial", "lacks"), ("failing", "no device")):
        assert here[name] is None
        assert not runs_plans(name)
        with pytest.raises(EngineUnavailableError, match=words) as caught:
            open_engine(Path("x.onnx"), name)
        assert str(caught.value).isprintable()
        assert words in why_not(name)
    assert choose("auto") in BACKENDS
