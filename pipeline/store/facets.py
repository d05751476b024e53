"""The index by which visits are found: a contentless full-text table on SQLite, on PostgreSQL the
array in ``visit.terms`` itself. Nothing but numbers goes into either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    column,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY

from pipeline.store.months import make_room
from pipeline.store.schema import occurrences, visit

#: A visit's number and its terms.
Entry = tuple[int, Sequence[int]]
#: Groups of terms: of each group one or more.
Groups = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What terms a visit has: all groups of one of ``either``, and of no member of ``without``.
    Nothing in ``either``: every visit."""

    either: Sequence[Groups] = ()
    without: Sequence[Groups] = ()


class Facets(Protocol):
    """Finds visits by terms."""

    #: The visit's number, where ``condition`` is asked.
    id: ColumnElement[Any]

    def make_room(self, connection: Connection, visits: Iterable[int]) -> None:
        """Have tables for visits of these numbers, before they are put in."""
        ...

    def change(self, connection: Connection, gone: Iterable[Entry], new: Iterable[Entry]) -> None:
        """Take entries out, as they were put in, and put others in."""
        ...

    def condition(self, wanted: Wanted) -> ColumnElement[bool]:
        """Visits that have these terms; ``wanted.either`` is not empty."""
        ...

    def counts(self, connection: Connection, visits: Sequence[int]) -> Mapping[int, int]:
        """How many of these visits have a term, of every term that one of them has."""
        ...


class FullText:
    """SQLite's FTS5. Rows of a contentless table can be taken out only by saying what is in them;
    ``contentless_delete`` needs SQLite 3.43."""

    id: ColumnElement[Any] = table("facet", column("rowid")).c.rowid

    def make_room(self, connection: Connection, visits: Iterable[int]) -> None:
        pass

    def change(self, connection: Connection, gone: Iterable[Entry], new: Iterable[Entry]) -> None:
        take = "INSERT INTO facet(facet, rowid, t) VALUES ('delete', ?, ?)"
        put = "INSERT INTO facet(rowid, t) VALUES (?, ?)"
        for statement, entries in ((take, gone), (put, new)):
            rows = [(id_, " ".join(map(str, terms))) for id_, terms in entries]
            if rows:
                connection.exec_driver_sql(statement, rows)

    def condition(self, wanted: Wanted) -> ColumnElement[bool]:
        found = " OR ".join(f"({_all(groups)})" for groups in wanted.either)
        match = f"({found})" + "".join(f" NOT ({_all(one)})" for one in wanted.without)
        found_in: ColumnElement[bool] = literal_column("facet").op("MATCH", is_comparison=True)(
            match
        )
        return found_in

    def counts(self, connection: Connection, visits: Sequence[int]) -> Mapping[int, int]:
        listed = ",".join(str(int(one)) for one in visits)  # 250 parameters take longer to bind
        found = connection.exec_driver_sql(f"SELECT terms FROM visit WHERE id IN ({listed})")
        return occurrences(found.scalars().all())


def _all(groups: Groups) -> str:
    return " AND ".join(f"({' OR '.join(str(int(term)) for term in group)})" for group in groups)


class Arrays:
    """PostgreSQL's GIN index keeps itself. Visits lie in tables of months."""

    id: ColumnElement[Any] = visit.c.id

    def make_room(self, connection: Connection, visits: Iterable[int]) -> None:
        make_room(connection, visits)

    def change(self, connection: Connection, gone: Iterable[Entry], new: Iterable[Entry]) -> None:
        pass

    def condition(self, wanted: Wanted) -> ColumnElement[bool]:
        found = or_(*(_has(groups) for groups in wanted.either))
        return and_(found, *(not_(_has(groups)) for groups in wanted.without))

    def counts(self, connection: Connection, visits: Sequence[int]) -> Mapping[int, int]:
        every = select(func.unnest(visit.c.terms).label("term")).where(visit.c.id.in_(visits))
        inner = every.subquery()
        query = select(inner.c.term, func.count()).group_by(inner.c.term)
        return {row.term: row[1] for row in connection.execute(query)}


def _has(groups: Groups) -> ColumnElement[bool]:
    terms = type_coerce(visit.c.terms, ARRAY(Integer))
    single = [group[0] for group in groups if len(group) == 1]
    several = [terms.overlap(list(group)) for group in groups if len(group) > 1]
    return and_(true(), *([terms.contains(single)] if single else []), *several)
