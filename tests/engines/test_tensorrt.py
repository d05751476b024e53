"""Bookkeeping of the TensorRT runner: what is allocated is freed, once, by whoever may.

CUDA and TensorRT are stand-ins here: there is no GPU in these tests. They keep books, and compute
next to nothing; that plans say what their models say is compared where there is a GPU.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from engines import EngineError, EngineInputError, EngineOptions, ModelFileError
from engines.trt import build, gpu, runner
from engines.trt import library as trt_library
from engines.trt.runner import Buffers, TensorRtEngine

PLAN = b"plan"


class Memory:
    """CUDA's memory: addresses with bytes behind them; wrong use fails."""

    def __init__(self):
        self.stream = 7
        self.blocks, self.room, self.next = {}, 1 << 24, 4096
        self.closed, self.inside, self.pending, self.pins = False, 0, [], 0

    @contextmanager
    def current(self):
        assert not self.closed
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    def allocate(self, size):
        assert self.inside
        if size + sum(map(len, self.blocks.values())) > self.room:
            raise EngineError("no memory")
        self.next += 1 << 20
        self.blocks[self.next] = np.zeros(size, np.uint8)
        return self.next

    def free(self, address):
        assert self.inside
        del self.blocks[address]  # KeyError: freed twice

    def pinned(self, size):
        self.pins += 1
        return np.zeros(size, np.uint8)

    def upload(self, address, host):
        assert self.inside
        self.blocks[address][: host.nbytes] = host.reshape(-1).view(np.uint8)

    def download(self, host, address):
        # Asynchronous: nothing is there before wait().
        self.pending.append((host, address))

    def wait(self):
        for host, address in self.pending:
            flat = host.reshape(-1).view(np.uint8)
            flat[:] = self.blocks[address][: len(flat)]
        self.pending.clear()

    def close(self):
        assert not self.blocks, "freed by the runner, before the context goes"
        assert not self.inside
        self.closed = True


class Context:
    """Runs ``mean`` (the mean of each picture) and ``bright`` (values above 200, as many as there
    are) over ``images`` at the addresses it is given."""

    def __init__(self, engine):
        self.engine, self.memory = engine, engine.memory
        self.shapes, self.addresses, self.allocators = {}, {}, {}
        self.fails = False

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def set_output_allocator(self, name, allocator):
        self.allocators[name] = allocator
        return True

    def get_tensor_shape(self, name):
        count = self.shapes["images"][0]
        return {"mean": (count,), "bright": (-1,)}[name]

    def execute_async_v3(self, stream):
        assert stream == self.memory.stream
        if self.fails:
            return False
        shape = self.shapes["images"]
        block = self.memory.blocks[self.addresses["images"]]
        images = block[: np.prod(shape)].reshape(shape)
        self._put(self.addresses["mean"], images.reshape(len(images), -1).mean(1), np.float32)
        if "bright" in self.allocators:
            bright = images[images > 200]
            one = self.allocators["bright"]
            address = one.reallocate_output_async("bright", 0, max(bright.nbytes, 1), 256, stream)
            one.notify_shape("bright", bright.shape)
            self._put(address, bright, np.uint8)
        return True

    def _put(self, address, values, dtype):
        data = np.asarray(values, dtype).reshape(-1).view(np.uint8)
        self.memory.blocks[address][: len(data)] = data


@pytest.fixture
def cuda():
    return Memory()


@pytest.fixture
def trt(monkeypatch, cuda):
    """A TensorRT that loads ``PLAN`` and nothing else; ``outputs`` may be changed."""
    modes = SimpleNamespace(INPUT="in", OUTPUT="out")
    fake = SimpleNamespace(__name__="tensorrt", __version__="0", TensorIOMode=modes)
    fake.outputs, fake.contexts, fake.memory = ["mean"], [], cuda
    fake.ILogger = type("ILogger", (), {"ERROR": 1, "__init__": lambda self: None})
    fake.IOutputAllocator = type("IOutputAllocator", (), {"__init__": lambda self: None})
    fake.nptype = lambda dtype: dtype

    def context():
        fake.contexts.append(Context(engine))
        return fake.contexts[-1]

    engine = SimpleNamespace(
        memory=cuda,
        get_tensor_name=lambda i: ["images", *fake.outputs][i],
        get_tensor_mode=lambda name: "in" if name == "images" else "out",
        get_tensor_shape=lambda name: (-1, 4, 4, 3) if name == "images" else (-1,),
        get_tensor_dtype=lambda name: np.float32 if name == "mean" else np.uint8,
        get_tensor_profile_shape=lambda name, profile: ((1, 4, 4, 3), (1, 4, 4, 3), (4, 4, 4, 3)),
        create_execution_context=context,
    )

    class Runtime:
        def __init__(self, logger):
            assert cuda.inside
            self.logger = logger

        def deserialize_cuda_engine(self, plan):
            engine.num_io_tensors = 1 + len(fake.outputs)
            if plan == PLAN:
                return engine
            self.logger.log(1, "expecting compute 8.9 got compute 9.0\nat engine.cpp:7")
            return None

    fake.Runtime = Runtime
    monkeypatch.setattr(runner, "library", lambda: fake)
    return fake


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "a.plan"
    path.write_bytes(PLAN)
    return path


