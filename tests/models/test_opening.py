"""Models are opened once, side by side, with the threads that suit the cameras, and all closed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydantic import ValidationError

from engines import EngineError, EngineOptions, PackError
from engines.packs import shipped
from pipeline.errors import ConfigError
from pipeline.models import building, opening
from pipeline.models.opening import EngineSettings, Models, cores, engine_threads, plans_folder

SMALL = "logo-detector-lite0-int8"
FREE = "person-store-int8"
OPTIONS = EngineOptions()
PLAIN = EngineSettings(backend="onnxruntime", cache=False)


class Recorded:
    """An engine that keeps books."""

    backend = "recorded"

    def __init__(self, pack, name, options):
        self.name, self.counts, self.closed, self.ran = pack.name, [options.threads], 0, 0
        self.inputs = tuple(tensor.spec for tensor in pack.inputs)

    def infer(self, inputs):
        self.ran += 1

    def threads(self, count):
        assert not self.closed
        self.counts.append(count)

    def __exit__(self, *error):
        self.closed += 1


@pytest.fixture
def opened(monkeypatch):
    """Every engine that was opened; none computes anything."""
    engines = []

    def record(pack, name, options):
        engines.append(Recorded(pack, name, options))
        return engines[-1]

    monkeypatch.setattr(opening, "open_engine", record)
    monkeypatch.setattr(opening, "cores", lambda: 4)
    return engines


def test_a_model_is_opened_once_and_warmed_up_where_its_size_is_fixed(opened):
    with Models(PLAIN, shipped()) as models:
        first = models.open(SMALL)
        assert models.open(SMALL) is first
        assert first == (opened[0], shipped().find(SMALL))
        models.open(FREE)
        assert [(engine.name, engine.ran) for engine in opened] == [(SMALL, 1), (FREE, 0)]
    assert [engine.closed for engine in opened] == [1, 1]


def test_where_plans_run_the_pack_is_that_of_the_float_model(opened, monkeypatch, tmp_path):
    monkeypatch.setattr(opening, "choose", lambda name: name)
    monkeypatch.setattr(
        building, "open_built", lambda request, *_: opening.open_engine(request.pack, "x", OPTIONS)
    )
    settings = EngineSettings(backend="tensorrt", plans=str(tmp_path))
    with Models(settings, shipped()) as models:
        engine, pack = models.open(FREE)
    assert (engine.name, pack.name, pack.twin_of) == ("person-store", "person-store", "")


def test_models_run():
    with Models(PLAIN, shipped()) as models:
        engine, pack = models.open(SMALL)
        picture = np.zeros((1, pack.size[1], pack.size[0], 3), np.uint8)
        assert set(engine.infer({"images": picture})) == {"boxes", "scores"}


def test_threads_that_ask_at_once_get_the_same_engine(opened):
    with Models(PLAIN, shipped()) as models, ThreadPoolExecutor(16) as pool:
        together = threading.Barrier(16)

        def ask(i):
            together.wait()
            return models.open((SMALL, FREE)[i % 2])

        found = list(pool.map(ask, range(16)))
    assert len(opened) == 2
    assert len({id(engine) for engine, _ in found}) == 2
    assert [engine.closed for engine in opened] == [1, 1]


def test_a_failure_is_not_remembered(opened, monkeypatch):
    with Models(PLAIN, shipped()) as models:
        with pytest.raises(PackError, match="did you mean"):
            models.open("person-stor")

        def fails(engine, size):
            raise EngineError("no memory")

        with monkeypatch.context() as patch:
            patch.setattr(opening, "warm_up", fails)
            with pytest.raises(EngineError, match="no memory"):
                models.open(SMALL)
        assert opened[0].closed == 1
        models.open(SMALL)
        assert [engine.closed for engine in opened] == [1, 0]


def test_nothing_opens_after_the_end(opened):
    with Models(PLAIN, shipped()) as models:
        pass
    with pytest.raises(EngineError, match="ended"):
        models.open(SMALL)
    assert [engine.closed for engine in opened] == [1]


def test_engines_get_one_thread_where_cameras_outnumber_cores(opened):
    with Models(PLAIN, shipped(), live=4) as models:
        models.open(SMALL)
        models.live_cameras(4)
        models.live_cameras(5)
        models.live_cameras(6)
        models.open(FREE)
        models.live_cameras(1)
    assert [engine.counts for engine in opened] == [[0, 1, 0], [1, 0]]
    with Models(PLAIN.model_copy(update={"threads": 3}), shipped(), live=9) as models:
        models.open(SMALL)
        models.live_cameras(1)
    assert opened[-1].counts == [3], "a number that is set stays"


def test_cameras_that_come_while_a_model_opens_count(opened, monkeypatch):
    models = Models(PLAIN, shipped())
    monkeypatch.setattr(opening, "warm_up", lambda engine, size: models.live_cameras(9))
    with models:
        models.open(SMALL)
    assert opened[0].counts == [0, 1]


def test_threads_change_on_real_engines():
    with Models(EngineSettings(cache=False), shipped()) as models:
        engine, pack = models.open(SMALL)
        models.live_cameras(cores() + 1)
        assert engine.ready((1, pack.size[1], pack.size[0], 3))
        assert engine_threads(EngineSettings(), cores() + 1) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("backend", "cuda", "auto, openvino, onnxruntime, tensorrt"),
        ("batch", "8:1", "1:8:32"),
        ("threads", -1, "greater"),
        ("precision", "f8", "f32"),
        ("device", "gpu", "not permitted"),
    ],
)
def test_wrong_settings_are_refused(field, value, words):
    with pytest.raises(ValidationError, match=words):
        EngineSettings.model_validate({field: value})


def test_plans_are_kept_where_it_is_said_or_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert plans_folder("") == tmp_path / "threadline" / "plans"
    assert plans_folder(str(tmp_path)) == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    with pytest.raises(ConfigError, match="name a folder"):
        plans_folder("")
    assert plans_folder(str(tmp_path)) == tmp_path


def test_plans_have_no_bf16():
    with (
        Models(EngineSettings(backend="tensorrt", precision="bf16"), shipped()) as models,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(opening, "choose", lambda name: name)
        with pytest.raises(ConfigError, match=r"bf16.*f32, f16, int8"):
            models.open(SMALL)
