"""Counts by hour and day, read."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import ColumnElement, Connection, func, select

from pipeline.finest import called
from pipeline.store.calendar import MINUTE, Buckets
from pipeline.store.counts import ALL, DAY, HOUR
from pipeline.store.dictionary import Dictionary
from pipeline.store.query import Series
from pipeline.store.schema import presence, roll
from pipeline.store.visits import DIMENSIONS

_MOST = 1_000


def series(
    connection: Connection, buckets: Buckets, per: str, span: tuple[int, int], camera: int | None
) -> Series:
    """People per ``hour`` or ``day`` of a span in milliseconds, also those with nobody; at a
    camera, by its number, or at all."""
    by_day = per == "day"
    where = _within(buckets, DAY if by_day else HOUR, 0, span)
    query = select(roll.c.bucket, roll.c.n).where(*where, roll.c.camera == (camera or ALL))
    found: dict[int, int] = {row.bucket: row.n for row in connection.execute(query)}
    starts, at = [], span[0]
    while at < span[1]:
        hour, day = buckets.of(at)
        starts.append((day if by_day else hour) * MINUTE)
        at = buckets.next_day(at) if by_day else starts[-1] + 60 * MINUTE
    return Series(starts, [found.get(start // MINUTE, 0) for start in starts])


def top(
    connection: Connection,
    buckets: Buckets,
    names: Dictionary,
    what: str,
    span: tuple[int, int],
    camera: int | None,
) -> list[tuple[str, int]]:
    """Values of a dimension and how many people, most first. Of whole days by day, else by hour;
    pairs are known by day alone."""
    dim = DIMENSIONS[what]
    days = dim == DIMENSIONS["garments and colours"] or all(_midnight(buckets, at) for at in span)
    where = _within(buckets, DAY if days else HOUR, dim, span)
    if camera is not None:
        where.append(roll.c.camera == camera)
    else:  # hours are counted by camera
        where.append(roll.c.camera == ALL if days or dim == 0 else roll.c.camera != ALL)
    n = func.sum(roll.c.n)
    query = select(roll.c.value, n).where(*where).group_by(roll.c.value).having(n > 0)
    rows = connection.execute(query.order_by(n.desc()).limit(_MOST))
    found: Counter[str] = Counter()
    for value, count in rows:  # a label may be called like its category
        found[_shown(names, value)] += int(count)
    return found.most_common()


def presence_of(
    connection: Connection, buckets: Buckets, camera: int | None, span: tuple[int, int]
) -> list[tuple[int, int]]:
    """Cells and tenths of a second that people stood there, at a camera, by its number."""
    first, last = buckets.of(span[0])[HOUR], -(-span[1] // MINUTE)
    n = func.sum(presence.c.n)
    where = (presence.c.camera == camera, presence.c.hour >= first, presence.c.hour < last)
    rows = connection.execute(select(presence.c.cell, n).where(*where).group_by(presence.c.cell))
    return [(int(cell), int(count)) for cell, count in rows]


def _shown(names: Dictionary, value: int) -> str:
    if not value:
        return "people"
    kind, name = names.term(value)
    first, _, colour = name.partition("\t")
    first = called(first) if kind.startswith("category") else first
    return f"{colour} {first}" if colour else first


def _midnight(buckets: Buckets, at: int) -> bool:
    return buckets.of(at)[1] * MINUTE == at


def _within(
    buckets: Buckets, size: int, dim: int, span: tuple[int, int]
) -> list[ColumnElement[bool]]:
    return [
        roll.c.size == size,
        roll.c.dim == dim,
        roll.c.bucket >= buckets.of(span[0])[size],
        roll.c.bucket < -(-span[1] // MINUTE),
    ]
