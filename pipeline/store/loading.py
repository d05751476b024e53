"""Visits and their tags, read from the tables."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, select

from pipeline.pictures import snapshot_file
from pipeline.store.dictionary import Dictionary
from pipeline.store.schema import stream, tag, visit
from pipeline.store.visits import HEADS, LEVELS, StoredTag, Visit, summary

#: Values in one query: databases bound their number.
CHUNK = 500

T = TypeVar("T")


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Values in lists of at most ``size``."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def load_named(connection: Connection, names: Dictionary, wanted: Iterable[bytes]) -> list[Visit]:
    """Visits by their UUIDs."""
    found = []
    for part in chunks(wanted):
        query = select(visit, stream.c.run, stream.c.recorded).join(
            stream, stream.c.id == visit.c.stream
        )
        found += list(connection.execute(query.where(visit.c.name.in_(part))))
    return _with_tags(connection, names, found)


def load(
    connection: Connection, names: Dictionary, ids: Iterable[int], tags: bool = True
) -> list[Visit]:
    """Visits by their numbers, in the order of these; without ``tags``, what they wear is only in
    their summaries."""
    ids = list(ids)
    found: dict[int, Row[Any]] = {}
    for part in chunks(ids):
        query = select(visit, stream.c.run, stream.c.recorded).join(
            stream, stream.c.id == visit.c.stream
        )
        found |= {row.id: row for row in connection.execute(query.where(visit.c.id.in_(part)))}
    rows = [found[id_] for id_ in ids if id_ in found]
    return _with_tags(connection, names, rows) if tags else [_visit(r, (), names) for r in rows]


def _with_tags(connection: Connection, names: Dictionary, rows: Sequence[Row[Any]]) -> list[Visit]:
    tags: dict[int, list[StoredTag]] = defaultdict(list)
    for part in chunks(row.id for row in rows):
        query = select(tag).where(tag.c.visit.in_(part)).order_by(tag.c.visit, tag.c.n)
        for row in connection.execute(query):
            tags[row.visit].append(_tag(row, names))
    return [_visit(row, tags[row.id], names) for row in rows]


def _visit(row: Row[Any], tags: Sequence[StoredTag], names: Dictionary) -> Visit:
    terms = [names.term(number) for number in row.terms]
    return Visit(
        name=bytes(row.name),
        run=row.run,
        camera=names.name(row.camera),
        track=row.track,
        began=row.began,
        ended=row.ended,
        first_pts=row.first_pts,
        recorded=row.recorded,
        open=bool(row.open),
        last=row.last,
        picture=picture_of(row, names),
        heads=None if row.heads is None else HEADS[row.heads],
        tags={one.slot: one for one in tags},
        zones={name for kind, name in terms if kind == "zone"},
        id=row.id,
        stream=row.stream,
        summary=summary(terms),
    )


def picture_of(row: Row[Any], names: Dictionary) -> str | None:
    """The name of a visit's picture. Most follow from the visit, and take no room."""
    if row.picture == "":
        return _usual(names.name(row.camera), row.track, bytes(row.name))
    return row.picture and str(row.picture)


def _usual(camera: str, track: int, name: bytes) -> str:
    return snapshot_file(camera, track, str(uuid.UUID(bytes=name)))


def _tag(row: Row[Any], names: Dictionary) -> StoredTag:
    attributes = [int(part) for part in (row.attributes or "").split(",") if part]
    pairs = [names.name(number).partition("=") for number in attributes]
    return StoredTag(
        kind=names.name(row.kind),
        label=names.name(row.label),
        category=None if row.category is None else names.name(row.category),
        level=LEVELS[row.level],
        colours=tuple(names.name(c) for c in (row.colour, row.colour2) if c is not None),
        attributes=tuple((name, value) for name, _, value in pairs),
        score=row.score / 1000,
        box=(row.x0, row.y0, row.x1, row.y1),
        model=names.name(row.model),
        gone=bool(row.gone),
    )


def tag_rows(one: Visit, names: Dictionary) -> Iterator[dict[str, object]]:
    """A visit's tags as rows."""
    for n, found in enumerate(one.tags.values()):
        colours = [names.id(("colour", colour)) for colour in found.colours] + [None, None]
        attributes = [names.id(("attribute", f"{k}={v}")) for k, v in found.attributes]
        yield {
            "visit": one.id,
            "n": n,
            "kind": names.id(("kind", found.kind)),
            "label": names.id(found.named),
            "category": names.id(("category", found.category)) if found.category else None,
            "level": LEVELS.index(found.level),
            "colour": colours[0],
            "colour2": colours[1],
            "attributes": f",{','.join(map(str, attributes))}," if attributes else None,
            "score": round(found.score * 1000),
            "gone": int(found.gone),
            **dict(zip(("x0", "y0", "x1", "y1"), found.box, strict=True)),
            "model": names.id(("model", found.model)),
        }


def visit_row(one: Visit, names: Dictionary, terms: Sequence[int]) -> dict[str, object]:
    """A visit as a row."""
    return {
        "id": one.id,
        "name": one.name,
        "stream": one.stream,
        "camera": names.id(("camera", one.camera)),
        "track": one.track,
        "began": one.began,
        "ended": one.ended,
        "first_pts": one.first_pts,
        "open": int(one.open),
        "last": one.last,
        "picture": "" if one.picture == _usual(one.camera, one.track, one.name) else one.picture,
        "terms": terms,
        "heads": HEADS.index(one.heads) if one.heads else None,
    }
