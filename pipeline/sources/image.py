"""Still pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import SourceRefusedError
from pipeline.flow.pace import Decoding
from pipeline.picture.yuv import from_bgr
from pipeline.settings.schema import CameraConfig
from pipeline.types import Frame

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
#: Larger picture files are refused (bytes).
MOST_BYTES = 200_000_000


def load_image(path: Path) -> npt.NDArray[np.uint8]:
    """BGR uint8 (H, W, 3), turned upright where EXIF says so.

    Raises:
        SourceRefusedError: missing, too large or not a picture.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceRefusedError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB")
        packed = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        if isinstance(error, SourceRefusedError):
            raise
        raise SourceRefusedError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR) if packed.size else None
    except cv2.error:  # more pixels than OpenCV accepts
        image = None
    if image is None:
        raise SourceRefusedError(f"{path}: not a picture, or damaged")
    return np.asarray(image, np.uint8)


class ImageSource:
    """A picture as a recording of one frame."""

    def __init__(self, camera: CameraConfig) -> None:
        self.id = camera.name
        self.live = False
        self.length_s: float | None = 0.0
        self.corrupt = 0
        self.decoding: Decoding = "all"
        self.turn: AbstractContextManager[object] = nullcontext()
        self._path = Path(camera.url)
        self._image: npt.NDArray[np.uint8] | None = None

    def __enter__(self) -> ImageSource:
        self._image = load_image(self._path)
        return self

    def __iter__(self) -> Iterator[Frame]:
        if self._image is not None:
            planes = from_bgr(self._image)
            yield Frame(self.id, 0, 0.0, time.monotonic(), time.time(), planes)

    def __exit__(self, *error: object) -> None:
        self._image = None
