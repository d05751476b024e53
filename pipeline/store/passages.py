"""Events that are rows of their own: zones and lines, marks on nobody, where people stood."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.loading import chunks
from pipeline.store.removal import passage
from pipeline.store.schema import event
from pipeline.store.visits import Term, Visit, camera_of, milliseconds, number, stored, text, when

#: Cells of the presence grid.
WIDE = 48
HIGH = 27


def event_id(record: Mapping[str, Any]) -> int:
    """A number for an event, the same whenever it comes."""
    known = record.get("event_id") or json.dumps(record, sort_keys=True)
    digest = hashlib.blake2b(str(known).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Passages:
    """The events of one batch."""

    def __init__(self, counts_only: bool, names: Dictionary) -> None:
        self._counts_only = counts_only
        self._names = names
        self._rows: dict[int, dict[str, Any]] = {}
        self._grids: dict[int, list[tuple[int, int]]] = {}
        self._visits: dict[int, bytes] = {}

    def take(self, record: Mapping[str, Any], stream: int, visit: bytes | None) -> None:
        """Check an event and keep it for ``write``."""
        name = text(record["event"])
        id_ = event_id(record)
        at = milliseconds(record["hour"]) if name == "presence" else when(record)
        if name == "presence":
            self._grids[id_] = [_cell(x, y, n) for x, y, n in record["grid"]]
        dwell = record.get("dwell_s")
        self._rows[id_] = {
            "id": id_,
            "at": at,
            "camera": self._names.id(("camera", camera_of(record))),
            "stream": stream,
            "visit": None,
            "name": self._names.id(("event", name)),
            "what": self._what(record),
            "direction": {"in": 1, "out": -1}.get(str(record.get("direction"))),
            "dwell": None if dwell is None else max(number(1000 * dwell), 0),
        }
        if visit is not None:
            self._visits[id_] = visit

    def _what(self, record: Mapping[str, Any]) -> int | None:
        for kind in ("zone", "line"):
            if record.get(kind) is not None:
                return self._names.id((kind, text(record[kind])))
        return self._names.id(stored(record["tag"]).named) if record.get("tag") else None

    def write(self, connection: Connection, visits: Mapping[bytes, Visit], counts: Counts) -> int:
        """Write what is new, and count it; how much that was."""
        if not self._counts_only:
            for part in chunks(self._rows):
                known = connection.execute(select(event.c.id).where(event.c.id.in_(part)))
                for id_ in list(known.scalars()):
                    del self._rows[id_]
        for id_, row in self._rows.items():
            found = visits.get(self._visits.get(id_, b""))
            row["visit"] = found.id if found else None
            self._count(id_, row, counts)
        if self._rows and not self._counts_only:
            self._names.flush(connection)
            connection.execute(insert(event), list(self._rows.values()))
        return len(self._rows)

    def _count(self, id_: int, row: Mapping[str, Any], counts: Counts) -> None:
        camera = self._names.name(row["camera"])
        for cell, n in self._grids.get(id_, ()):
            counts.cell(camera, row["at"], cell, n)
        if row["what"] is not None:
            what: Term = self._names.term(row["what"])
            for dim, n in passage(row["direction"], row["dwell"], what[0]):
                counts.add(row["at"], camera, dim, what, n)


def _cell(x: object, y: object, n: object) -> tuple[int, int]:
    """A cell's number, and tenths of a second somebody stood there."""
    column, line = number(x), number(y)
    count = number(10 * n) if isinstance(n, int | float) else -1
    if not (0 <= column < WIDE and 0 <= line < HIGH and count >= 0):
        raise ValueError(f"no cell of {WIDE} x {HIGH}: {column}, {line}")
    return line * WIDE + column, count
