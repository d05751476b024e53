"""Counts by hour and day, kept in step with the visits in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.calendar import Buckets
from pipeline.store.dictionary import Dictionary
from pipeline.store.schema import presence, roll
from pipeline.store.visits import DIMENSIONS, Term

HOUR = 0
DAY = 1
#: The camera of rows that count all cameras together.
ALL = 0
_PAIRS = DIMENSIONS["garments and colours"]

Key = tuple[int, int, int, int, int]


class Counts:
    """Changes that wait to be written: (size, dim, camera, bucket, value) -> n."""

    def __init__(self, buckets: Buckets, names: Dictionary) -> None:
        self._buckets = buckets
        self._names = names
        self.changes: Counter[Key] = Counter()
        self.cells: Counter[tuple[int, int, int]] = Counter()

    def add(self, at: int, camera: str, dim: int, value: Term | None, n: int) -> None:
        """Count something at a time in milliseconds. Pairs are counted by day; hours of all cameras
        together only for people: further ones would be many rows that nobody asks for."""
        hour, day = self._buckets.of(at)
        where = self._names.id(("camera", camera))
        what = self._names.id(value) if value else 0
        self.changes[DAY, dim, where, day, what] += n
        self.changes[DAY, dim, ALL, day, what] += n
        if dim != _PAIRS:
            self.changes[HOUR, dim, where, hour, what] += n
        if dim == 0:
            self.changes[HOUR, dim, ALL, hour, what] += n

    def add_all(
        self, at: int, camera: str, values: Iterable[tuple[int, Term | None]], n: int
    ) -> None:
        for dim, value in values:
            self.add(at, camera, dim, value, n)

    def cell(self, camera: str, at: int, cell: int, n: int) -> None:
        """Count where somebody stood."""
        self.cells[self._names.id(("camera", camera)), self._buckets.of(at)[0], cell] += n

    def write(self, connection: Connection) -> None:
        """Write and forget the changes."""
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        fields = ("size", "dim", "camera", "bucket", "value")
        rows = [
            {**dict(zip(fields, key, strict=True)), "n": n}
            for key, n in sorted(self.changes.items())
            if n
        ]
        if rows:
            added = insert(roll)
            connection.execute(
                added.on_conflict_do_update(
                    index_elements=list(fields), set_={"n": roll.c.n + added.excluded.n}
                ),
                rows,
            )
        cells = [
            {"camera": camera, "hour": hour, "cell": cell, "n": n}
            for (camera, hour, cell), n in sorted(self.cells.items())
        ]
        if cells:
            put = insert(presence)
            connection.execute(
                put.on_conflict_do_update(
                    index_elements=["camera", "hour", "cell"],
                    set_={"n": presence.c.n + put.excluded.n},
                ),
                cells,
            )
        self.changes.clear()
        self.cells.clear()
