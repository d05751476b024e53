"""What every engine owes, run over every installed backend and every shipped model."""

from __future__ import annotations

import os
import subprocess
import sys
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
    open_engine,
    precisions,
    warm_up,
)
from engines.anchors import ssd_anchors
from engines.zoo import MODELS, find

ROOT = Path(__file__).parents[2]
HERE = [name for name, version in available().items() if version]


@pytest.fixture(params=HERE)
def backend(request):
    return request.param


@pytest.fixture(params=list(MODELS))
def spec(request):
    return find(request.param)


def images(spec, batch, seed=0):
    width, height = spec.size
    rng = np.random.default_rng(seed)
    return {"images": rng.integers(0, 256, (batch, height, width, 3), np.uint8)}


def test_contract_of_inputs_and_outputs(spec, backend):
    with open_engine(spec, backend) as engine:
        [only] = engine.inputs
        assert (only.name, only.dtype) == ("images", np.uint8)
        width, height = (None, None) if spec.multiple else spec.size
        assert only.shape == (None, height, width, 3)
        assert engine.backend == backend
        assert engine.precision == "f32"
        for output in engine.outputs:
            assert output.name in spec.outputs
        result = engine.infer(images(spec, 2))
        assert set(result) == {output.name for output in engine.outputs}
        for output in engine.outputs:
            assert result[output.name].shape[0] == 2
            assert result[output.name].dtype == output.dtype


def test_batches_give_what_single_pictures_give(spec, backend):
    batch = images(spec, 3)["images"]
    with open_engine(spec, backend) as engine:
        together = {k: v.copy() for k, v in engine.infer({"images": batch}).items()}
        for i in range(3):
            alone = engine.infer({"images": batch[i : i + 1]})
            for name, value in alone.items():
                if value.dtype.kind == "i":
                    assert (value[0] == together[name][i]).mean() > 0.999
                else:
                    assert np.abs(value[0] - together[name][i]).max() < 1e-3


def test_an_input_can_be_prepared_for_and_a_wrong_one_is_refused(spec, backend):
    width, height = spec.size
    with open_engine(spec, backend) as engine:
        engine.prepare((1, height, width, 3))
        assert len(engine.infer(images(spec, 1))) == len(engine.outputs)
        with pytest.raises(EngineInputError, match="expected"):
            engine.prepare((1, height, width))


def test_what_was_compiled_is_kept_and_damage_to_it_does_no_harm(spec, backend, tmp_path):
    def scores():
        with open_engine(spec, backend, EngineOptions(cache=tmp_path)) as engine:
            return engine.infer(images(spec, 1))[spec.outputs.split()[0]].copy()

    first = scores()
    kept = list(tmp_path.iterdir())
    assert np.array_equal(scores(), first)
    assert list(tmp_path.iterdir()) == kept
    for path in kept:
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:1000])
    assert np.array_equal(scores(), first)


def test_a_cache_that_cannot_be_written_is_done_without(spec, backend):
    with open_engine(spec, backend, EngineOptions(cache=Path("/proc/nowhere"))) as engine:
        assert len(engine.infer(images(spec, 1))) == len(engine.outputs)


def test_all_backends_agree(spec):
    if len(HERE) < 2:
        pytest.skip("only one engine is installed")
    results = []
    for name in HERE:
        with open_engine(spec, name, EngineOptions(threads=1)) as engine:
            results.append({k: v.copy() for k, v in engine.infer(images(spec, 2)).items()})
    for name, value in results[0].items():
        if value.dtype.kind == "i":
            assert (value == results[1][name]).mean() > 0.995
        elif spec.name.endswith("-int8"):  # rounding differs by a step here and there
            assert np.abs(value - results[1][name]).mean() < 0.2
        else:
            assert np.abs(value - results[1][name]).max() < 1e-2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: {"images": x["images"][:, :, :, :1]}, "expected"),
        (lambda x: {"images": x["images"].astype(np.float32)}, "float32"),
        (lambda x: {"image": x["images"]}, "takes"),
        (lambda x: {}, "takes"),
    ],
)
def test_wrong_inputs_are_refused_before_they_run(spec, backend, change, word):
    with (
        open_engine(spec, backend) as engine,
        pytest.raises(EngineInputError, match=word),
    ):
        engine.infer(change(images(spec, 1)))


def test_sizes_a_model_cannot_take_are_input_errors(spec, backend):
    batch = {"images": np.zeros((1, 2, 2, 3), np.uint8)}
    with open_engine(spec, backend) as engine, pytest.raises(EngineInputError, match="images"):
        engine.infer(batch)


def test_models_of_free_size_take_one_after_the_other(backend):
    spec = find("person-store")
    with open_engine(spec, backend) as engine:
        for size in ((512, 288), (320, 448), (288, 512), (448, 320), (384, 384), (512, 288)):
            result = engine.infer({"images": np.zeros((1, size[1], size[0], 3), np.uint8)})
            assert 0 < result["boxes"].shape[1] <= len(ssd_anchors(*size))


def test_warm_up_runs_on_any_batch(spec, backend):
    with open_engine(spec, backend) as engine:
        warm_up(engine, spec.size, batch=3)


def test_a_damaged_file_is_an_error_with_its_name(tmp_path, backend):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        open_engine(path, backend)


def test_precision_the_cpu_lacks_is_refused_not_replaced(backend):
    for precision in ("bf16", "f16"):
        if precision in precisions(backend):
            with open_engine(
                find("person-ssdlite"), backend, EngineOptions(precision=precision)
            ) as engine:
                assert engine.precision == precision
        else:
            with pytest.raises(EngineUnavailableError, match=precision):
                open_engine(find("person-ssdlite"), backend, EngineOptions(precision=precision))


def test_an_engine_reports_nothing_to_its_maker(backend, tmp_path):
    """OpenVINO would leave a client id in the home folder and start a process that sends it."""
    code = "from engines import *; from engines.zoo import find; open_engine(find(%r), %r)"
    home = {k: v for k, v in os.environ.items() if k != "CI"} | {"HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", code % ("person-store", backend)], env=home, cwd=ROOT, check=True
    )
    assert list(tmp_path.iterdir()) == []


def test_unknown_and_missing_engines_say_what_to_do(monkeypatch):
    with pytest.raises(EngineUnavailableError, match="choose auto, openvino, onnxruntime"):
        open_engine(find("person-ssdlite"), "cuda")
    monkeypatch.setitem(BACKENDS, "openvino", ("engines.ov", "OpenVinoEngine", "no-such-package"))
    with pytest.raises(EngineUnavailableError, match="pip install no-such-package"):
        open_engine(find("person-ssdlite"), "openvino")
    with open_engine(find("person-ssdlite"), "auto") as engine:
        assert engine.backend == "onnxruntime"
