"""Regions of NV12 pictures that are on the GPU: the pictures stay there, what models take comes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.trt.cuda import Cuda
from engines.trt.runner import Buffers

_KERNELS = Path(__file__).parent / "kernels"
#: Threads of a block, along x and y.
_BLOCK = (32, 8, 1)
#: ``struct Nv12`` and ``struct Region`` of sample.h.
_NV12 = np.dtype(
    [
        ("luma", np.uint64),
        ("chroma", np.uint64),
        ("pitch", np.int32),
        ("width", np.int32),
        ("height", np.int32),
    ],
    align=True,
)
_REGION = np.dtype(
    [("from", _NV12), ("window", np.int32, 4), ("rows", np.float32, (3, 4))], align=True
)


@dataclass(frozen=True, slots=True)
class Nv12:
    """A decoded picture on the GPU: addresses of luma and of interleaved chroma, bytes from one row
    to the next, and its size in pixels."""

    luma: int
    chroma: int
    pitch: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """A window x0, y0, x1, y1 of a picture, in pixels, and the (3, 4) affine map from (Y, U, V, 1)
    to what is wanted of it, most often R, G, B."""

    picture: Nv12
    window: tuple[int, int, int, int]
    rows: npt.NDArray[np.float32]


class Regions:
    """Crops, resizes and converts regions, a batch in one kernel call. Any thread may ask.

    Raises:
        EngineUnavailableError: there is no nvcc, or it refuses the kernels.
    """

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda
        self._batch = cuda.kernel(_KERNELS / "regions.cu", "regions")
        self._points = cuda.kernel(_KERNELS / "regions.cu", "points")
        self._buffers = Buffers(cuda)
        self._lock = threading.Lock()

    def __call__(self, regions: Sequence[Region], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """uint8 RGB (n, h, w, 3), each region resampled to ``size`` (width, height). What lies
        beyond its picture is grey."""
        shape = (len(regions), size[1], size[0], 3)
        return self._run(self._batch, regions, (*map(np.int32, size),), shape)

    def points(self, region: Region, step: int) -> npt.NDArray[np.uint8]:
        """Luma (h, w) uint8 of every ``step``th pixel of a region inside of its picture."""
        x0, y0, x1, y1 = region.window
        shape = (max(-(-(y1 - y0) // step), 0), max(-(-(x1 - x0) // step), 0))
        if 0 in shape:
            return np.zeros(shape, np.uint8)
        sizes = (np.int32(step), np.int32(shape[1]), np.int32(shape[0]))
        return self._run(self._points, [region], sizes, shape)

    def _run(
        self,
        kernel: Any,
        regions: Sequence[Region],
        sizes: tuple[np.int32, ...],
        shape: tuple[int, ...],
    ) -> npt.NDArray[np.uint8]:
        """What a kernel writes, in memory of its own."""
        width, height, count = int(sizes[-2]), int(sizes[-1]), len(regions)
        grid = (-(-width // _BLOCK[0]), -(-height // _BLOCK[1]), count)
        with self._lock, self.cuda.current():
            given = self._buffers.host("regions", _REGION, (count,))
            for row, region in zip(given, regions, strict=True):
                p = region.picture
                row["from"] = (p.luma, p.chroma, p.pitch, p.width, p.height)
                row["window"], row["rows"] = region.window, region.rows
            wanted = self._buffers.address("regions", given.nbytes)
            self.cuda.upload(wanted, given)
            out = self._buffers.host("out", np.dtype(np.uint8), shape)
            address = self._buffers.address("out", out.nbytes)
            kernel(np.intp(wanted), *sizes, np.intp(address), block=_BLOCK, grid=grid)
            self.cuda.download(out, address)
            self.cuda.wait()
            copied: npt.NDArray[np.uint8] = out.copy()
        return copied

    def close(self) -> None:
        """Free what it holds, and CUDA with it. Nothing happens the second time."""
        with self._lock:
            if self._buffers is not None:
                with self.cuda.current():
                    self._buffers.close()
                self._buffers = None  # type: ignore[assignment]
                self.cuda.close()
