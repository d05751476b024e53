"""The journal: every event of the runs into one folder, on disk before anything else is told of it.

SQLite with a write-ahead log: one thread writes, outlets read, each from where it stopped. What a
commit has acknowledged survives a process that is killed and a power cut.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import SinkError
from pipeline.files import explained, make_folder, private_file
from pipeline.ids import lowest

log = logging.getLogger("threadline.journal")

#: Its name in the folder of the results.
NAME = "journal.db"
#: Events kept for outlets that have not taken them: of more, the oldest are given up.
MOST = 200_000
#: Events kept although every outlet has them.
KEPT = 1_000
#: Rows deleted at a time, so that no commit waits long.
_CHUNK = 2_000
_WAIT_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cursors (outlet TEXT PRIMARY KEY, seq INTEGER NOT NULL);
PRAGMA user_version = 1;
"""
#: An event's id and its record in JSON.
Row = tuple[str, str]


class Journal:
    """The events of a folder. The thread that writes calls ``append``, ``keep`` and ``tidy``;
    ``read`` opens connections of their own to any other.

    Raises on entering: SinkError, if it cannot be made. A broken one is put aside.

    Args:
        kept_s: seconds after which an event that every outlet has is deleted for certain.
    """

    def __init__(self, folder: Path, kept_s: float | None = None) -> None:
        self.path = folder / NAME
        self._kept_s = kept_s
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Journal:
        make_folder(self.path.parent, private=True)
        private_file(self.path)
        with _explained(self.path):
            try:
                self._connection = self._opened()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._put_aside(str(error))
                self._connection = self._opened()
        return self

    def __exit__(self, *error: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def append(self, rows: Sequence[Row]) -> int:
        """Write events, all or none; the number of the last one there now.

        Raises:
            SinkError: the disk is full, or gone.
        """
        with _explained(self.path), self._writing() as connection:
            connection.executemany("INSERT INTO events (id, record) VALUES (?, ?)", rows)
        return self.last()

    def keep(self, cursors: Mapping[str, int]) -> None:
        """Write how far outlets are; SinkError as of ``append``."""
        with _explained(self.path), self._writing() as connection:
            connection.executemany(
                "INSERT INTO cursors VALUES (?, ?) "
                "ON CONFLICT (outlet) DO UPDATE SET seq = excluded.seq",
                list(cursors.items()),
            )

    def tidy(self, taken: int) -> int:
        """Delete what all outlets have, events up to number ``taken``, and what is too much; how
        many nobody had. SinkError as of ``append``."""
        last = self.last()
        given_up, had = last - MOST, min(taken, last - KEPT)
        lost = 0
        with _explained(self.path), self._writing() as connection:
            for upto in (had, given_up):
                deleted = connection.execute(
                    "DELETE FROM events WHERE seq IN "
                    "(SELECT seq FROM events WHERE seq <= ? ORDER BY seq LIMIT ?)",
                    (upto, _CHUNK),
                ).rowcount
                lost += deleted if upto > had else 0
            if self._kept_s is not None:
                connection.execute(
                    "DELETE FROM events WHERE seq IN "
                    "(SELECT seq FROM events WHERE seq <= ? AND id < ? ORDER BY seq LIMIT ?)",
                    (taken, lowest(time.time() - self._kept_s), _CHUNK),
                )
        return lost

    def forget(self, unwanted: Callable[[Mapping[str, Any]], bool]) -> int:
        """Delete the events that ``unwanted`` names, from the log as well; how many. SinkError as
        of ``append``."""
        with _explained(self.path), self._writing() as connection:
            found = list(connection.execute("SELECT seq, record FROM events"))
            gone = [(seq,) for seq, record in found if unwanted(json.loads(record))]
            connection.executemany("DELETE FROM events WHERE seq = ?", gone)
        with _explained(self.path):
            self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(gone)

    def last(self) -> int:
        """The number of the last event; 0 before the first."""
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
        row = self._open().execute(query).fetchone()
        return int(row[0]) if row else 0

    def cursor(self, outlet: str) -> int | None:
        """The number of the last event an outlet has taken, as kept."""
        query = "SELECT seq FROM cursors WHERE outlet = ?"
        row = self._open().execute(query, (outlet,)).fetchone()
        return int(row[0]) if row else None

    def number(self, event_id: str) -> int | None:
        """The number of an event that is still there."""
        query = "SELECT seq FROM events WHERE id = ?"
        row = self._open().execute(query, (event_id,)).fetchone()
        return int(row[0]) if row else None

    def reader(self) -> Reader:
        """For one other thread."""
        return Reader(self.path)

    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _opened(self) -> sqlite3.Connection:
        connection = _connect(self.path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            connection.execute("PRAGMA secure_delete = ON")
            [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self, why: str) -> None:
        aside = self.path.with_name(f"{NAME}.broken-{time.strftime('%Y%m%dT%H%M%S')}")
        with explained(self.path):
            self.path.replace(aside)
            for more in ("-wal", "-shm"):
                Path(f"{self.path}{more}").unlink(missing_ok=True)
        private_file(self.path)
        log.error("%s is damaged (%s); it is %s now, and a new one was begun", NAME, why, aside)


class Reader:
    """Reads a journal on one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def after(self, seq: int, most: int) -> list[tuple[int, str]]:
        """Numbers and records of up to ``most`` events after number ``seq``.

        Raises:
            SinkError: it cannot be read.
        """
        with _explained(self._path):
            query = "SELECT seq, record FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
            with closing(self._opened().execute(query, (seq, most))) as found:
                return list(found)

    def number(self, event_id: str) -> int | None:
        """The number of an event that is still there; SinkError as of ``after``."""
        with _explained(self._path):
            query = "SELECT seq FROM events WHERE id = ?"
            with closing(self._opened().execute(query, (event_id,))) as found:
                row = found.fetchone()
                return int(row[0]) if row else None

    def of_visit(self, visit: str) -> list[str]:
        """Records of the events of a visit that are still there; SinkError as of ``after``."""
        with _explained(self._path):
            query = (
                "SELECT record FROM events WHERE json_extract(record, '$.visit') = ? ORDER BY seq"
            )
            with closing(self._opened().execute(query, (visit,))) as found:
                return [record for (record,) in found]

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    # Opened on one thread and used on another, but never by two at a time.
    return sqlite3.connect(path, _WAIT_S, isolation_level=None, check_same_thread=False)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise SinkError(
            f"{path}: cannot be used: {error}; free space, or choose an --out on a local disk"
        ) from None
