"""CUDA on a machine without a GPU: device memory is ordinary memory, and the project's kernels are
their own arithmetic, compiled for the host and called for one pixel after the other."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import engines.trt
from engines.trt.regions import Nv12, Regions
from pipeline.picture.nv12 import Nv12Planes

KERNELS = Path(engines.trt.__file__).parent / "kernels"
_LOOPS = """
#include "sample.h"
void regions(const struct Region *wanted, int width, int height, unsigned char *out, int count) {
    for (int n = 0; n < count; n++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                sample(wanted + n, x, y, width, height,
                       out + 3 * (((long)n * height + y) * width + x));
}
void points(const struct Region *wanted, int step, int width, int height, unsigned char *out,
            int count) {
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) out[(long)y * width + x] = point(wanted, x, y, step);
}
"""


def compiled(folder: Path) -> ctypes.CDLL:
    """The kernels for the host; skips where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    (folder / "loops.c").write_text(_LOOPS)
    library = folder / "loops.so"
    flags = ["-O2", "-shared", "-fPIC", "-Wall", "-Werror", f"-I{KERNELS}"]
    subprocess.run([compiler, *flags, str(folder / "loops.c"), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class HostCuda:
    """As ``engines.trt.cuda.Cuda``; counts kernel calls and the bytes that come back."""

    stream = 1

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.blocks: dict[int, np.ndarray] = {}
        self.calls = self.fetched = 0
        self.closed = False

    @contextmanager
    def current(self):
        assert not self.closed
        yield

    def allocate(self, size):
        block = np.zeros(size, np.uint8)
        self.blocks[block.ctypes.data] = block
        return block.ctypes.data

    def free(self, address):
        del self.blocks[address]

    def pinned(self, size):
        return np.zeros(size, np.uint8)

    def upload(self, address, host):
        ctypes.memmove(address, host.ctypes.data, host.nbytes)

    def download(self, host, address):
        self.fetched += host.nbytes
        ctypes.memmove(host.ctypes.data, address, host.nbytes)

    def wait(self):
        pass

    def kernel(self, file, name):
        assert file.read_text().count(f" {name}(") == 1
        function = getattr(self._library, name)

        def call(*given, block, grid):
            self.calls += 1
            kinds = {np.dtype(np.intp): ctypes.c_void_p, np.dtype(np.int32): ctypes.c_int}
            function(*(kinds[g.dtype](int(g)) for g in given), grid[2])

        return call

    def close(self):
        assert not self.blocks
        self.closed = True


def on_gpu(planes, regions: Regions) -> Nv12Planes:
    """A picture as a decoder leaves it on the device: NV12 with padded rows."""
    height, width = planes.y.shape
    pitch = (width + 63) // 64 * 64
    memory = np.zeros((height + height // 2, pitch), np.uint8)
    memory[:height, :width] = planes.y
    memory[height:, 0 : width // 2 * 2 : 2] = planes.u[: height // 2, : width // 2]
    memory[height:, 1 : width // 2 * 2 : 2] = planes.v[: height // 2, : width // 2]
    luma = memory.ctypes.data
    place = Nv12(luma, luma + height * pitch, pitch, width, height)
    return Nv12Planes(place, regions, memory, planes.matrix, planes.full_range)
