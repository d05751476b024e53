"""What a store is on every database."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from tzlocal import get_localzone_name

from pipeline.errors import StoreAwayError, StoreError, redact
from pipeline.store.calendar import Buckets
from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.facets import Facets
from pipeline.store.migrate import check_version, upgrade
from pipeline.store.numbering import first_of
from pipeline.store.schema import meta
from pipeline.store.writing import Writer, Written

_NONE: Mapping[str, str] = MappingProxyType({})


class SqlStore:
    """A store in a database. Reading works from any thread, writing from one.

    Attributes:
        where: what it is called in messages, without credentials.
        zone: the time zone of its hours and days.
    """

    facets: Facets

    def __init__(self, where: str, reader: Engine, counts_only: bool = False) -> None:
        self.where = where
        self.zone = ZoneInfo("UTC")
        self._reader = reader
        self._counts_only = counts_only
        self._connection: Connection | None = None
        self._writer: Writer | None = None

    # What differs between databases.

    def _writing_connection(self) -> Connection:
        """The one connection that writes, opened anew after a failure."""
        raise NotImplementedError

    def backup(self, file: str) -> None:
        """Write a copy of everything into a file that does not exist yet."""
        raise NotImplementedError

    def check(self) -> list[str]:
        """What is wrong, and was mended as far as it can be."""
        raise NotImplementedError

    def settle(self) -> None:
        """Have what was deleted be gone from every file of the database."""

    def tidy(self) -> None:
        """Do a little of what ``settle`` does at once; quickly."""

    # What does not.

    def prepare(self, zone: str) -> None:
        """Make or update the tables; a new store's time zone is ``zone``, or this machine's."""
        with self.writing() as connection:
            upgrade(connection, self.where)
            known = {row.key: row.value for row in connection.execute(select(meta))}
            if "zone" not in known:
                known = {"zone": zone or _machines_zone(), "id": str(uuid.uuid4())}
                rows = [{"key": key, "value": value} for key, value in known.items()]
                connection.execute(insert(meta), rows)
            self.facets.make_room(connection, [first_of(round(time.time() * 1000))])
        self.zone = _zone(known["zone"], self.where)

    def open_reading(self) -> None:
        """Check that this program can read what is there."""
        with self.reading() as connection:
            check_version(connection, self.where)
            query = select(meta.c.value).where(meta.c.key == "zone")
            self.zone = _zone(connection.execute(query).scalar() or "UTC", self.where)

    def close(self) -> None:
        self._reader.dispose()  # before the writer: the last one to leave clears SQLite's log
        self._drop()

    def _drop(self) -> None:
        self._writer = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
            connection.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the store.

        Raises:
            StoreError: it cannot be read.
        """
        with explained(self.where), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The writing connection in a transaction: all is kept, or nothing.

        Raises:
            StoreError: it cannot be written.
        """
        with explained(self.where):
            if self._connection is None:
                self._connection = self._writing_connection()
            try:
                with self._connection.begin():
                    yield self._connection
            except SQLAlchemyError:
                self._drop()
                raise
            except BaseException:
                self._writer = None
                raise

    def write(
        self, records: Sequence[Mapping[str, Any]], recordings: Mapping[str, str] = _NONE
    ) -> Written:
        """Add what is new in records of events, as in docs/events.md, all or nothing.

        Args:
            recordings: camera -> what the file of its recording is known by.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            with self.writing() as connection:
                if self._writer is None:
                    self._writer = Writer(self.facets, self._counts_only)
                return self._writer.write(connection, records, recordings, self.counts())
        except BaseException:
            self._writer = None  # what it keeps in memory is not in the tables
            raise

    def counts(self) -> Counts:
        """Changes of counts, to be filled and written in one transaction."""
        names = self._writer.names if self._writer else Dictionary()
        return Counts(Buckets(self.zone), names)


def holder(what: str) -> str:
    """What a process that holds a store is called, to those it keeps waiting."""
    return f"`{what}` on {socket.gethostname()}, since {time.strftime('%H:%M:%S')}"


def _machines_zone() -> str:
    try:
        return get_localzone_name() or "UTC"
    except Exception:  # a machine that is set up in an unusual way
        return "UTC"


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise StoreError(
            f"{where}: its time zone '{name}' is unknown here; install the package tzdata"
        ) from None


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Errors of databases in one line."""
    try:
        yield
    except StoreError:
        raise
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()
        said = redact(reason[0] if reason else type(error).__name__)
        away = "://" in where and isinstance(error, OperationalError | InterfaceError)
        kind = StoreAwayError if away else StoreError
        raise kind(f"{where}: cannot be used: {said}; {_remedy(said)}") from None


def _remedy(said: str) -> str:
    if "full" in said or "space" in said or "disk I/O" in said:
        return "free space"
    if "malformed" in said or "not a database" in said:
        return "move it away, and read events.jsonl again: threadline db import"
    if "unable to open" in said or "permission" in said.lower() or "readonly" in said:
        return "check that it is there, and who may read it"
    return "it may be away for the moment; try again"
