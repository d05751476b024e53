"""Which NVIDIA GPUs are here, asked of the driver itself: needs neither TensorRT nor PyCUDA."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

#: CUDA's device attribute for the first number of the compute capability.
_MAJOR = 75
#: And for the second.
_MINOR = 76


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: its name, compute capability (``sm87``) and memory in bytes."""

    name: str
    capability: str
    memory: int


@dataclass(frozen=True, slots=True)
class Driver:
    """The driver: the newest CUDA it runs (``13.0``), and its GPUs in CUDA's order."""

    cuda: str
    gpus: tuple[Gpu, ...]


@lru_cache(maxsize=1)
def driver() -> Driver | None:
    """The driver that is here; ``None`` without one. Asked once."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            return _asked(ctypes.CDLL(name))
        except OSError:
            continue
    return None


@lru_cache(maxsize=1)
def video_decoder() -> bool:
    """Whether the driver's video decoder is here: containers get it only if they ask for it."""
    for name in ("libnvcuvid.so.1", "nvcuvid.dll"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _asked(cuda: Any) -> Driver | None:
    """What a loaded driver says; ``None`` if it does not start."""
    version, count = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDriverGetVersion(ctypes.byref(version)):
        return None
    cuda.cuDeviceGetCount(ctypes.byref(count))
    gpus = [gpu for i in range(count.value) if (gpu := _gpu(cuda, i)) is not None]
    return Driver(f"{version.value // 1000}.{version.value % 1000 // 10}", tuple(gpus))


def _gpu(cuda: Any, index: int) -> Gpu | None:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
    if cuda.cuDeviceGet(ctypes.byref(device), index):
        return None
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    parts = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        parts.append(str(value.value))
    return Gpu(name.value.decode(errors="replace"), f"sm{''.join(parts)}", memory.value)
