"""Which run at which camera, and of which recording, an event is of."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.facets import Facets
from pipeline.store.removal import forget_recording, remove, superseded
from pipeline.store.schema import stream, visit

#: Milliseconds by which times of one recording may differ: those of its pictures are rounded.
_NEAR_MS = 2000


@dataclass(slots=True)
class _Stream:
    id: int
    recorded: int | None
    last: int
    changed: bool = False

    def count(self, order: int) -> None:
        """Remember the last event counted."""
        self.last, self.changed = order, True


class Streams:
    """The streams of the runs that events come from. A recording that comes again, from another
    run, takes the place of what was found in it before."""

    def __init__(self, names: Dictionary, facets: Facets) -> None:
        self._names = names
        self._facets = facets
        self._known: dict[tuple[str, str], list[_Stream]] = {}

    def of(
        self,
        connection: Connection,
        run: str,
        camera: str,
        recorded: int | None,
        recording: str | None,
        counts: Counts,
    ) -> _Stream:
        """The stream of an event, made if it is new."""
        known = self._known.get((run, camera))
        if known is None:
            known = self._known[run, camera] = self._read(connection, run, camera)
        for one in known:
            if _near(one.recorded, recorded):
                return one
        where = self._names.id(("camera", camera))
        self._replace(connection, superseded(connection, run, where, recorded, recording), counts)
        last = connection.execute(select(func.max(stream.c.id))).scalar() or 0
        made = _Stream(last + 1, recorded, -1)
        row = {"id": made.id, "run": run, "camera": where, "recorded": recorded}
        connection.execute(insert(stream), [{**row, "recording": recording, "last": -1}])
        known.append(made)
        return made

    def write(self, connection: Connection) -> None:
        """Write how far events were counted."""
        for known in self._known.values():
            for one in known:
                if one.changed:
                    one.changed = False
                    connection.execute(
                        update(stream).where(stream.c.id == one.id).values(last=one.last)
                    )

    def _read(self, connection: Connection, run: str, camera: str) -> list[_Stream]:
        where = self._names.find(("camera", camera))
        query = select(stream.c.id, stream.c.recorded, stream.c.last)
        found = connection.execute(query.where(stream.c.run == run, stream.c.camera == where))
        return [_Stream(*row) for row in found]

    def _replace(self, connection: Connection, streams: list[int], counts: Counts) -> None:
        if not streams:
            return
        ids = list(
            connection.execute(select(visit.c.id).where(visit.c.stream.in_(streams))).scalars()
        )
        remove(connection, self._facets, self._names, ids, counts)
        forget_recording(connection, streams)


def _near(one: int | None, other: int | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _NEAR_MS
