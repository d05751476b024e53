"""The outlet that writes events into the store, from the journal, on its own thread."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import StoreAwayError
from pipeline.store.forgetting import Forgetful
from pipeline.store.opening import made, place_of
from pipeline.store.requests import Requests
from pipeline.store.retention import Retention
from pipeline.store.settings import StoreSettings
from pipeline.store.sql import holder

log = logging.getLogger("threadline.store")

#: Bytes of a recording's beginning and end by which it is known again.
_KNOWN_BY = 1 << 20
#: Seconds between two looks for what is too old.
SWEEP_S = 60.0
#: Of so many looks, the first is thorough.
_THOROUGH = 60
#: Seconds a look may take before events are written again.
_SLICE_S = 0.2


class StoreSink:
    """Takes records of events. A database that is away, or a full disk, is a StoreError: the
    outlet tries again, and the journal holds what comes meanwhile.

    Args:
        folder: of the results.
        files: camera -> the file it is a recording of, where it is one.

    Attributes:
        settings: ``keep`` of them may be another one at any time.
    """

    name = "store"
    #: A commit at most so often (s), with at most so many events.
    gather_s = 0.5
    most = 2_000

    def __init__(
        self, settings: StoreSettings, folder: Path, files: Callable[[str], Path | None]
    ) -> None:
        self.settings = settings
        self._folder = folder
        self._files = files
        self._recordings: dict[str, str] = {}
        self._store = made(place_of(settings, folder), settings.counts_only)
        self._requests = Requests(self._store, folder)
        self._run: str | None = None
        self._opened = False
        self._swept = float("-inf")
        self._sweep: Retention | None = None
        self._sweeps = 0
        self.last: str | None = None
        self.journal: Forgetful | None = None

    def __enter__(self) -> StoreSink:
        try:
            self._open()
        except StoreAwayError:
            # A database that is away now may come; what happens until then is in the journal.
            log.warning("%s: not there yet; events wait in the journal", self._store.where)
        return self

    def __exit__(self, *error: object) -> None:
        self._store.close()

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write a batch; none of it again if it comes again."""
        if not self._opened:
            self._open()
        for camera in {str(record.get("camera")) for record in records} - self._recordings.keys():
            if (found := self._files(camera)) and (known := known_by(found)):
                self._recordings[camera] = known
        self._run = next((record.get("run") for record in reversed(records)), self._run)
        done = self._store.write(records, self._recordings)
        if done.malformed:
            log.warning("%s: %d records could not be read", self._store.where, done.malformed)

    def idle(self) -> None:
        """Forget some of who is to be forgotten, delete some of what is too old, and let go of
        cameras that were removed; called between batches."""
        here = {camera: own for camera, own in self._recordings.items() if self._files(camera)}
        self._recordings = here
        if self._opened and self._requests.some(_SLICE_S, self._run, self.journal):
            self._look_for_old()

    def _look_for_old(self) -> None:
        if self.settings.counts_only:
            return
        if self._sweep is None:
            if time.monotonic() - self._swept < SWEEP_S:
                return
            first = self._sweeps % _THOROUGH == 0
            keep = self.settings.keep
            self._sweep = Retention(self._store, keep, self._folder, first=first)
            self._sweeps += 1
        if self._sweep.some(_SLICE_S):
            self._sweep, self._swept = None, time.monotonic()

    def _open(self) -> None:
        self._store.open(self.settings.zone, holder("threadline run"))
        self._opened = True


def known_by(path: Path) -> str | None:
    """What a file is known by: its size, its beginning and its end. ``None`` if it is none."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            digest = hashlib.blake2b(file.read(_KNOWN_BY), digest_size=16)
            size = file.seek(0, 2)
            file.seek(max(size - _KNOWN_BY, 0))
            digest.update(file.read(_KNOWN_BY))
            digest.update(str(size).encode())
    except (OSError, ValueError):
        return None
    return digest.hexdigest()
