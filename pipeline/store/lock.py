"""One process writes a store. Who that is stands in a file beside it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StoreInUseError
from pipeline.files import explained, locked, private


class StoreLock:
    """Held from ``take`` to ``release``; a process that dies lets go of it.

    Attributes:
        unclean: whoever held it last did not release it.
    """

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}.lock")
        self._store = store
        self._handle: int | None = None
        self.unclean = False

    def take(self, holder: str) -> None:
        """Take the lock, and write down who holds it.

        Raises:
            StoreInUseError: somebody else holds it.
        """
        with explained(self._path):
            handle = private(self._path, os.O_CREAT | os.O_RDWR)
        try:
            known = os.read(handle, 200).decode("utf-8", "replace").strip()
            if not locked(handle):
                raise StoreInUseError(
                    f"{self._store}: in use by {known or 'another process'}; wait until it has "
                    "ended, or stop it"
                )
            self.unclean = bool(known)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{holder} (process {os.getpid()})".encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Let go, after everything is written."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with suppress(OSError):
                os.ftruncate(handle, 0)
            os.close(handle)
