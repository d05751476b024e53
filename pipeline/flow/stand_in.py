"""A main stream in the place of its sub-stream."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pipeline.sources.clock import StreamTime
from pipeline.sources.packets import Encoded
from pipeline.sources.stream import StreamSource
from pipeline.types import Frame


class StandIn:
    """Every picture of a main stream, as frames of the camera."""

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._time: StreamTime | None = None
        self._index = 0

    @property
    def began(self) -> bool:
        return self._time is not None

    def end(self) -> None:
        """The sub-stream is back."""
        self._time = None

    def frames(self, group: Sequence[Encoded]) -> list[Frame]:
        """What packets give; their time begins anew when it first stands in."""
        found = []
        for encoded in group:
            if self._time is None:
                self._time = StreamTime(stamped=False)
            for picture in self._source.decoded(encoded.packet):
                self._index += 1
                now = time.monotonic()
                pts = self._time.seconds(None, encoded.taken, True)
                utc = time.time() - (now - encoded.taken)
                planes = self._source.shown(picture)
                found.append(
                    Frame(
                        self._source.id,
                        self._index,
                        pts,
                        encoded.taken,
                        utc,
                        planes,
                        live=True,
                        camera_utc=encoded.utc,
                    )
                )
        return found
