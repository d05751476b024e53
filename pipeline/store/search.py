"""Queries into SQL."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
    true,
)

from pipeline.errors import ConfigError
from pipeline.store.dictionary import Dictionary
from pipeline.store.facets import Facets, Wanted
from pipeline.store.loading import chunks, load
from pipeline.store.numbering import first_of
from pipeline.store.query import FacetCounts, Garment, Page, Query, Tally
from pipeline.store.schema import tag, visit
from pipeline.store.visits import pair

#: Visits counted one by one; of more, it is said that there are more. Fewer where each has to be
#: verified by its tags: that takes ten times as long.
MOST_COUNTED = 10_000
MOST_VERIFIED = 1_000
#: The newest visits whose facets are counted, and how many are read at a time.
MOST_FACETS = 2_000
_READ = 250


class Search:
    """One query against one state of a store."""

    def __init__(self, facets: Facets, names: Dictionary, query: Query) -> None:
        self._facets = facets
        self._names = names
        self._query = query

    def page(self, connection: Connection, cursor: str | None, limit: int, tags: bool) -> Page:
        """Up to ``limit`` visits, newest first, behind a cursor."""
        found = self._ids(connection, limit + 1, _cursor(cursor))
        more = len(found) > limit
        visits = load(connection, self._names, found[:limit], tags)
        return Page(visits, str(found[limit - 1]) if more else None)

    def count(self, connection: Connection) -> Tally:
        """How many there are, exact up to ``MOST_COUNTED``; where each has to be verified, up to
        ``MOST_VERIFIED``."""
        query = self._select(None)
        if query is None:
            return Tally(0, True)
        most = MOST_VERIFIED if self._verified(visit.c.id) else MOST_COUNTED
        inner = query.order_by(None).limit(most + 1).subquery()
        n = connection.execute(select(func.count()).select_from(inner)).scalar() or 0
        return Tally(min(n, most), n <= most)

    def facets(self, connection: Connection, within_s: float) -> FacetCounts:
        """What the newest ``MOST_FACETS`` wear, and where they were; fewer where that takes longer
        than ``within_s``: rare ones lie all over the disk."""
        until, seen = time.monotonic() + within_s, 0
        most = MOST_VERIFIED if self._verified(visit.c.id) else MOST_FACETS
        ids = self._ids(connection, most + 1)
        counted: Counter[int] = Counter()
        for part in chunks(ids[:most], _READ):
            counted.update(self._facets.counts(connection, part))
            seen += len(part)
            if time.monotonic() > until:
                break
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for number, n in counted.most_common():
            kind, name = self._names.term(number)
            if "," not in kind:
                found[kind][name] = n
        return FacetCounts(found, seen, seen == len(ids))

    def density(self, connection: Connection, bins: int) -> list[int]:
        """Visits by when they began, in ``bins`` equal parts of the query's time."""
        counts, query, asked = [0] * bins, self._select(None), self._query
        assert asked.since is not None
        assert asked.until is not None
        first, last = first_of(asked.since), first_of(asked.until)
        if query is None or last <= first:
            return counts
        found = query.order_by(None).subquery()
        at = cast(found.c[0], BigInteger) - first
        part = at * bins // (last - first)
        for n, count in connection.execute(select(part, func.count()).group_by(part)):
            counts[n] = count
        return counts

    def _ids(self, connection: Connection, limit: int, before: int | None = None) -> list[int]:
        query = self._select(before)
        return [] if query is None else list(connection.execute(query.limit(limit)).scalars().all())

    def _select(self, before: int | None) -> Select[Any] | None:
        """Numbers of visits, newest first; ``None`` where something asked for was never seen."""
        asked = self._query
        wanted = self._wanted()
        if wanted is None:
            return None
        column = self._facets.id if wanted.either else visit.c.id
        where: list[ColumnElement[bool]] = []
        if wanted.either:
            where.append(self._facets.condition(wanted))
        if asked.since is not None:
            where.append(column >= first_of(asked.since))
        until = first_of(asked.until) if asked.until is not None else None
        if before is not None:
            until = before if until is None else min(until, before)
        if until is not None:
            where.append(column < until)
        where += self._verified(column)
        return select(column).where(*where).order_by(column.desc())

    def _wanted(self) -> Wanted | None:
        asked = self._query
        places: list[list[int]] = []
        for kind, names in (("camera", asked.cameras), ("zone", asked.zones)):
            if names:
                places.append(self._known((kind, name) for name in names))
        if not all(places):
            return None
        either = []
        for garments in asked.either or ((),):
            groups = [group for one in garments for group in self._groups(one)] + places
            if all(groups):
                either.append(groups)
        if not either:
            return None
        simple = [self._groups(one) for one in asked.without if one.simple]
        without = [groups for groups in simple if all(groups)]
        if either == [[]]:  # nothing is asked for
            if not without:
                return Wanted()
            cameras = sorted(self._names.of("camera").values())
            either = [[cameras]]
        return Wanted(either, without)

    def _known(self, terms: Iterable[tuple[str, str]]) -> list[int]:
        return [number for one in terms if (number := self._names.find(one)) is not None]

    def _groups(self, one: Garment) -> list[list[int]]:
        colours = [("colour", colour) for colour in one.colours]
        groups = [self._known([("attribute", value)]) for value in one.attributes]
        if one.names and colours:
            groups += [self._known(pair(name, colour) for name in one.names) for colour in colours]
        else:
            groups += [self._known([colour]) for colour in colours]
            groups += [self._known(one.names)] if one.names else []
        return groups

    def _verified(self, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """What the index cannot tell: that three things hold of one garment."""
        asked, found = self._query, []
        if not all(one.simple for garments in asked.either for one in garments):
            found.append(
                or_(
                    *(
                        and_(true(), *(self._worn(one, column) for one in garments))
                        for garments in asked.either
                    )
                )
            )
        found += [not_(self._worn(one, column)) for one in asked.without if not one.simple]
        return found

    def _worn(self, one: Garment, column: ColumnElement[Any]) -> ColumnElement[bool]:
        where = [tag.c.visit == column]
        if one.names:
            ids = self._known(one.names)
            where.append(or_(tag.c.label.in_(ids), tag.c.category.in_(ids)))
        where += [
            or_(tag.c.colour == colour, tag.c.colour2 == colour)
            for colour in (self._names.find(("colour", name)) or 0 for name in one.colours)
        ]
        for value in one.attributes:  # of what was never seen there is nothing: number 0
            number = self._names.find(("attribute", value)) or 0
            where.append(tag.c.attributes.like(f"%,{number},%"))
        return exists(select(1).where(*where))


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ConfigError(f"cursor {text!r}: none that a search has given")
    return int(text)
