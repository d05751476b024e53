"""Runs a plan: named arrays in, named arrays out, as every engine."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from engines.base import (
    Array,
    Arrays,
    EngineError,
    EngineInputError,
    EngineOptions,
    ModelFileError,
    TensorSpec,
    check_inputs,
    check_shape,
)
from engines.trt.bare import plan_of
from engines.trt.cuda import Cuda, PyCuda
from engines.trt.library import flavour, library, listening


class Buffers:
    """Device and pinned host memory of each tensor, kept between runs and only ever grown."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._device: dict[str, tuple[int, int]] = {}
        self._host: dict[str, Array] = {}

    def address(self, name: str, size: int) -> int:
        """Device memory of a tensor for at least ``size`` bytes."""
        address, room = self._device.get(name, (0, -1))
        if room < size:
            if room >= 0:
                del self._device[name]  # not ours any more, whatever happens next
                self._cuda.free(address)
            address = self._cuda.allocate(size)
            self._device[name] = (address, size)
        return address

    def host(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """Pinned memory of a tensor, as an array."""
        size = prod(shape) * dtype.itemsize
        if name not in self._host or len(self._host[name]) < size:
            self._host[name] = self._cuda.pinned(size)
        return self._host[name][:size].view(dtype).reshape(shape)

    def close(self) -> None:
        """Free everything. Nothing happens the second time."""
        self._host.clear()
        while self._device:
            self._cuda.free(self._device.popitem()[1][0])


def _allocator(trt: Any, buffers: Buffers) -> Any:
    """Memory for outputs whose shape is known only after the run: asked for by TensorRT itself."""

    class Allocator(trt.IOutputAllocator):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)
            self.shapes: dict[str, tuple[int, ...]] = {}

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return buffers.address(name, size)

        def notify_shape(self, name: str, shape: Any) -> None:
            self.shapes[name] = tuple(int(n) for n in shape)

    return Allocator()


