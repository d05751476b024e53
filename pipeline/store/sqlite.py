"""The store in a file: SQLite with a write-ahead log. One connection writes and checkpoints, since
SQLite before 3.51.3 can break such a database when two do; all others only read."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event, select, text
from sqlalchemy.pool import QueuePool, StaticPool

from pipeline.errors import StoreError
from pipeline.files import explained as file_explained
from pipeline.files import is_there, make_folder, private_file
from pipeline.store.disk import refuse_far_disks
from pipeline.store.facets import Facets, FullText
from pipeline.store.lock import StoreLock
from pipeline.store.past import PastStore
from pipeline.store.schema import visit
from pipeline.store.sql import explained

log = logging.getLogger("threadline.store")

_WAIT_S = 5.0
_BOTH = ("busy_timeout = 5000", "temp_store = memory", "cache_size = -65536", "mmap_size = 0")
_WRITER = (
    "page_size = 8192",
    "journal_mode = WAL",
    "synchronous = FULL",
    "journal_size_limit = 67108864",
    "wal_autocheckpoint = 1000",
    "secure_delete = ON",
)
#: Terms whose entries in the index ``check`` counts.
_SAMPLE = 50
#: Pages of the index merged at a time, so that nobody waits long.
_MERGED = 100
#: Visits put into the index at a time when it is made anew.
_CHUNK = 5_000


class SqliteStore(PastStore):
    """A store in the file ``path``."""

    facets: Facets = FullText()

    def __init__(self, path: Path, counts_only: bool = False) -> None:
        self.path = path
        self._lock = StoreLock(path)
        address = f"file:{quote(str(path.absolute()))}?mode=ro"

        def connect() -> sqlite3.Connection:
            made = _connect(address, uri=True)
            made.execute("PRAGMA query_only = ON")
            return made

        reader = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=2)
        _transactions(reader, "BEGIN")
        super().__init__(str(path), reader, counts_only)

    def open(self, zone: str, holder: str) -> None:
        """Open for writing, made if missing. One that is broken is moved aside.

        Raises:
            StoreError: another process writes it, or it cannot be used.
        """
        make_folder(self.path.parent, private=True)
        refuse_far_disks(self.path)
        self._lock.take(holder)
        try:
            private_file(self.path)
            self._look_whether_broken()
            self.prepare(zone)
        except BaseException:
            self.close()
            raise

    def open_to_read(self) -> None:
        """Open for reading.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        if not is_there(self.path):
            raise StoreError(
                f"{self.path}: no store; threadline run makes it, threadline db import as well"
            )
        self.open_reading()

    def close(self) -> None:
        super().close()
        self._lock.release()

    def _writing_connection(self) -> Connection:
        engine = create_engine(
            "sqlite://",
            creator=lambda: _connect(str(self.path), *_WRITER),
            poolclass=StaticPool,
        )
        _transactions(engine, "BEGIN IMMEDIATE")
        return engine.connect()

    def _drop(self) -> None:
        connection = self._connection
        super()._drop()
        if connection is not None:
            connection.engine.dispose()

    def _look_whether_broken(self) -> None:
        """After an end that was not clean, read everything once."""
        if not self.path.stat().st_size:
            return
        try:
            with explained(self.where):
                probe = _connect(str(self.path))
                try:
                    probe.execute("PRAGMA schema_version").fetchone()
                    check = "PRAGMA quick_check(1)"
                    if self._lock.unclean and (found := probe.execute(check).fetchone()[0]) != "ok":
                        raise sqlite3.DatabaseError(found)
                finally:
                    probe.close()
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: cannot be used: {error}; free space") from None
        except sqlite3.DatabaseError as error:
            self._put_aside(str(error))

    def _put_aside(self, why: str) -> None:
        aside = self.path.with_name(f"{self.path.name}.broken-{time.strftime('%Y%m%dT%H%M%S')}")
        with file_explained(self.path):
            self.path.replace(aside)
            for more in ("-wal", "-shm"):
                Path(f"{self.path}{more}").unlink(missing_ok=True)
        private_file(self.path)
        log.error(
            "%s is damaged (%s); it is %s now, and a new one was begun; threadline db import "
            "reads events.jsonl into it",
            self.path,
            why,
            aside,
        )

    def backup(self, file: str) -> None:
        target = Path(file)
        if is_there(target):
            raise StoreError(f"{file}: is there already; choose another name")
        private_file(target)
        source = _connect(f"file:{quote(str(self.path.absolute()))}?mode=ro", uri=True)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy, pages=2_000)
            copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise StoreError(f"{file}: cannot be written: {error}; free space") from None
        finally:
            copy.close()
            source.close()

    def settle(self) -> None:
        """Write the log back into the file and empty it. FTS5 keeps the words of deleted entries
        until its parts are merged; they are numbers, but whose they were is nobody's business."""
        with self.writing() as connection:
            connection.execute(text("INSERT INTO facet(facet) VALUES ('optimize')"))
        self.checkpoint()

    def tidy(self) -> None:
        with self.writing() as connection:
            merge = f"INSERT INTO facet(facet, rank) VALUES ('merge', {_MERGED})"
            connection.execute(text(merge))
        self.checkpoint()

    def checkpoint(self) -> None:
        """Empty the write-ahead log."""
        with explained(self.where):
            if self._connection is None:
                self._connection = self._writing_connection()
            cursor = self._connection.connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.close()

    def check(self) -> list[str]:
        wrong = []
        with self.reading() as connection:
            found = connection.execute(text("PRAGMA integrity_check(5)")).scalars().all()
            wrong += [str(line) for line in found if line != "ok"]
            if wrong:
                return wrong
            wrong = self._index_mistakes(connection)
        if wrong:
            self._index_anew()
            wrong.append("the index was made anew")
        return wrong

    def _index_mistakes(self, connection: Connection) -> list[str]:
        """Compare how often the index and the visits have some terms."""
        count: dict[int, int] = {}
        for terms in connection.execute(select(visit.c.terms)).scalars():
            for one in terms:
                count[one] = count.get(one, 0) + 1
        wrong = []
        for one in random.sample(sorted(count), min(_SAMPLE, len(count))):
            query = text("SELECT count(*) FROM facet WHERE facet MATCH :term")
            found = connection.execute(query, {"term": str(one)}).scalar()
            if found != count[one]:
                wrong.append(f"index: {found} entries of a term that {count[one]} visits have")
        return wrong

    def _index_anew(self) -> None:
        with self.writing() as connection:
            connection.execute(text("INSERT INTO facet(facet) VALUES ('delete-all')"))
            last = -1
            while True:
                query = select(visit.c.id, visit.c.terms).where(visit.c.id > last)
                rows = connection.execute(query.order_by(visit.c.id).limit(_CHUNK)).all()
                if not rows:
                    break
                self.facets.change(connection, (), [(row.id, row.terms) for row in rows])
                last = rows[-1].id


def _connect(address: str, *pragmas: str, uri: bool = False) -> sqlite3.Connection:
    made = sqlite3.connect(address, _WAIT_S, isolation_level=None, check_same_thread=False, uri=uri)
    try:
        for pragma in (*pragmas, *_BOTH):
            made.execute(f"PRAGMA {pragma}")
    except BaseException:
        made.close()
        raise
    return made


def _transactions(engine, begin: str) -> None:  # type: ignore[no-untyped-def]
    """Python's driver begins no transaction before it thinks it has to; this does."""
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
