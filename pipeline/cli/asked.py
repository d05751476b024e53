"""From options to a query, for all commands that ask the store."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError, redact

if TYPE_CHECKING:  # SQLAlchemy takes half a second, which other commands need not wait for
    from pipeline.store.protocol import Store
    from pipeline.store.query import Query
    from pipeline.store.times import Now

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="A database: a file, or postgresql://...; else that in --out."),
]
CamerasOption = Annotated[
    list[str] | None, typer.Option("--camera", help="At this camera; may stand several times.")
]
ZonesOption = Annotated[list[str] | None, typer.Option("--zone", help="In this zone.")]
FromOption = Annotated[
    str | None, typer.Option("--from", help="Since when: 'yesterday 14:00', 2026-11-25, 7d.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Until when: 16:00, today; a day with all of it.")
]
LastOption = Annotated[str | None, typer.Option("--last", help="The last 30m, 24h, 7d or 4w.")]
ALL_NAMES = ("camera", "zone", "label", "category", "colour", "brand", "attribute")


def place(out: Path, store: str | None) -> str:
    """Where the store is."""
    return store or str(out / "threadline.db")


def now(store: Store) -> Now:
    from pipeline.store.times import Now

    return Now(round(time.time() * 1000), store.zone)


def span(
    moment: Now, begin: str | None, end: str | None, last: str | None
) -> tuple[int | None, int | None]:
    """Beginning and end in milliseconds, where given.

    Raises:
        ConfigError: no time, or the end is before the beginning.
    """
    from pipeline.store import times

    if last is not None:
        if begin is not None:
            raise ConfigError("--last and --from: give one of them")
        if times.length(last, moment) is None:
            raise ConfigError(f"--last {last}: no length of time, such as 30m, 24h or 7d")
        begin = last
    since = times.since(begin, moment) if begin else None
    until = times.until(end, moment, since) if end else None
    if since is not None and until is not None and until <= since:
        raise ConfigError(f"--to {end}: before --from {begin}; exchange them")
    return since, until


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of a search say."""

    words: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    begin: str | None = None
    end: str | None = None
    last: str | None = None


def query_of(store: Store, wish: Wish) -> Query:
    """A query of the store.

    Raises:
        ConfigError: a word or a time is not understood, or there is no such camera or zone.
    """
    from pipeline.store.language import Vocabulary, either_of, joined, understood
    from pipeline.store.query import Garment, Query

    names, moment = store.names(*ALL_NAMES), now(store)
    vocabulary = Vocabulary(names)
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
    return joined(query, Query(cameras=cameras, zones=zones, since=since, until=until))


def _exact(name: str, kind: str, names: list[tuple[str, str]]) -> str:
    known = [one for its, one in names if its == kind]
    for one in known:
        if one.casefold() == name.casefold():
            return one
    there = ", ".join(sorted(known)[:12]) or "none yet"
    raise ConfigError(f"--{kind} {redact(name)}: none that was ever seen; there are: {there}")
