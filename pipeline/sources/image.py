"""Still pictures as recordings of one frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.picture.still import load_image
from pipeline.picture.yuv import from_bgr
from pipeline.sources.base import BaseSource
from pipeline.sources.camera import CameraSettings
from pipeline.types import Frame


class ImageSource(BaseSource):
    """A picture as a recording of one frame."""

    def __init__(self, camera: CameraSettings) -> None:
        super().__init__(camera, live=False)
        self.length_s = 0.0
        self._image: npt.NDArray[np.uint8] | None = None

    def __enter__(self) -> ImageSource:
        self._image = self.camera.turn(load_image(Path(self.camera.url)))
        self.size = (self._image.shape[1], self._image.shape[0])
        return self

    def __iter__(self) -> Iterator[Frame]:
        if self._image is not None:
            planes = from_bgr(self._image)
            yield Frame(self.id, 0, 0.0, time.monotonic(), time.time(), planes)

    def __exit__(self, *error: object) -> None:
        self._image = None
