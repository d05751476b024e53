"""What is too old goes: pictures, then rows, a little at a time; counts stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.files import is_there
from pipeline.pictures import FOLDER, is_snapshot, lessons, look_file, looks_of
from pipeline.store.events_file import drop_lines, first_line
from pipeline.store.protocol import Store
from pipeline.store.query import Query
from pipeline.store.settings import KeepSettings
from pipeline.store.visits import milliseconds

#: Visits deleted in one transaction: no write waits longer than that takes.
CHUNK = 250
_HOUR_MS = 3_600_000
#: Under which is noted up to when pictures are gone.
_NOTE = "pictures gone"


class Retention:
    """One look for what is too old. ``some`` goes on with it.

    Args:
        folder: of the results; names of pictures are within it.
        now: milliseconds since the epoch.
        first: also do what reads every picture or the whole of ``events.jsonl``, if due at all;
            else that is done once it is a day late.
    """

    def __init__(
        self,
        store: Store,
        keep: KeepSettings,
        folder: Path,
        now: int | None = None,
        first: bool = True,
    ) -> None:
        self._store = store
        self._keep = keep
        self._folder = folder
        self._now = round(time.time() * 1000) if now is None else now
        self._first = first
        self._steps = self._all()

    def some(self, seconds: float) -> bool:
        """Delete for about so long; whether everything too old is gone."""
        until = time.monotonic() + seconds
        return all(time.monotonic() <= until for _ in self._steps)

    def _all(self) -> Iterator[None]:
        keep = self._keep
        if keep.pictures_h is not None:
            yield from self._old_pictures(self._now - round(keep.pictures_h * _HOUR_MS))
        if keep.pictures_gb is not None and self._first:
            yield from self._too_many(keep.pictures_gb * 1e9)
        if keep.rows_d is not None:
            yield from self._rows(self._now - round(keep.rows_d * 24 * _HOUR_MS))

    def _old_pictures(self, before: int) -> Iterator[None]:
        since = self._store.noted(_NOTE)
        yield from self._pictures(since, before)
        if before - since > _HOUR_MS:
            self._store.note(_NOTE, before)
        # Of visits that are in no store: written before there was one, or while it was away.
        last_day = time.strftime("%Y-%m-%d", time.gmtime(before / 1000))
        for path in _files(self._folder, last_day):
            if _written(path) * 1000 < before:
                path.unlink(missing_ok=True)
            yield

    def _pictures(self, since: int, until: int) -> Iterator[None]:
        """Delete those of the visits that began in a time."""
        while found := self._store.pictures(since, until, CHUNK):
            delete_pictures(self._folder, [name for _, name in found])
            self._store.without_pictures([id_ for id_, _ in found])
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
            yield

    def _rows(self, before: int) -> Iterator[None]:
        query, gone = Query(until=before), False
        while self._store.forget_events(query):
            gone = True
            yield
        for end in self._store.past_months(before):
            yield from self._pictures(0, end)
            self._store.drop_month(end)
            yield
        while (found := self._store.forget_old(before, CHUNK)) is not None:
            delete_pictures(self._folder, [one.picture for one in found if one.picture])
            gone = True
            yield
        if gone:
            self._store.tidy()
            yield
        delete_lessons(self._folder, lambda path: _written(path) * 1000 < before)
        oldest = first_line(self._folder)
        late = 0 if self._first else 24 * _HOUR_MS
        if oldest is not None and _seen(oldest) < before - late:
            drop_lines(self._folder, lambda record: _seen(record) < before)
        yield


def _seen(record: Mapping[str, Any]) -> int:
    """When a picture was looked at: recordings are as old as the run that found them."""
    return milliseconds(record["utc"])


def delete_pictures(folder: Path, names: Iterable[str]) -> None:
    """Delete pictures by their names within a folder; nothing outside of it."""
    inside = (folder / FOLDER).resolve()
    for name in names:
        try:
            path = (folder / name).resolve()
        except ValueError:  # no path at all
            continue
        if inside not in path.parents:
            continue
        if is_there(path) and path.is_file():
            path.unlink(missing_ok=True)
        for number in looks_of(folder, name):
            (folder / look_file(name, number)).unlink(missing_ok=True)


def delete_lessons(folder: Path, gone: Callable[[Path], bool]) -> None:
    """Delete pictures that were kept to teach with."""
    for path in lessons(folder):
        if gone(path):
            path.unlink(missing_ok=True)


def _files(folder: Path, last_day: str = "") -> Iterator[Path]:
    """All pictures of visits, and nobody's other files; with ``last_day`` but those in folders of
    later days."""
    for day in (folder / FOLDER).glob("*/*"):
        if day.is_dir() and not (last_day and day.name > last_day):
            yield from (one for one in day.iterdir() if is_snapshot(one) and one.is_file())


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
