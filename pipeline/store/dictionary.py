"""The names of a store and their numbers."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, insert, select

from pipeline.store.schema import term
from pipeline.store.visits import Term


class Dictionary:
    """Names in memory; a store has a few thousand. New ones get numbers, and are written by
    ``flush``. For one thread."""

    def __init__(self) -> None:
        self._ids: dict[Term, int] = {}
        self._terms: dict[int, Term] = {}
        self._new: list[dict[str, object]] = []
        self._last = 0

    def load(self, connection: Connection) -> None:
        """Read what is new since the last time."""
        last = connection.execute(select(func.max(term.c.id))).scalar() or 0
        if last > self._last:
            query = select(term.c.id, term.c.kind, term.c.name).where(term.c.id > self._last)
            for number, kind, name in connection.execute(query):
                self._ids[kind, name] = number
                self._terms[number] = kind, name
            self._last = last

    def id(self, one: Term) -> int:
        """A name's number, made if it has none."""
        found = self._ids.get(one)
        if found is None:
            self._last += 1
            found = self._ids[one] = self._last
            self._terms[found] = one
            self._new.append({"id": found, "kind": one[0], "name": one[1]})
        return found

    def find(self, one: Term) -> int | None:
        """A name's number, if it has one."""
        return self._ids.get(one)

    def name(self, number: int) -> str:
        return self._terms[number][1]

    def term(self, number: int) -> Term:
        return self._terms[number]

    def of(self, kind: str) -> dict[str, int]:
        """All names of a kind."""
        return {name: number for (its, name), number in self._ids.items() if its == kind}

    def kinds(self, kinds: Iterable[str]) -> list[Term]:
        """All names of some kinds."""
        wanted = set(kinds)
        return [one for one in self._ids if one[0] in wanted]

    def flush(self, connection: Connection) -> None:
        """Write the new names."""
        if self._new:
            connection.execute(insert(term), self._new)
            self._new = []
