"""Visits taken out of every table, and out of the index."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.facets import Facets
from pipeline.store.loading import chunks, load, picture_of
from pipeline.store.schema import event, stream, tag, visit
from pipeline.store.visits import DIMENSIONS, counted


@dataclass(frozen=True, slots=True)
class Gone:
    """A visit that was deleted: its UUID, and the name of its picture, which is still there."""

    visit: str
    picture: str | None


def remove(
    connection: Connection,
    facets: Facets,
    names: Dictionary,
    ids: Sequence[int],
    counts: Counts | None = None,
) -> list[Gone]:
    """Delete visits with their tags and events; which these were.

    Args:
        counts: taken back from these, where given; not written yet.
    """
    gone: list[Gone] = []
    for part in chunks(ids):
        if counts is not None:
            for one in load(connection, names, part):
                counts.add_all(one.began, one.camera, counted(one), -1)
            _uncount(connection, names, part, counts)
        query = select(visit).where(visit.c.id.in_(part))
        rows = list(connection.execute(query))
        facets.change(connection, [(row.id, row.terms) for row in rows], ())
        gone += [
            Gone(str(uuid.UUID(bytes=bytes(row.name))), picture_of(row, names)) for row in rows
        ]
        connection.execute(delete(tag).where(tag.c.visit.in_(part)))
        connection.execute(delete(event).where(event.c.visit.in_(part)))
        connection.execute(delete(visit).where(visit.c.id.in_(part)))
    return gone


def _uncount(connection: Connection, names: Dictionary, ids: Sequence[int], counts: Counts) -> None:
    for row in connection.execute(select(event).where(event.c.visit.in_(ids))):
        if row.what is not None:
            camera, what = names.name(row.camera), names.term(row.what)
            for dim, n in passage(row.direction, row.dwell, what[0]):
                counts.add(row.at, camera, dim, what, -n)


def passage(direction: int | None, dwell: int | None, kind: str) -> list[tuple[int, int]]:
    """What an event about a zone or line adds to: dimension and number."""
    if kind == "line":
        return [(DIMENSIONS["in" if direction == 1 else "out"], 1)]
    if kind == "zone":
        return [(DIMENSIONS["zones"], 1)] if dwell is None else [(DIMENSIONS["dwell"], dwell)]
    return []


def superseded(
    connection: Connection, run: str, camera: int, recorded: int | None, recording: str | None
) -> list[int]:
    """Streams of other runs that are of the same recording: by what its file is known by, or by the
    camera and when it was recorded."""
    others = [stream.c.run != run]
    found: set[int] = set()
    if recording is not None:
        same = select(stream.c.id).where(*others, stream.c.recording == recording)
        found |= set(connection.execute(same).scalars())
    if recorded is not None:
        near = stream.c.recorded.between(recorded - 1000, recorded + 1000)
        same = select(stream.c.id).where(*others, stream.c.camera == camera, near)
        found |= set(connection.execute(same).scalars())
    return sorted(found)


def forget_recording(connection: Connection, ids: Sequence[int]) -> None:
    """Have streams be of no recording any more."""
    connection.execute(
        update(stream).where(stream.c.id.in_(ids)).values(recording=None, recorded=None)
    )
