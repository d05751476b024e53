"""PostgreSQL's tables of visits and tags, cut by months (UTC) of the visits' numbers: a month that
is past goes at once, with the room it took on the disk."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from sqlalchemy import Connection, delete, text

from pipeline.store.numbering import first_of, moment_of
from pipeline.store.schema import event

#: Tables that are cut, and by which column.
CUT = (("visit", "id"), ("tag", "visit"))
#: Months are numbered from the year 0 on.
Month = int
#: What lies before and after these is no camera's time: one table each.
_FIRST = 12 * 2000
_LAST = 12 * 2100 - 1


def month_of(visit: int) -> Month:
    """The month of a visit's number."""
    when = datetime.fromtimestamp(moment_of(visit) / 1000, timezone.utc)
    return _bounded(12 * when.year + when.month - 1)


def begin(month: Month) -> int:
    """When a month begins, milliseconds."""
    year, months = divmod(month, 12)
    return round(datetime(year, months + 1, 1, tzinfo=timezone.utc).timestamp() * 1000)


def span(month: Month) -> tuple[int, int]:
    """The lowest number of a visit in a month, and of one after it."""
    low = 0 if month < _FIRST else first_of(begin(month))
    return low, 1 << 62 if month > _LAST else first_of(begin(month + 1))


def make_room(connection: Connection, visits: Iterable[int]) -> None:
    """Make the tables for visits of these numbers, and those of the month after the last.

    They are made by themselves and then attached: nobody who reads has to end first, such as a
    backup that takes hours.
    """
    wanted = {month_of(visit) for visit in visits}
    if not wanted:
        return
    wanted.add(_bounded(max(wanted) + 1))
    for month in sorted(wanted.difference(made(connection))):
        low, high = span(month)
        for table, _ in CUT:
            name = _name(table, month)
            connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
            attach = f"ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
            connection.execute(text(f"ALTER TABLE {table} {attach}"))


def made(connection: Connection) -> list[Month]:
    """The months that have tables, the oldest first."""
    query = (
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = 'visit'::regclass ORDER BY relname"
    )
    names = (name.split("_") for name in connection.execute(text(query)).scalars())
    return [12 * int(year) + int(month) - 1 for _, year, month in names]


def drop(connection: Connection, month: Month) -> None:
    """Delete all visits of a month, with their tags and events."""
    low, high = span(month)
    connection.execute(delete(event).where(event.c.visit >= low, event.c.visit < high))
    for cut, _ in CUT:
        connection.execute(text(f"DROP TABLE {_name(cut, month)}"))


def _bounded(month: Month) -> Month:
    return min(max(month, _FIRST - 1), _LAST + 1)


def _name(table: str, month: Month) -> str:
    return f"{table}_{month // 12:04}_{month % 12 + 1:02}"
