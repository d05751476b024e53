"""People forgotten on purpose: pictures and lines of events first, then rows and the index, so that
whoever is stopped in between finds the rest when asked again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import ConfigError
from pipeline.store.events_file import drop_lines
from pipeline.store.journal import NAME as JOURNAL
from pipeline.store.journal import Journal
from pipeline.store.loading import chunks
from pipeline.store.protocol import Store
from pipeline.store.query import Query
from pipeline.store.retention import CHUNK, delete_lessons, delete_pictures
from pipeline.store.visits import Visit, milliseconds

_PAGE = 2_000


class Forgetful(Protocol):
    """A journal, or who writes it."""

    def forget(self, unwanted: Callable[[Mapping[str, Any]], bool]) -> object:
        """Delete the events that ``unwanted`` names; SinkError if that cannot be."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """Who is to be forgotten: one ``visit`` by its UUID, or all a query finds; where that asks for
    no clothes and no zone, events about nobody in its time as well. ``counts``: also taken out of
    the counts by hour and day.

    Raises:
        ConfigError: ``visit`` is no UUID.
    """

    query: Query
    visit: str | None = None
    counts: bool = False

    def __post_init__(self) -> None:
        try:
            uuid.UUID(self.visit or "0" * 32)
        except ValueError:
            raise ConfigError(f"--visit {self.visit}: no id of a visit") from None

    @property
    def everything(self) -> bool:
        asked = self.query
        return not (self.visit or asked.either or asked.without or asked.zones)


@dataclass(slots=True)
class Meant:
    """Whom a request is about, written down before the first of them is gone: their visits, and
    names of their pictures."""

    request: Request
    visits: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)


class Forgetting:
    """A request carried out.

    Args:
        folder: of the results.
        meant: a request, with whom it was found to be about before, if it is begun anew.
        run: that goes on meanwhile; who is in its view stays, since more is to come of them.

    Attributes:
        gone: visits that are forgotten.
        in_view: visits that were left for that reason.
    """

    def __init__(self, store: Store, folder: Path, meant: Meant, run: str | None = None) -> None:
        self.meant = meant
        self.gone = 0
        self.in_view = 0
        self._store = store
        self._folder = folder
        self._request = meant.request
        self._run = run

    def find(self) -> Iterator[None]:
        """Who is meant, a little at a time; nothing is deleted yet."""
        for page in self._found():
            for one in page:
                if one.open and one.run == self._run:
                    self.in_view += 1
                    continue
                self.meant.visits.add(str(uuid.UUID(bytes=one.name)))
                self.meant.pictures |= {one.picture} if one.picture else set()
            yield

    def steps(self, journal: Forgetful | None) -> Iterator[None]:
        """Everything of those who were found, a little at a time."""
        if journal is not None:
            journal.forget(self._unwanted)
        self.files()
        yield
        for part in chunks(self.meant.visits, CHUNK):
            keys = [uuid.UUID(name).bytes for name in part]
            self.gone += len(self._store.forget_visits(keys, self._request.counts))
            yield
        while self._request.everything and self._store.forget_events(self._request.query):
            yield
        self._store.settle()

    def files(self) -> None:
        """Pictures, those kept to teach with among them, and lines."""
        delete_pictures(self._folder, self.meant.pictures)
        delete_lessons(self._folder, lambda path: path.name[:36] in self.meant.visits)
        drop_lines(self._folder, self._unwanted)

    def _found(self) -> Iterator[Sequence[Visit]]:
        if self._request.visit:
            yield self._store.named([uuid.UUID(self._request.visit).bytes])
            return
        cursor = None
        while True:
            page = self._store.search(self._request.query, cursor, _PAGE)
            yield page.visits
            if (cursor := page.next) is None:
                return

    def _unwanted(self, record: Mapping[str, Any]) -> bool:
        if record.get("visit"):
            return record["visit"] in self.meant.visits
        return self._request.everything and _meant(record, self._request.query)


def forget(store: Store, folder: Path, request: Request) -> int:
    """Forget people everywhere they are kept, while no run writes into the folder; how many."""
    forgetting = Forgetting(store, folder, Meant(request))
    for _ in forgetting.find():
        pass
    with Journal(folder) if (folder / JOURNAL).is_file() else nullcontext() as journal:
        for _ in forgetting.steps(journal):
            pass
    return forgetting.gone


def _meant(record: Mapping[str, Any], query: Query) -> bool:
    """Whether a record about nobody in particular lies in a query's time and at its cameras."""
    at = milliseconds(record.get("recorded_at") or record.get("hour") or record["utc"])
    if not (query.since or 0) <= at < (query.until or 1 << 62):
        return False
    return not query.cameras or (record.get("camera") or record.get("source")) in query.cameras
