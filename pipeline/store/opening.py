"""Opens a store: a file, or a database by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.store.postgres import PostgresStore
from pipeline.store.protocol import Store
from pipeline.store.settings import NAME, StoreSettings
from pipeline.store.sql import holder
from pipeline.store.sqlite import SqliteStore


def made(place: str, counts_only: bool = False) -> SqliteStore | PostgresStore:
    """A store that is not open yet. ``place``: a file, or ``postgresql://...``."""
    if "://" not in place:
        return SqliteStore(Path(place), counts_only)
    scheme = place.partition("://")[0]
    if scheme == "sqlite":
        return SqliteStore(Path(place.removeprefix("sqlite:///")), counts_only)
    if scheme in ("postgres", "postgresql"):
        return PostgresStore(place, counts_only)
    raise ConfigError(f"{scheme}://: no database that is known; use a file or postgresql://...")


def place_of(settings: StoreSettings, out: Path) -> str:
    """Where the store of a run is."""
    return settings.url or str(out / NAME)


@contextmanager
def reading(place: str) -> Iterator[Store]:
    """A store to read; StoreError if there is none."""
    store = made(place)
    try:
        store.open_to_read()
        yield store
    finally:
        store.close()


@contextmanager
def writing(place: str, what: str, zone: str = "", counts_only: bool = False) -> Iterator[Store]:
    """A store to write, made if missing.

    Args:
        what: the command that does, told to others who would.

    Raises:
        StoreError: another process writes it, or it cannot be used.
    """
    store = made(place, counts_only)
    store.open(zone, holder(what))
    try:
        yield store
    finally:
        store.close()