class TensorRtEngine:
    """A plan on one GPU. ``path`` is a ``.plan`` file, or an ONNX file from which one is built, or
    taken from ``options.cache``.

    Inputs are copied into pinned memory and from there, outputs back, all on one stream. Outputs
    are views of pinned memory, valid until the next ``infer``.

    Raises:
        EngineUnavailableError: no TensorRT, no PyCUDA, no GPU.
        ModelFileError: the file is damaged, or the plan for another GPU or version.
    """

    backend = "tensorrt"

    def __init__(
        self, path: Path, options: EngineOptions, make_cuda: Callable[[], Cuda] = PyCuda
    ) -> None:
        self.precision = options.precision
        self._trt = library()
        plan = path.read_bytes() if path.suffix == ".plan" else plan_of(path, options)
        cuda = make_cuda()
        self._cuda: Cuda | None = cuda
        self._buffers = Buffers(cuda)
        self._allocator = _allocator(self._trt, self._buffers)
        self._context: Any = None
        self._engine: Any = None
        self._runtime: Any = None
        self.inputs: tuple[TensorSpec, ...] = ()
        self.outputs: tuple[TensorSpec, ...] = ()
        try:
            with cuda.current():
                self._load(path, plan)
        except BaseException:
            self.__exit__()
            raise

    def _load(self, path: Path, plan: bytes) -> None:
        trt = self._trt
        log = self._log = listening(trt)
        self._runtime = trt.Runtime(log)
        engine = self._engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise ModelFileError(
                f"{path}: {flavour(trt)} cannot load this plan, which is damaged, or built for "
                f"another GPU or version: {log.first()}; build it again"
            )
        self._context = self._new_context()
        if self._context is None:
            raise ModelFileError(f"{path}: {flavour(trt)} cannot run this plan: {log.first()}")
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        given = {name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
        self.inputs = tuple(self._spec(name) for name in names if name in given)
        self.outputs = tuple(self._spec(name) for name in names if name not in given)

    def _new_context(self) -> Any:
        """An execution context; TensorRT-RTX records a run of fixed shapes as a CUDA graph and
        plays it back."""
        engine = self._engine
        if not hasattr(self._trt, "CudaGraphStrategy"):
            return engine.create_execution_context()
        config = engine.create_runtime_config()
        config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return engine.create_execution_context(config)

    def _spec(self, name: str) -> TensorSpec:
        shape = tuple(None if n < 0 else int(n) for n in self._engine.get_tensor_shape(name))
        return TensorSpec(
            name, np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name))), shape
        )

    def _within(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise EngineInputError unless the plan's profile has room for a shape."""
        least, _, most = (tuple(s) for s in self._engine.get_tensor_profile_shape(name, 0))
        if any(not low <= n <= high for low, n, high in zip(least, shape, most, strict=True)):
            raise EngineInputError(
                f"input '{name}': {shape} is outside of what the plan was built for, "
                f"{least} to {most}; build it with another --batch"
            )

    def prepare(self, shape: tuple[int, ...]) -> None:
        check_shape(self.inputs, shape)
        self._within(self.inputs[0].name, shape)

    def ready(self, shape: tuple[int, ...]) -> bool:
        try:
            self.prepare(shape)
        except EngineInputError:
            return False
        return True

    def threads(self, count: int) -> None:
        """Nothing changes: it computes on the GPU."""

    def infer(self, inputs: Arrays) -> dict[str, Array]:
        check_inputs(self.inputs, inputs)
        if self._cuda is None:
            raise EngineError("this engine is closed")
        parts = self._parts(inputs)
        for part in parts:
            for name, array in part.items():
                self._within(name, array.shape)
        with self._cuda.current():
            if len(parts) == 1:
                return self._run(self._cuda, inputs)
            runs = (self._run(self._cuda, part) for part in parts)
            each = [{name: array.copy() for name, array in run.items()} for run in runs]
        return {spec.name: np.concatenate([e[spec.name] for e in each]) for spec in self.outputs}

    def _parts(self, inputs: Arrays) -> list[Arrays]:
        """The same inputs, a larger batch than the plan takes in several."""
        if len(self.inputs) != 1 or self.inputs[0].shape[0] is not None:
            return [inputs]
        [(name, batch)] = inputs.items()
        most = int(self._engine.get_tensor_profile_shape(name, 0)[2][0])
        if len(batch) <= most:
            return [inputs]
        return [{name: batch[i : i + most]} for i in range(0, len(batch), most)]

    def _run(self, cuda: Cuda, inputs: Arrays) -> dict[str, Array]:
        context, buffers = self._context, self._buffers
        for name, array in inputs.items():
            host = buffers.host(name, array.dtype, array.shape)
            np.copyto(host, array)
            address = buffers.address(name, array.nbytes)
            cuda.upload(address, host)
            if not (
                context.set_input_shape(name, array.shape)
                and context.set_tensor_address(name, address)
            ):
                raise EngineInputError(f"input '{name}': TensorRT does not take {array.shape}")
        shapes = {}
        for spec in self.outputs:
            shape = tuple(int(n) for n in context.get_tensor_shape(spec.name))
            if any(n < 0 for n in shape):
                context.set_output_allocator(spec.name, self._allocator)
                continue
            shapes[spec.name] = shape
            size = prod(shape) * spec.dtype.itemsize
            context.set_tensor_address(spec.name, buffers.address(spec.name, size))
        if not context.execute_async_v3(cuda.stream):
            raise EngineError(f"TensorRT could not run the plan: {self._log.first()}")
        shapes = {**self._allocator.shapes, **shapes}
        out = {s.name: buffers.host(s.name, s.dtype, shapes[s.name]) for s in self.outputs}
        for name, array in out.items():
            cuda.download(array, buffers.address(name, array.nbytes))
        cuda.wait()
        return out

    def __enter__(self) -> TensorRtEngine:
        return self

    def __exit__(self, *error: object) -> None:
        """Free everything, also after errors; nothing happens the second time."""
        if self._cuda is None:
            return
        # TensorRT's objects go before the CUDA context they live in.
        with self._cuda.current():
            self._context = self._engine = self._runtime = None
            self._buffers.close()
        self._cuda.close()
        self._cuda = None
