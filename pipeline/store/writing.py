"""Records of events into the tables, a batch a transaction."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.facets import Facets
from pipeline.store.loading import chunks, load_named, tag_rows, visit_row
from pipeline.store.numbering import numbered
from pipeline.store.passages import Passages
from pipeline.store.schema import tag, visit
from pipeline.store.streams import Streams
from pipeline.store.visits import (
    PERSON,
    Visit,
    begin,
    camera_of,
    counted,
    fold,
    recording_began,
    sequence,
    terms,
    text,
    visit_name,
)

log = logging.getLogger("threadline.store")

#: Visits kept in memory between batches, because they are not over.
_MOST_OPEN = 20_000
#: What a record raises that no program of ours has written.
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(slots=True)
class Written:
    """What became of a batch."""

    news: int = 0
    known: int = 0
    malformed: int = 0


@dataclass(slots=True)
class _Batch:
    """What is on its way in one transaction."""

    connection: Connection
    recordings: Mapping[str, str]
    counts: Counts
    passages: Passages
    changed: dict[bytes, Visit] = field(default_factory=dict)
    done: Written = field(default_factory=Written)


class Writer:
    """Keeps the state of visits that are not over, so that a batch reads little. For one thread;
    after a transaction that failed, a new one has to be made."""

    def __init__(self, facets: Facets, counts_only: bool) -> None:
        self._facets = facets
        self._counts_only = counts_only
        self.names = Dictionary()
        self._streams = Streams(self.names, facets)
        self._visits: OrderedDict[bytes, Visit] = OrderedDict()
        self._before: dict[bytes, set[Any]] = {}

    def write(
        self,
        connection: Connection,
        records: Sequence[Mapping[str, Any]],
        recordings: Mapping[str, str],
        counts: Counts,
    ) -> Written:
        """Add what is new in ``records`` within the connection's transaction.

        Args:
            recordings: camera -> what the file of its recording is known by.
            counts: to add to; written as well.
        """
        self.names.load(connection)
        batch = _Batch(connection, recordings, counts, Passages(self._counts_only, self.names))
        self._fetch(connection, records)
        for record in records:
            try:
                self._take(batch, record)
            except MALFORMED as error:
                batch.done.malformed += 1
                log.debug("a record is left out: %r", error)
        self._put(connection, list(batch.changed.values()), counts)
        batch.done.news += batch.passages.write(connection, self._visits, counts)
        self._streams.write(connection)
        counts.write(connection)
        self.names.flush(connection)
        self._let_go()
        return batch.done

    def _fetch(self, connection: Connection, records: Iterable[Mapping[str, Any]]) -> None:
        """Bring in the visits that are not in memory."""
        wanted = set()
        for record in records:
            try:
                name = visit_name(record)
            except MALFORMED:
                continue
            if name is not None and name not in self._visits:
                wanted.add(name)
        if wanted and not self._counts_only:
            for one in load_named(connection, self.names, wanted):
                self._visits[one.name] = one

    def _take(self, batch: _Batch, record: Mapping[str, Any]) -> None:
        name, camera, key = text(record["event"]), camera_of(record), visit_name(record)
        stream = self._streams.of(
            batch.connection,
            text(record.get("run") or ""),
            camera,
            recording_began(record) if "pts" in record else None,
            batch.recordings.get(camera),
            batch.counts,
        )
        order = sequence(record["event_id"]) if record.get("event_id") else None
        if self._counts_only and order is not None:
            if order <= stream.last:
                batch.done.known += 1
                return
            stream.count(order)
        if name in PERSON and key is not None:
            news = self._fold(record, key, stream.id, batch.changed)
            batch.done.news += news
            batch.done.known += not news
            return
        batch.passages.take(record, stream.id, key)
        found = self._visits.get(key or b"")
        if found is not None and name == "zone_entered":
            self._touch(found, batch.changed)
            found.zones.add(text(record["zone"]))

    def _fold(
        self, record: Mapping[str, Any], key: bytes, stream: int, changed: dict[bytes, Visit]
    ) -> bool:
        found = self._visits.get(key)
        if found is None:
            if self._counts_only and record["event"] != "entered":
                return False  # begun before a restart, and counted then
            found = begin(record, key)
            found.stream = stream
            if not fold(found, record):
                return False
            self._visits[key] = changed[key] = found
            self._before[key] = set()
            return True
        if not found.open:
            return False
        self._touch(found, changed)
        return fold(found, record)

    def _touch(self, one: Visit, changed: dict[bytes, Visit]) -> None:
        if one.name not in self._before:
            self._before[one.name] = counted(one)
        changed[one.name] = one
        self._visits.move_to_end(one.name)

    def _put(self, connection: Connection, changed: Sequence[Visit], counts: Counts) -> None:
        for one in changed:
            before, after = self._before.pop(one.name), counted(one)
            counts.add_all(one.began, one.camera, after - before, 1)
            counts.add_all(one.began, one.camera, before - after, -1)
        if self._counts_only or not changed:
            return
        new = [one for one in changed if not one.id]
        old = [one for one in changed if one.id]
        numbered(connection, new)
        self._facets.make_room(connection, [one.id for one in new])
        rows = {
            one.id: visit_row(one, self.names, sorted(self.names.id(t) for t in terms(one)))
            for one in changed
        }
        if new:
            connection.execute(insert(visit), [rows[one.id] for one in new])
        gone = self._renew(connection, old, rows)
        # What is as it was need not be taken out and put in again.
        entries = [(id_, row["terms"]) for id_, row in rows.items()]
        put = [entry for entry in entries if gone.get(entry[0]) != entry[1]]
        out = [(id_, was) for id_, was in gone.items() if was != rows[id_]["terms"]]
        self._facets.change(connection, out, put)  # type: ignore[arg-type]
        self.names.flush(connection)
        if tags := [row for one in changed for row in tag_rows(one, self.names)]:
            connection.execute(insert(tag), tags)

    def _renew(
        self, connection: Connection, old: Sequence[Visit], rows: Mapping[int, Any]
    ) -> dict[int, list[int]]:
        """Update visits that are there, but for their tags; the terms they had."""
        gone: dict[int, list[int]] = {}
        for part in chunks(one.id for one in old):
            query = select(visit.c.id, visit.c.terms).where(visit.c.id.in_(part))
            gone |= {row.id: row.terms for row in connection.execute(query)}
            connection.execute(delete(tag).where(tag.c.visit.in_(part)))
        if old:
            fields = ("ended", "open", "last", "picture", "terms", "heads")
            values = {name: bindparam(f"new_{name}", type_=visit.c[name].type) for name in fields}
            changes = [
                {"of": one.id, **{f"new_{name}": rows[one.id][name] for name in fields}}
                for one in old
            ]
            connection.execute(
                update(visit).where(visit.c.id == bindparam("of")).values(values), changes
            )
        return gone

    def _let_go(self) -> None:
        over = [key for key, one in self._visits.items() if not one.open]
        if not self._counts_only or len(over) > _MOST_OPEN:
            for key in over:
                del self._visits[key]
        while len(self._visits) > _MOST_OPEN:
            self._visits.popitem(last=False)
