"""What is too old goes: pictures, then rows, a little at a time; counts stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.pictures import FOLDER
from pipeline.store.events_file import drop_lines
from pipeline.store.protocol import Store
from pipeline.store.query import Query
from pipeline.store.settings import KeepSettings
from pipeline.store.visits import milliseconds

#: Visits deleted in one transaction: no write waits longer than that takes.
CHUNK = 250
_HOUR_MS = 3_600_000
#: How pictures end.
_ENDING = ".jpg"


class Retention:
    """One look for what is too old. ``some`` goes on with it.

    Args:
        folder: of the results; names of pictures are within it.
        now: milliseconds since the epoch.
    """

    def __init__(
        self, store: Store, keep: KeepSettings, folder: Path, now: int | None = None
    ) -> None:
        self._store = store
        self._keep = keep
        self._folder = folder
        self._now = round(time.time() * 1000) if now is None else now
        self._steps = self._all()
        self.deleted = 0

    def some(self, seconds: float) -> bool:
        """Delete for about so long; whether everything too old is gone."""
        until = time.monotonic() + seconds
        return all(time.monotonic() <= until for _ in self._steps)

    def _all(self) -> Iterator[None]:
        keep = self._keep
        if keep.pictures_h is not None:
            yield from self._old_pictures(self._now - round(keep.pictures_h * _HOUR_MS))
        if keep.pictures_gb is not None:
            yield from self._too_many(keep.pictures_gb * 1e9)
        if keep.rows_d is not None:
            yield from self._rows(self._now - round(keep.rows_d * 24 * _HOUR_MS))

    def _old_pictures(self, before: int) -> Iterator[None]:
        while found := self._store.pictures(before, CHUNK):
            delete_pictures(self._folder, [name for _, name in found])
            self._store.without_pictures([id_ for id_, _ in found])
            self.deleted += len(found)
            yield
        # Of visits that are in no store: written before there was one, or while it was away.
        for path in _files(self._folder):
            if _written(path) * 1000 < before:
                path.unlink(missing_ok=True)
                self.deleted += 1
            yield

    def _too_many(self, most: float) -> Iterator[None]:
        files = sorted(_files(self._folder), key=_written)
        sizes = [_size(path) for path in files]
        over = sum(sizes) - most
        for path, size in zip(files, sizes, strict=True):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= size
            self.deleted += 1
            yield

    def _rows(self, before: int) -> Iterator[None]:
        query, gone = Query(until=before), 0
        while (found := self._store.forget(query, limit=CHUNK)) is not None:
            delete_pictures(self._folder, [one.picture for one in found if one.picture])
            gone += CHUNK
            yield
        while self._store.forget_events(query):
            gone += 1
            yield
        if gone:
            self._store.settle()
            yield
        drop_lines(self._folder, lambda record: milliseconds(record["utc"]) < before)
        yield


def delete_pictures(folder: Path, names: list[str]) -> None:
    """Delete pictures by their names within a folder; nothing outside of it."""
    inside = (folder / FOLDER).resolve()
    for name in names:
        try:
            path = (folder / name).resolve()
        except ValueError:  # no path at all
            continue
        if inside in path.parents:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    pictures = folder / FOLDER
    if pictures.is_dir():
        yield from pictures.rglob(f"*{_ENDING}")


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