def opened(plan, cuda):
    return TensorRtEngine(plan, EngineOptions(precision="f16"), lambda: cuda)


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return {"images": rng.integers(0, 256, (count, 4, 4, 3), np.uint8)}


def test_what_goes_in_and_out_is_told(trt, plan, cuda):
    with opened(plan, cuda) as engine:
        assert [(s.name, s.shape) for s in engine.inputs] == [("images", (None, 4, 4, 3))]
        assert [(s.name, s.dtype) for s in engine.outputs] == [("mean", np.float32)]
        assert (engine.backend, engine.precision) == ("tensorrt", "f16")


def test_memory_grows_and_is_used_again_and_all_is_freed(trt, plan, cuda):
    with opened(plan, cuda) as engine:
        sizes = []
        for count in (1, 2, 4, 3, 1, 4):
            batch = pictures(count, count)
            out = engine.infer(batch)
            assert np.allclose(out["mean"], batch["images"].reshape(count, -1).mean(1))
            sizes.append(sum(map(len, cuda.blocks.values())))
        assert sizes == sorted(sizes), "never shrinks"
        assert len(cuda.blocks) == 2, "one block for each tensor"
        pins = cuda.pins
        engine.infer(pictures(4))
        assert cuda.pins == pins, "nothing new for what was seen before"
    assert cuda.closed
    engine.__exit__()  # the second time does nothing
    with pytest.raises(EngineError, match="closed"):
        engine.infer(pictures(1))


def test_more_pictures_than_the_plan_takes_go_in_several_runs(trt, plan, cuda):
    batch = pictures(11)
    with opened(plan, cuda) as engine:
        out = engine.infer(batch)
    assert np.allclose(out["mean"], batch["images"].reshape(11, -1).mean(1))


def test_outputs_of_unknown_length_are_fetched_whole(trt, plan, cuda):
    trt.outputs = ["mean", "bright"]
    with opened(plan, cuda) as engine:
        for count in (1, 4, 2):
            batch = pictures(count, 3)
            bright = engine.infer(batch)["bright"]
            assert sorted(bright) == sorted(batch["images"][batch["images"] > 200])
    assert cuda.closed


def test_inputs_that_do_not_fit_are_refused_and_harm_nothing(trt, plan, cuda):
    with opened(plan, cuda) as engine:
        for wrong in (
            {"images": np.zeros((1, 4, 5, 3), np.uint8)},
            {"images": np.zeros((1, 4, 4, 3), np.float32)},
            {"image": np.zeros((1, 4, 4, 3), np.uint8)},
            {"images": np.zeros((0, 4, 4, 3), np.uint8)},
        ):
            with pytest.raises(EngineInputError):
                engine.infer(wrong)
        with pytest.raises(EngineInputError, match="--batch"):
            engine.prepare((9, 4, 4, 3))
        engine.prepare((4, 4, 4, 3))
        assert [engine.ready((n, 4, 4, 3)) for n in (1, 4, 9)] == [True, True, False]
        engine.threads(2)  # computes on the GPU all the same
        assert len(engine.infer(pictures(2))["mean"]) == 2


def test_a_run_that_fails_is_an_error_and_leaves_nothing_behind(trt, plan, cuda):
    with opened(plan, cuda) as engine:
        engine.infer(pictures(1))
        trt.contexts[-1].fails = True
        with pytest.raises(EngineError, match="could not run"):
            engine.infer(pictures(1))
        trt.contexts[-1].fails = False
        assert len(engine.infer(pictures(1))["mean"]) == 1
    assert cuda.closed


def test_too_little_memory_is_an_error_and_leaves_nothing_behind(trt, plan, cuda):
    cuda.room = 100
    with opened(plan, cuda) as engine:
        assert len(engine.infer(pictures(1))["mean"]) == 1
        with pytest.raises(EngineError, match="no memory"):
            engine.infer(pictures(4))
        assert len(engine.infer(pictures(1))["mean"]) == 1
    assert cuda.closed


