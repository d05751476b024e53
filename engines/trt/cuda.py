"""Device memory and a stream, through PyCUDA: the only place that knows it.

The primary context is used, which PyTorch and the CUDA runtime share. It is made current where it
is needed and only as long, so that the thread that opens an engine, the one that runs it and the
one that closes it may be three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engines.base import Array, EngineError, EngineUnavailableError


class Cuda(Protocol):
    """What a runner needs of CUDA. Copies are asynchronous, in order on one stream."""

    stream: int

    def current(self) -> AbstractContextManager[None]:
        """Within it, this thread may use everything else here."""
        ...

    def allocate(self, size: int) -> int:
        """Address of ``size`` bytes on the device."""
        ...

    def free(self, address: int) -> None: ...

    def pinned(self, size: int) -> Array:
        """Host memory (size,) uint8 that copies can use directly; freed with its last view."""
        ...

    def upload(self, address: int, host: Array) -> None: ...

    def download(self, host: Array, address: int) -> None: ...

    def wait(self) -> None:
        """Until all that was asked for is done."""
        ...

    def kernel(self, file: Path, name: str) -> Callable[..., None]:
        """A kernel of a CUDA file, to be called with its arguments, ``block`` and ``grid``."""
        ...

    def close(self) -> None:
        """Free what is left, in the order CUDA wants it. Nothing happens the second time."""
        ...


class PyCuda:
    """CUDA by PyCUDA on one GPU.

    Raises:
        EngineUnavailableError: PyCUDA, the driver or the GPU is missing.
    """

    def __init__(self, device: int = 0) -> None:
        try:
            import pycuda.driver as driver
        except ImportError as error:
            raise EngineUnavailableError(
                f"CUDA needs PyCUDA and NVIDIA's driver: {str(error).splitlines()[0]}"
            ) from error
        try:
            driver.init()
            self._context: Any = driver.Device(device).retain_primary_context()
        except driver.Error as error:
            raise EngineUnavailableError(f"CUDA: {error}; is there an NVIDIA GPU?") from error
        self._driver = driver
        self._memory: dict[int, Any] = {}
        with self.current():
            self._stream: Any = driver.Stream()
        self.stream = int(self._stream.handle)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._context.push()
        try:
            yield
        except self._driver.Error as error:
            raise EngineError(f"CUDA: {error}") from error
        finally:
            self._context.pop()

    def allocate(self, size: int) -> int:
        try:
            memory = self._driver.mem_alloc(max(size, 1))
        except self._driver.MemoryError as error:
            raise EngineUnavailableError(
                f"the GPU has no {size / 2**20:.0f} MiB left: use a smaller batch"
            ) from error
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        self._memory.pop(address).free()

    def pinned(self, size: int) -> Array:
        host: Array = self._driver.pagelocked_empty(max(size, 1), np.uint8)
        return host

    def upload(self, address: int, host: Array) -> None:
        self._driver.memcpy_htod_async(address, host, self._stream)

    def download(self, host: Array, address: int) -> None:
        self._driver.memcpy_dtoh_async(host, address, self._stream)

    def wait(self) -> None:
        self._stream.synchronize()

    def kernel(self, file: Path, name: str) -> Callable[..., None]:
        """A kernel of a CUDA file, compiled for this GPU by nvcc the first time.

        Raises:
            EngineUnavailableError: there is no nvcc, or it refuses the file.
        """
        from pycuda.compiler import SourceModule

        with self.current():
            try:
                module = SourceModule(
                    file.read_text(encoding="utf-8"),
                    no_extern_c=True,
                    include_dirs=[str(file.parent)],
                )
            except (OSError, self._driver.Error) as error:
                raise EngineUnavailableError(f"{file.name}: nvcc: {error}") from error
            function = module.get_function(name)

        def call(*given: Any, **sizes: Any) -> None:
            function(*given, stream=self._stream, **sizes)

        return call

    def close(self) -> None:
        if self._context is None:
            return
        with self.current():
            with suppress(self._driver.Error):  # an error of the last run shows here once more
                self._stream.synchronize()
            for memory in self._memory.values():
                memory.free()
            self._memory.clear()
            self._stream = None
        self._context.detach()
        self._context = None
