"""People forgotten on purpose: pictures first, then rows, the index, and lines of events."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.store.events_file import drop_lines
from pipeline.store.journal import NAME as JOURNAL
from pipeline.store.journal import Journal
from pipeline.store.protocol import Store
from pipeline.store.query import Query
from pipeline.store.retention import delete_pictures
from pipeline.store.visits import milliseconds

Unwanted = Callable[[Mapping[str, Any]], bool]
Forget = Callable[[Unwanted], object]


def forget(
    store: Store,
    folder: Path,
    query: Query,
    counts: bool = False,
    journal: Forget | None = None,
) -> int:
    """Forget what a query finds everywhere it is kept; how many visits. Where it asks for no
    clothes and no zone, events about nobody in its time are forgotten too.

    Args:
        folder: of the results.
        counts: also taken out of the counts by hour and day.
        journal: takes events out of the journal, where a run writes it; else it is opened.
    """
    gone: set[str] = set()
    while (found := store.forget(query, counts)) is not None:
        delete_pictures(folder, [one.picture for one in found if one.picture])
        gone |= {one.visit for one in found}
    everything = not query.either and not query.without and not query.zones
    while everything and store.forget_events(query):
        pass

    def unwanted(record: Mapping[str, Any]) -> bool:
        return record.get("visit") in gone or (everything and _meant(record, query))

    _lines(store, folder, unwanted, journal)
    return len(gone)


def forget_visit(
    store: Store,
    folder: Path,
    name: str,
    counts: bool = False,
    journal: Forget | None = None,
) -> int:
    """Forget one visit by its UUID; ConfigError if that is none. Arguments as of ``forget``."""
    try:
        key = uuid.UUID(name)
    except ValueError:
        raise ConfigError(f"--visit {name}: no id of a visit") from None
    found = store.forget_visit(key.bytes, counts) or []
    delete_pictures(folder, [one.picture for one in found if one.picture])
    _lines(store, folder, lambda record: record.get("visit") == str(key), journal)
    return len(found)


def _lines(store: Store, folder: Path, unwanted: Unwanted, journal: Forget | None) -> None:
    drop_lines(folder, unwanted)
    if journal is not None:
        journal(unwanted)
    elif (folder / JOURNAL).is_file():
        with Journal(folder) as opened:
            opened.forget(unwanted)
    store.settle()


def _meant(record: Mapping[str, Any], query: Query) -> bool:
    """Whether a record about nobody in particular lies in a query's time and at its cameras."""
    if record.get("visit"):
        return False
    at = milliseconds(record.get("recorded_at") or record.get("hour") or record["utc"])
    if not (query.since or 0) <= at < (query.until or 1 << 62):
        return False
    return not query.cameras or (record.get("camera") or record.get("source")) in query.cameras