@pytest.mark.parametrize(
    ("failure", "reason"),
    [("plan", "expecting compute 8.9 got compute 9.0; build"), ("context", "it gave no reason")],
)
def test_a_plan_that_does_not_load_frees_everything(trt, plan, cuda, monkeypatch, failure, reason):
    if failure == "plan":
        plan.write_bytes(b"for another version")
    else:
        monkeypatch.setattr(runner.TensorRtEngine, "_new_context", lambda self: None)
    with pytest.raises(ModelFileError, match=rf"a\.plan: tensorrt 0 .*{reason}"):
        opened(plan, cuda)
    assert cuda.closed


def test_one_thread_may_open_another_run_and_a_third_close(trt, plan, cuda):
    engine, results = opened(plan, cuda), []
    for step in (lambda: results.append(engine.infer(pictures(2))), engine.__exit__):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
    assert len(results[0]["mean"]) == 2
    assert cuda.closed


def test_buffers_free_what_they_outgrow():
    cuda = Memory()
    buffers = Buffers(cuda)
    with cuda.current():
        first = buffers.address("x", 10)
        assert buffers.address("x", 5) == first
        second = buffers.address("x", 20)
        assert set(cuda.blocks) == {second}
        buffers.close()
        buffers.close()
    assert not cuda.blocks


def test_a_machine_without_a_driver_has_no_gpu(monkeypatch):
    gpu.driver.cache_clear()
    monkeypatch.setattr(gpu.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    assert gpu.driver() is None
    assert "GPU" in trt_library.missing()
    gpu.driver.cache_clear()


def test_a_driver_tells_of_its_gpus():
    """The driver's own calls, answered as CUDA answers them."""

    def put(value):
        def call(out, *_):
            out._obj.value = value
            return 0

        return call

    cuda = SimpleNamespace(
        cuInit=lambda flags: 0,
        cuDriverGetVersion=put(12080),
        cuDeviceGetCount=put(1),
        cuDeviceGet=put(0),
        cuDeviceGetName=lambda name, size, device: setattr(name, "value", b"Orin"),
        cuDeviceTotalMem_v2=put(8 << 30),
        cuDeviceGetAttribute=lambda out, which, device: put({75: 8, 76: 7}[which])(out),
    )
    found = gpu._asked(cuda)
    assert found.cuda == "12.8"
    assert [(g.name, g.capability, g.memory) for g in found.gpus] == [("Orin", "sm87", 8 << 30)]
    cuda.cuInit = lambda flags: 100
    assert gpu._asked(cuda) is None


@pytest.fixture
def rtx(monkeypatch):
    """TensorRT-RTX beside a GPU of the compute capability it is called with."""
    known = type("ComputeCapability", (), {"CURRENT": 0, "SM75": 75, "SM86": 86, "SM120": 120})
    fake = SimpleNamespace(__name__="tensorrt_rtx", __version__="1.7.1", ComputeCapability=known)
    monkeypatch.setattr(trt_library, "library", lambda: fake)
    monkeypatch.setattr(trt_library.util, "find_spec", lambda name: True)

    def beside(capability):
        there = gpu.Driver("13.0", (gpu.Gpu("NVIDIA H200", capability, 1 << 30),))
        for module in (trt_library, build):
            monkeypatch.setattr(module, "driver", lambda: there)
        return fake

    return beside


@pytest.mark.parametrize(
    ("capability", "runs"), [("sm75", True), ("sm86", True), ("sm90", False), ("sm130", True)]
)
def test_tensorrt_rtx_runs_on_what_it_knows_and_on_what_came_later(rtx, capability, runs):
    """1.7.1 refuses plans on an H200 when it loads them; here it is told before one is built."""
    rtx(capability)
    missing = trt_library.missing()
    assert (missing == "") is runs
    assert runs or "this GPU, NVIDIA H200 (sm90): pip install tensorrt" in missing
    assert (trt_library.version() is not None) is runs


def test_nvidias_own_tensorrt_runs_on_any_gpu(rtx):
    fake = rtx("sm90")
    fake.__name__ = "tensorrt"
    del fake.ComputeCapability
    assert trt_library.missing() == ""
    assert build.capabilities((), fake) == []


def test_a_plan_without_targets_is_for_the_gpu_here(rtx):
    """What TensorRT-RTX builds for all GPUs leaves out the oldest."""
    assert build.capabilities((), rtx("sm75")) == [75]
    assert build.capabilities((), rtx("sm130")) == []
    assert build.capabilities(("SM86",), rtx("sm75")) == [86]
