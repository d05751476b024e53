"""Decoding on an NVIDIA GPU, by FFmpeg's NVDEC decoders in PyAV; the pictures stay there.

The same packets go in and the same pictures come out as from FFmpeg's decoders on the processor, so
that faults, times and reconnections are dealt with once. Looking at pictures needs PyCUDA and nvcc.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import av

from engines.base import EngineUnavailableError
from pipeline.picture.nv12 import Nv12Planes

if TYPE_CHECKING:
    from engines.trt.regions import Regions

log = logging.getLogger("threadline.sources")

#: Whoever asks first makes the reader of all cameras.
_ONE = Lock()
#: PyAV's name of the format of pictures that stay on the GPU.
ON_GPU = "cuda"
#: What is missing, and how a container gets it.
_NO_DECODER = (
    "the driver's video decoder (libnvcuvid) is not here; for a container set "
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"
)
#: FFmpeg's words for decoding in the CUDA context that is current, which PyCUDA's is: with one of
#: its own, or the device's primary one under other flags, one could not read the other's pictures.
_CONTEXT: Mapping[str, str] = MappingProxyType({"primary_ctx": "0", "current_ctx": "1"})


@lru_cache(maxsize=1)
def reader() -> Regions | None:
    """What reads pictures on the GPU, one for all cameras; ``None``, with one warning, where that
    cannot be."""
    from engines.trt.cuda import PyCuda
    from engines.trt.gpu import video_decoder
    from engines.trt.regions import Regions

    try:
        cuda = PyCuda()
        try:
            if not video_decoder():  # FFmpeg would decode on the processor and say nothing
                raise EngineUnavailableError(_NO_DECODER)
            with cuda.current():
                _accelerator().create(av.Codec("h264", "r"))
            regions = Regions(cuda)
        except BaseException:
            cuda.close()
            raise
    except (EngineUnavailableError, av.FFmpegError, NotImplementedError) as error:
        log.warning("reader nvdec: %s; decoding on the processor", error)
        return None
    atexit.register(regions.close)
    return regions


def _accelerator() -> Any:
    try:
        from av.codec.hwaccel import HWAccel

        return HWAccel(ON_GPU, options=dict(_CONTEXT), is_hw_owned=True)
    except (ImportError, TypeError):
        raise EngineUnavailableError(
            f"PyAV {av.__version__} cannot keep pictures on a GPU; install av>=18"
        ) from None


def on_gpu() -> Nvdec:
    """Decoding on the GPU where that can be, else on the processor."""
    with _ONE:  # cameras are opened side by side
        return Nvdec(reader())


class Nvdec:
    """How one stream is decoded: on the GPU if ``regions`` is given and it knows the codec."""

    def __init__(self, regions: Regions | None = None) -> None:
        self._regions = regions

    def current(self) -> AbstractContextManager[None]:
        """Within it decoders are made."""
        return nullcontext() if self._regions is None else self._regions.cuda.current()

    @property
    def accelerator(self) -> Any:
        """What PyAV makes a decoder with; ``None``: on the processor."""
        return None if self._regions is None else _accelerator()

    def planes(self, picture: Any, matrix: str, full_range: bool) -> Nv12Planes:
        """A decoded picture whose format is ``ON_GPU``.

        Raises:
            ValueError: it is not NV12, the format of common cameras' 8 bit pictures.
        """
        from engines.trt.regions import Nv12

        assert self._regions is not None
        if picture.sw_format.name != "nv12":
            raise ValueError(f"{picture.sw_format.name} pictures on the GPU; set reader: ffmpeg")
        luma, chroma = picture.planes
        place = Nv12(
            luma.buffer_ptr, chroma.buffer_ptr, luma.line_size, picture.width, picture.height
        )
        return Nv12Planes(place, self._regions, picture, matrix, full_range)
