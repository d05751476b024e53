"""What all sources have in common."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from pipeline.errors import redact
from pipeline.sources.camera import CameraSettings
from pipeline.types import Decoding

#: Seconds a recording may take to open or to give its next picture.
FILE_TIMEOUT_S = 20.0


class BaseSource:
    """What every source keeps; see ``pipeline.protocols.Source``. Opening, reading and closing are
    the subclass's.

    Attributes:
        camera: its settings.
        where: its location without credentials, for messages.
    """

    def __init__(self, camera: CameraSettings, live: bool) -> None:
        self.id = camera.name
        self.live = live
        self.size: tuple[int, int] | None = None
        self.length_s: float | None = None
        self.corrupt = 0
        self.lost = 0
        self.jumps = 0
        self.decoding: Decoding = "all"
        self.turn: AbstractContextManager[object] = nullcontext()
        self.camera = camera
        self.where = redact(camera.url)
        #: Seconds to wait for a picture before giving up.
        self.wait_s = camera.timeout_s if live else FILE_TIMEOUT_S
