"""From what somebody asks for, in words and names, to a query: for the command line and the API."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, redact
from pipeline.store import times
from pipeline.store.language import Vocabulary, either_of, joined, understood
from pipeline.store.query import Garment, Query
from pipeline.store.times import Now
from pipeline.store.visits import Term

if TYPE_CHECKING:  # SQLAlchemy takes half a second, which other commands need not wait for
    from pipeline.store.protocol import Store

#: No camera is called so.
NOWHERE = ("",)
ALL_NAMES = ("camera", "zone", "label", "category", "colour", "brand", "attribute")


def now(store: Store) -> Now:
    return Now(round(time.time() * 1000), store.zone)


def span(
    moment: Now, begin: str | None, end: str | None, last: str | None
) -> tuple[int | None, int | None]:
    """Beginning and end in milliseconds, where given.

    Raises:
        ConfigError: no time, or the end is before the beginning.
    """
    if last is not None:
        if begin is not None:
            raise ConfigError("last and from: give one of them")
        if times.length(last, moment) is None:
            raise ConfigError(f"last {last}: no length of time, such as 30m, 24h or 7d")
        begin = last
    since = times.since(begin, moment) if begin else None
    until = times.until(end, moment, since) if end else None
    if since is not None and until is not None and until <= since:
        raise ConfigError(f"to {end}: before from {begin}; exchange them")
    return since, until


@dataclass(frozen=True, slots=True)
class Wish:
    """What a search asks for."""

    words: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    begin: str | None = None
    end: str | None = None
    last: str | None = None


def query_of(store: Store, wish: Wish, within: Collection[str] | None = None) -> Query:
    """A query of the store.

    Args:
        within: the cameras that whoever asks may know of; all of them if ``None``.

    Raises:
        ConfigError: a word or a time is not understood, or there is no such camera or zone.
    """
    names, moment = names_within(store, within), now(store)
    vocabulary = _vocabulary(tuple(names))
    since, until = span(moment, wish.begin, wish.end, wish.last)
    brands = tuple(Garment((("brand", _exact(b, "brand", names)),)) for b in wish.brands)
    query = Query(either=(brands,) if brands else ())
    for words in wish.words:
        query = joined(query, understood(words, vocabulary, moment))
    for words in wish.alternatives:
        query = either_of(query, understood(words, vocabulary, moment))
    for words in wish.without:
        found = understood(words, vocabulary, moment)
        query = replace(query, without=(*query.without, *(g for gs in found.either for g in gs)))
    cameras = tuple(_exact(name, "camera", names) for name in wish.cameras)
    zones = tuple(_exact(name, "zone", names) for name in wish.zones)
    query = joined(query, Query(cameras=cameras, zones=zones, since=since, until=until))
    if within is None:
        return query
    mine = tuple(one for one in query.cameras or tuple(within) if one in within)
    return replace(query, cameras=mine or NOWHERE)


@lru_cache(8)
def _vocabulary(names: tuple[Term, ...]) -> Vocabulary:
    """The words of names, which seldom change: made once for each who may know others."""
    return Vocabulary(names)


def names_within(store: Store, within: Collection[str] | None = None) -> list[Term]:
    """All names that can be asked for, of cameras only those ``within``."""
    found = store.names(*ALL_NAMES)
    if within is None:
        return found
    return [(kind, name) for kind, name in found if kind != "camera" or name in within]


def _exact(name: str, kind: str, names: list[tuple[str, str]]) -> str:
    known = [one for its, one in names if its == kind]
    for one in known:
        if one.casefold() == name.casefold():
            return one
    there = ", ".join(sorted(known)[:12]) or "none yet"
    raise ConfigError(f"{kind} {redact(name)}: none that was ever seen; there are: {there}")
