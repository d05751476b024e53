"""Regions of an NV12 picture that is on the GPU, as models take them, without leaving it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.trt.cuda import DeviceArray, PyCuda
from engines.trt.runner import Buffers

_KERNELS = Path(__file__).parent / "kernels"
#: Threads of a block, along x and y.
_BLOCK = (32, 8, 1)


@dataclass(frozen=True, slots=True)
class Nv12:
    """A decoded picture on the GPU: addresses of luma and of interleaved chroma, bytes from one row
    to the next, and its size in pixels."""

    luma: int
    chroma: int
    pitch: int
    width: int
    height: int


class Regions:
    """One kernel call for a batch of regions: crop, resize, convert to RGB."""

    def __init__(self, cuda: PyCuda) -> None:
        self._cuda = cuda
        self._kernel = cuda.kernel(_KERNELS / "regions.cu", "regions")
        self._buffers = Buffers(cuda)

    def __call__(
        self, picture: Nv12, windows: npt.NDArray[np.int32], rows: npt.NDArray[np.float32],
        size: tuple[int, int],
    ) -> DeviceArray:  # fmt: skip
        """uint8 RGB (n, h, w, 3) on the device, valid until the next call.

        Args:
            picture: on the device.
            windows: (n, 4) regions x0, y0, x1, y1 in pixels; may reach beyond the picture.
            rows: (3, 4) affine map from (Y, U, V, 1) to R, G, B.
            size: width and height of what comes out.
        """
        width, height = size
        shape = (len(windows), height, width, 3)
        with self._cuda.current():
            out = DeviceArray(
                self._buffers.address("out", len(windows) * height * width * 3), shape,
                np.dtype(np.uint8),
            )  # fmt: skip
            given = [self._sent("windows", windows), self._sent("rows", rows)]
            grid = (-(-width // _BLOCK[0]), -(-height // _BLOCK[1]), len(windows))
            sizes = [np.int32(n) for n in (picture.pitch, picture.width, picture.height)]
            self._kernel(
                np.intp(picture.luma), np.intp(picture.chroma), *sizes, *map(np.intp, given),
                np.int32(width), np.int32(height), np.intp(out.address),
                block=_BLOCK, grid=grid, stream=self._cuda.handle,
            )  # fmt: skip
        return out

    def _sent(self, name: str, array: npt.NDArray[Any]) -> int:
        host = self._buffers.host(name, array.dtype, array.shape)
        np.copyto(host, array)
        address = self._buffers.address(name, array.nbytes)
        self._cuda.upload(address, host)
        return address

    def fetched(self, array: DeviceArray) -> npt.NDArray[np.uint8]:
        """A copy of an array of the device."""
        with self._cuda.current():
            host = self._buffers.host("fetched", array.dtype, array.shape)
            self._cuda.download(host, array.address)
            self._cuda.wait()
        copied: npt.NDArray[np.uint8] = host.copy()
        return copied

    def close(self) -> None:
        """Free what it holds."""
        with self._cuda.current():
            self._buffers.close()
