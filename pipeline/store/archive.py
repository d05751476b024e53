"""Stores filled from what earlier runs left, and from other stores."""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select

from pipeline.errors import ConfigError, StoreError
from pipeline.store.months import CUT
from pipeline.store.protocol import Store
from pipeline.store.schema import meta, metadata, term
from pipeline.store.visits import milliseconds

_BATCH = 2_000
_ROWS = 5_000
#: A longer line is none of ours (bytes).
_MOST_LINE = 1 << 20
#: Called with what was done since the last time: bytes read, or rows copied.
Progress = Callable[[int], None]


@dataclass(slots=True)
class Imported:
    """What became of the lines of files."""

    lines: int = 0
    news: int = 0
    known: int = 0
    malformed: int = 0
    newer: set[str] = field(default_factory=set)


def event_files(places: Iterable[Path]) -> list[Path]:
    """The files of events among files and folders, older ones that were rotated away first.

    Raises:
        ConfigError: there is no such place, or none in a folder.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = [path for path in place.rglob("events.jsonl*") if path.suffix != ".part"]
            if not inside:
                raise ConfigError(f"{place}: holds no events.jsonl")
            found += sorted(inside, key=lambda path: (path.parent, path.stat().st_mtime))
        elif place.is_file():
            found.append(place)
        else:
            raise ConfigError(f"{place}: no such file or folder")
    return found


def import_events(store: Store, path: Path, progress: Progress = lambda done: None) -> Imported:
    """Add the events of a file, of version 1 or 2, to a store. What is there already changes
    nothing. Lines that are no events are counted.

    Raises:
        StoreError: it cannot be written.
    """
    done, older, batch = Imported(), _VersionOne(), []
    for line in _lines(path):
        progress(len(line))
        done.lines += 1
        record = _record(line, older, done)
        if record is None:
            done.malformed += 1
            continue
        batch.append(record)
        if len(batch) >= _BATCH:
            _write(store, batch, done)
            batch = []
    _write(store, batch, done)
    return done


def _write(store: Store, batch: list[Mapping[str, Any]], done: Imported) -> None:
    if batch:
        written = store.write(batch)
        done.news += written.news
        done.known += written.known
        done.malformed += written.malformed


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(_MOST_LINE):
                yield line
    except (OSError, EOFError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None


def _record(line: bytes, older: _VersionOne, done: Imported) -> Mapping[str, Any] | None:
    if not line.strip():
        return None
    try:
        record = json.loads(line)
        version = record.get("version", 1)
        if version == 2:
            return dict(record)
        if version == 1:
            return older.record(record, line)
        done.newer.add(str(version)[:20])
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        pass
    return None


class _VersionOne:
    """Gives events of version 1 the ids they lack, the same whenever the file is read: a visit
    begins where somebody enters, or is mentioned first."""

    def __init__(self) -> None:
        self._visits: dict[tuple[str, object], str] = {}
        self._run = ""
        self._last = 0

    def record(self, record: Mapping[str, Any], line: bytes) -> Mapping[str, Any]:
        """The same event in version 2."""
        ms, key = milliseconds(record["utc"]), (str(record["camera"]), record.get("track_id"))
        digest = int.from_bytes(hashlib.blake2b(line.strip(), digest_size=8).digest(), "big")
        self._run = self._run or _made(ms << 12, digest)
        self._last = max(ms << 12, self._last + 1)
        made = {"event_id": _made(self._last, digest), "run": self._run, "visit": None}
        if key[1] is not None:
            if record["event"] == "entered" or key not in self._visits:
                self._visits[key] = _made(ms << 12 | digest & 0xFFF, digest)
            made["visit"] = self._visits[key]
        return {**record, "recorded_at": None, "snapshot": None, **made}


def _made(order: int, rest: int) -> str:
    """A UUID of version 7 from a time with a counter, and from what tells it from others."""
    value = (order >> 12) << 80 | 0x7 << 76 | (order & 0xFFF) << 64
    return str(uuid.UUID(int=value | 0b10 << 62 | rest & (1 << 62) - 1))


def copy(source: Store, target: Store, progress: Progress = lambda done: None) -> int:
    """Copy everything into a store that is empty; how many rows.

    Raises:
        StoreError: it is not empty, or one of them cannot be used.
    """
    copied = 0
    with source.reading() as reading, target.writing() as writing:
        if writing.execute(select(func.count()).select_from(term)).scalar():
            raise StoreError(f"{target.where}: holds something already; copy into an empty one")
        writing.execute(delete(meta))
        for table in metadata.sorted_tables:
            column = dict(CUT).get(table.name)
            rows = reading.execution_options(yield_per=_ROWS).execute(
                select(table).order_by(*table.primary_key.columns)
            )
            for part in rows.mappings().partitions(_ROWS):
                if column is not None:
                    target.facets.make_room(writing, {row[column] for row in part})
                writing.execute(insert(table), [dict(row) for row in part])
                if table.name == "visit":
                    target.facets.change(writing, (), [(row["id"], row["terms"]) for row in part])
                copied += len(part)
                progress(len(part))
    return copied
