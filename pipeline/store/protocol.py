"""What every store does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from pipeline.store.facets import Facets
from pipeline.store.query import FacetCounts, Page, Query, Series, Tally
from pipeline.store.removal import Gone
from pipeline.store.visits import Term, Visit
from pipeline.store.writing import Written


class Store(Protocol):
    """The past. What reads works from any thread, what writes from one. All raise StoreError where
    the database cannot be used."""

    where: str
    zone: ZoneInfo
    facets: Facets

    def write(
        self, records: Sequence[Mapping[str, Any]], recordings: Mapping[str, str] = ...
    ) -> Written:
        """Add what is new in records of events, all or nothing."""
        ...

    def search(
        self, query: Query, cursor: str | None = None, limit: int = 50, tags: bool = False
    ) -> Page:
        """Visits, newest first, behind a cursor; with ``tags`` in full, else their summaries."""
        ...

    def count(self, query: Query) -> Tally: ...

    def facets_of(self, query: Query, within_s: float = float("inf")) -> FacetCounts:
        """What they wear, and where they were, of as many as can be read within about so long."""
        ...

    def beside(self, one: Visit) -> tuple[bytes | None, bytes | None]:
        """The UUIDs of the visits that began before and after one at its camera."""
        ...

    def density(self, query: Query, bins: int) -> list[int]:
        """Visits by when they began, in ``bins`` equal parts of the query's time, which has a
        beginning and an end."""
        ...

    def presence(self, camera: str, since: int, until: int) -> list[tuple[int, int]]:
        """Cells of the grid over a camera's picture (row * 48 + column), and tenths of a second
        that people stood there, by whole hours."""
        ...

    def oldest(self, pictures: bool = False) -> int | None:
        """When the oldest visit began, or the oldest with a picture, milliseconds."""
        ...

    def names(self, *kinds: str) -> list[Term]:
        """All names of some kinds that were ever seen."""
        ...

    def series(self, per: str, since: int, until: int, camera: str | None = None) -> Series:
        """People per ``hour`` or ``day`` of the store's zone."""
        ...

    def top(
        self, what: str, since: int, until: int, camera: str | None = None
    ) -> list[tuple[str, int]]:
        """The most frequent ``garments``, ``colours``, ``brands`` ..., and how many people."""
        ...

    def forget_old(self, before: int, limit: int = 500) -> list[Gone] | None:
        """Delete some visits that began before a time; ``None`` once there is nothing. Those of
        recordings are as old as the run that found them."""
        ...

    def past_months(self, before: int) -> list[int]:
        """When the months end that are over before a time and can be dropped: without visits of
        recordings that a run has found since. None where a database has no such months."""
        ...

    def drop_month(self, end: int) -> None:
        """Delete all visits of a month at once; left for later where somebody reads them."""
        ...

    def named(self, names: Sequence[bytes]) -> list[Visit]:
        """Visits by their UUIDs."""
        ...

    def forget_visits(self, names: Sequence[bytes], counts: bool = False) -> list[Gone]:
        """Delete visits, with ``counts`` from these too; which there were."""
        ...

    def forget_events(self, query: Query, limit: int = 5000) -> int:
        """Delete up to ``limit`` of the events about nobody that lie in a query's time and cameras;
        how many."""
        ...

    def pictures(self, since: int, until: int, limit: int = 500) -> list[tuple[int, str]]:
        """The oldest visits that began in a time and have a picture."""
        ...

    def noted(self, key: str) -> int:
        """A number noted under a name; 0 before."""
        ...

    def note(self, key: str, value: int) -> None: ...

    def without_pictures(self, ids: Sequence[int]) -> None:
        """Note that pictures are gone."""
        ...

    def settle(self) -> None:
        """Have what was deleted be gone from every file of the database."""
        ...

    def tidy(self) -> None:
        """Do a little of what ``settle`` does at once; quickly."""
        ...

    def check(self) -> list[str]:
        """What is wrong, and was mended as far as it can be."""
        ...

    def backup(self, file: str) -> None: ...

    def reading(self) -> AbstractContextManager[Connection]: ...

    def writing(self) -> AbstractContextManager[Connection]: ...
