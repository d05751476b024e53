"""What the window keeps besides the past: who may, cameras with their logins, saved searches, what
was done. One file, its owner's alone; no login in it is readable through the API."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.files import make_folder, private_file

#: Its name in the folder of the results.
NAME = "window.db"
#: Between two entries of what goes on (ms).
_SELDOM_MS = 3_600_000
#: Entries of the audit log that are kept.
MOST_AUDIT = 100_000
VERSION = 1
_WAIT_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, cameras TEXT,
    made INTEGER NOT NULL, seen INTEGER);
CREATE TABLE IF NOT EXISTS session (
    hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES user(name) ON DELETE CASCADE,
    made INTEGER NOT NULL, seen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS token (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL,
    role TEXT NOT NULL, scopes TEXT NOT NULL, cameras TEXT, made INTEGER NOT NULL, used INTEGER,
    ends INTEGER);
CREATE TABLE IF NOT EXISTS search (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, name TEXT NOT NULL,
    query TEXT NOT NULL, made INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, user TEXT NOT NULL,
    client TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS camera (name TEXT PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pack (name TEXT PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cost (
    pack TEXT NOT NULL, known TEXT NOT NULL, ms REAL NOT NULL, looks INTEGER NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (pack, known));
CREATE TABLE IF NOT EXISTS wrong (
    visit TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, class TEXT NOT NULL,
    file TEXT NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (visit, kind, label));
CREATE TABLE IF NOT EXISTS setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS purpose (camera TEXT PRIMARY KEY, text TEXT NOT NULL);
"""


def now_ms() -> int:
    return round(time.time() * 1000)


class Kept:
    """The file, opened; works from any thread.

    Raises on entering: StoreError, if it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Kept:
        make_folder(self.path.parent, private=True)
        private_file(self.path)
        with self._explained():
            self.path.chmod(0o600)
            connection = sqlite3.connect(
                self.path, _WAIT_S, isolation_level=None, check_same_thread=False
            )
            self._connection = connection
            connection.row_factory = sqlite3.Row
            # A log beside it, or pages that were freed, would hold what was deleted.
            for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}")
            [version] = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise StoreError(f"{self.path}: of a newer version of Threadline; update")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query."""
        with self._open() as connection, closing(connection.execute(query, values)) as found:
            return list(found)

    def one(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query."""
        return next(iter(self.all(query, *values)), None)

    def change(self, query: str, *values: Any) -> int:
        """Change rows; how many."""
        with self._open() as connection:
            return connection.execute(query, values).rowcount

    def add(self, query: str, *values: Any) -> int:
        """Add a row; its number."""
        with self._open() as connection:
            return connection.execute(query, values).lastrowid or 0

    def note(self, user: str, client: str, action: str, what: str = "") -> None:
        """Write down what somebody did."""
        row = self.add(
            "INSERT INTO audit (at, user, client, action, object) VALUES (?, ?, ?, ?, ?)",
            now_ms(),
            user,
            client,
            action,
            what[:200],
        )
        if row % 1000 == 0:
            self.change("DELETE FROM audit WHERE id <= ?", row - MOST_AUDIT)

    def note_seldom(self, user: str, client: str, action: str, what: str) -> None:
        """The same of what is done again and again: once an hour."""
        query = "SELECT 1 FROM audit WHERE (user, client, action, object) = (?, ?, ?, ?) AND at > ?"
        if self.one(query, user, client, action, what[:200], now_ms() - _SELDOM_MS) is None:
            self.note(user, client, action, what)

    def audit(self, before: int | None, limit: int) -> Sequence[sqlite3.Row]:
        """What was done, newest first, before an entry."""
        query = "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?"
        return self.all(query, before or 1 << 62, limit)

    # Cameras: their settings in JSON, with logins.

    def cameras(self) -> dict[str, str]:
        rows = self.all("SELECT name, settings FROM camera ORDER BY rowid")
        return {row["name"]: row["settings"] for row in rows}

    def keep_camera(self, name: str, settings: str) -> None:
        query = (
            "INSERT INTO camera VALUES (?, ?) ON CONFLICT (name) "
            "DO UPDATE SET settings = excluded.settings"
        )
        self.change(query, name, settings)

    def drop_camera(self, name: str) -> None:
        self.change("DELETE FROM camera WHERE name = ?", name)
        self.change("DELETE FROM purpose WHERE camera = ?", name)

    def purposes(self) -> dict[str, str]:
        """What cameras are for, in words, where somebody wrote it."""
        return {row["camera"]: row["text"] for row in self.all("SELECT * FROM purpose")}

    def keep_purpose(self, camera: str, text: str) -> None:
        self.change("DELETE FROM purpose WHERE camera = ?", camera)
        if text:
            self.change("INSERT INTO purpose VALUES (?, ?)", camera, text)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            if self._connection is None:
                raise StoreError(f"{self.path}: is closed")
            yield self._connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path}: cannot be used: {error}; free space, or move it away and set it up "
                "again"
            ) from None
