"""Recordings whose time is known besides what they tell: one, or several of one camera in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.errors import SourceRefusedError
from pipeline.protocols import Source
from pipeline.sources.base import BaseSource
from pipeline.sources.camera import CameraSettings
from pipeline.types import Frame

log = logging.getLogger("threadline.sources")

#: Seconds between the last picture of one file and the first of the next, where no more is known.
_STEP_S = 0.04


class ChainSource(BaseSource):
    """Files of one camera, one after the other; a file that cannot be read is told and left out.

    Args:
        parts: a source of every file, and when it began (seconds since the epoch), where that is
            known better than by the file itself. A time for the first alone counts on through the
            others.
    """

    def __init__(
        self, camera: CameraSettings, parts: Sequence[tuple[Source, float | None]]
    ) -> None:
        super().__init__(camera, live=False)
        self._parts = parts
        self._first: Source | None = None
        self._failure: SourceRefusedError | None = None
        self._pts = -_STEP_S

    def __enter__(self) -> ChainSource:
        """Open the first file that can be."""
        while self._parts:
            source = self._parts[0][0]
            try:
                self._first = source.__enter__()
            except SourceRefusedError as error:
                self._missing(error)
                self._parts = self._parts[1:]
                continue
            self.size = source.size
            self.length_s = source.length_s if len(self._parts) == 1 else None
            return self
        assert self._failure is not None
        raise self._failure

    def __iter__(self) -> Iterator[Frame]:
        origin: float | None = None
        index = 0
        for i, (source, began) in enumerate(self._parts):
            if began is not None and origin is None:
                origin = began
            after = self._pts + _STEP_S
            shift = after if began is None or origin is None else max(began - origin, after)
            counted = self._told()
            try:
                for frame in self._opened(source, first=i == 0):
                    self.corrupt, self.lost, self.jumps = (
                        before + now for before, now in zip(counted, _told(source), strict=True)
                    )
                    at = frame.recorded_at
                    if origin is not None:
                        at = (origin + shift if began is None else began) + frame.pts
                    self._pts = shift + frame.pts
                    yield replace(frame, index=index, pts=self._pts, recorded_at=at)
                    index += 1
            except SourceRefusedError as error:
                self._missing(error)
        if self._failure is not None:
            raise self._failure

    def _opened(self, source: Source, first: bool) -> Iterator[Frame]:
        if first:  # it is open already, and left with the chain
            yield from source
            return
        with source:
            yield from source

    def _missing(self, error: SourceRefusedError) -> None:
        if len(self._parts) > 1:
            log.error("%s; the other files of %s are read", error, self.id)
        self._failure = self._failure or error

    def _told(self) -> tuple[int, int, int]:
        return self.corrupt, self.lost, self.jumps

    def __exit__(self, *error: object) -> None:
        if self._first is not None:
            first, self._first = self._first, None
            first.__exit__(*error)


def _told(source: Source) -> tuple[int, int, int]:
    return source.corrupt, source.lost, source.jumps
