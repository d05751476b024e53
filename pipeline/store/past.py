"""What is asked of a store, and deleted from it, on every database."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, insert, or_, select, update

from pipeline.ids import lowest
from pipeline.store.calendar import Buckets
from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.loading import chunks, load_named, picture_of
from pipeline.store.numbering import first_of, moment_of
from pipeline.store.query import FacetCounts, Page, Query, Series, Tally
from pipeline.store.removal import Gone, remove
from pipeline.store.schema import event, meta, stream, visit
from pipeline.store.search import Search
from pipeline.store.sql import SqlStore
from pipeline.store.statistics import presence_of, series, top
from pipeline.store.visits import Term, Visit


class PastStore(SqlStore):
    """Searching, counting and forgetting."""

    def __init__(self, where: str, reader: Engine, counts_only: bool = False) -> None:
        super().__init__(where, reader, counts_only)
        self._names = Dictionary()
        self._lock_names = threading.Lock()

    def search(
        self, query: Query, cursor: str | None = None, limit: int = 50, tags: bool = False
    ) -> Page:
        """Visits, newest first, behind a cursor; ConfigError if the cursor is none."""
        with self._known() as (connection, names):
            return Search(self.facets, names, query).page(connection, cursor, limit, tags)

    def count(self, query: Query) -> Tally:
        """How many visits a query finds."""
        with self._known() as (connection, names):
            return Search(self.facets, names, query).count(connection)

    def facets_of(self, query: Query, within_s: float = float("inf")) -> FacetCounts:
        """What they wear, and where they were, of as many as can be read within about so long."""
        with self._known() as (connection, names):
            return Search(self.facets, names, query).facets(connection, within_s)

    def beside(self, one: Visit) -> tuple[bytes | None, bytes | None]:
        """The visits that began before and after one at its camera."""
        with self._known() as (connection, names):
            here = select(visit.c.name).where(visit.c.camera == self._camera(names, one.camera))
            before = here.where(visit.c.id < one.id).order_by(visit.c.id.desc()).limit(1)
            after = here.where(visit.c.id > one.id).order_by(visit.c.id).limit(1)
            found = [connection.execute(query).scalar() for query in (before, after)]
            return found[0], found[1]

    def density(self, query: Query, bins: int) -> list[int]:
        """Visits by when they began, in equal parts of the query's time."""
        with self._known() as (connection, names):
            return Search(self.facets, names, query).density(connection, bins)

    def presence(self, camera: str, since: int, until: int) -> list[tuple[int, int]]:
        """Cells of the grid over a camera's picture, and tenths of a second that people stood
        there, by whole hours."""
        with self._known() as (connection, names):
            return presence_of(
                connection, Buckets(self.zone), self._camera(names, camera), (since, until)
            )

    def oldest(self, pictures: bool = False) -> int | None:
        """When the oldest visit began, or the oldest with a picture, milliseconds."""
        query = select(func.min(visit.c.id))
        if pictures:
            query = query.where(visit.c.picture.is_not(None))
        with self.reading() as connection:
            id_ = connection.execute(query).scalar()
            return None if id_ is None else moment_of(id_)

    def names(self, *kinds: str) -> list[Term]:
        """All names of some kinds that were ever seen."""
        with self._known() as (_, names):
            return names.kinds(kinds)

    def series(self, per: str, since: int, until: int, camera: str | None = None) -> Series:
        """People per ``hour`` or ``day`` of the store's zone."""
        with self._known() as (connection, names):
            where = self._camera(names, camera)
            return series(connection, Buckets(self.zone), per, (since, until), where)

    def top(
        self, what: str, since: int, until: int, camera: str | None = None
    ) -> list[tuple[str, int]]:
        """The most frequent values of a dimension, and how many people."""
        with self._known() as (connection, names):
            where = self._camera(names, camera)
            return top(connection, Buckets(self.zone), names, what, (since, until), where)

    def _camera(self, names: Dictionary, camera: str | None) -> int | None:
        return None if camera is None else names.find(("camera", camera)) or -1

    @contextmanager
    def _known(self) -> Iterator[tuple[Connection, Dictionary]]:
        """A connection, and all names as it sees them."""
        with self.reading() as connection:
            with self._lock_names:
                self._names.load(connection)
            yield connection, self._names

    # Deleting.

    def forget_old(self, before: int, limit: int = 500) -> list[Gone] | None:
        """Delete some visits that began before a time; ``None`` once there is nothing. Those of
        recordings are as old as the run that found them."""
        with self.writing() as connection:
            names = Dictionary()
            names.load(connection)
            old = select(visit.c.id).where(visit.c.id < first_of(before))
            some = _without_young(connection, old, before).order_by(visit.c.id).limit(limit)
            ids = list(connection.execute(some).scalars())
            return self._remove(connection, names, ids, False) if ids else None

    def past_months(self, before: int) -> list[int]:
        """When the months end that are over before a time and can be dropped: without visits of
        recordings that a run has found since. None where a database has no such months."""
        return []

    def drop_month(self, end: int) -> None:
        """Delete all visits of a month of ``past_months`` at once; left for later where somebody
        reads them."""

    def named(self, names: Sequence[bytes]) -> list[Visit]:
        """Visits by their UUIDs."""
        with self._known() as (connection, known):
            return load_named(connection, known, names)

    def forget_visits(self, names: Sequence[bytes], counts: bool = False) -> list[Gone]:
        """Delete visits, with ``counts`` from these too; which there were."""
        with self.writing() as connection:
            known = Dictionary()
            known.load(connection)
            query = select(visit.c.id).where(visit.c.name.in_(names))
            ids = list(connection.execute(query).scalars())
            return self._remove(connection, known, ids, counts)

    def _remove(
        self, connection: Connection, names: Dictionary, ids: list[int], counts: bool
    ) -> list[Gone]:
        self._writer = None  # it may remember them
        changes = Counts(Buckets(self.zone), names) if counts else None
        gone = remove(connection, self.facets, names, ids, changes)
        if changes is not None:
            changes.write(connection)
        return gone

    def forget_events(self, query: Query, limit: int = 5_000) -> int:
        """Delete some events about nobody in a query's time and at its cameras; how many."""
        with self.writing() as connection:
            names = Dictionary()
            names.load(connection)
            where = [event.c.at < (query.until or 1 << 62), event.c.at >= (query.since or 0)]
            if query.cameras:
                known = [names.find(("camera", name)) for name in query.cameras]
                where.append(event.c.camera.in_([n for n in known if n is not None]))
            some = select(event.c.id).where(*where).order_by(event.c.at).limit(limit)
            return connection.execute(delete(event).where(event.c.id.in_(some))).rowcount

    def pictures(self, since: int, until: int, limit: int = 500) -> list[tuple[int, str]]:
        """The oldest visits that began in a time and have a picture; of recordings as of
        ``forget_old``."""
        query = select(visit).where(
            visit.c.id >= first_of(since),
            visit.c.id < first_of(until),
            visit.c.picture.is_not(None),
        )
        with self._known() as (connection, names):
            due = _without_young(connection, query, until).order_by(visit.c.id).limit(limit)
            found = connection.execute(due)
            return [(row.id, picture_of(row, names) or "") for row in found]

    def noted(self, key: str) -> int:
        """A number noted under a name; 0 before."""
        with self.reading() as connection:
            query = select(meta.c.value).where(meta.c.key == key)
            return int(connection.execute(query).scalar() or 0)

    def note(self, key: str, value: int) -> None:
        """Note a number under a name."""
        with self.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == key))
            connection.execute(insert(meta), [{"key": key, "value": str(value)}])

    def without_pictures(self, ids: Sequence[int]) -> None:
        """Note that pictures are gone."""
        with self.writing() as connection:
            for part in chunks(ids):
                connection.execute(update(visit).where(visit.c.id.in_(part)).values(picture=None))
        self._writer = None


def _without_young(connection: Connection, query: Select[Any], before: int) -> Select[Any]:
    spared = young(connection, before)
    return query.where(visit.c.stream.not_in(spared)) if spared else query


def young(connection: Connection, since: int) -> list[int]:
    """The streams that are of recordings a run has found since a time: their visits are older."""
    recorded = or_(stream.c.recorded.is_not(None), stream.c.recording.is_not(None))
    query = select(stream.c.id).where(recorded, stream.c.run >= lowest(since / 1000))
    return list(connection.execute(query).scalars())
