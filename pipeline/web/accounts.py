"""Users, their sessions, and tokens for programs."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from pipeline.errors import ConfigError
from pipeline.web.kept import Kept, now_ms
from pipeline.web.passwords import Passwords, digest, new_secret
from pipeline.web.who import RANKS, SCOPES, Role, Who

#: Milliseconds after which a session ends: unused, and at the latest.
IDLE_MS = 12 * 3_600_000
LONGEST_MS = 30 * 86_400_000
#: A use is noted so often.
_NOTED_MS = 60_000
PREFIX = "tl_"
_NAME = re.compile(r"[\w.@-]{1,64}")
_DAY_MS = 86_400_000


class NoSuchError(ConfigError):
    """What is asked for is not there."""


class ConflictError(ConfigError):
    """It is there already, or may not be changed so."""


class Accounts:
    """All who may do anything. Works from any thread."""

    def __init__(self, kept: Kept) -> None:
        self.passwords = Passwords()
        self._kept = kept

    # Users.

    @property
    def empty(self) -> bool:
        """Whether nobody may do anything yet."""
        return self._kept.one("SELECT 1 FROM user") is None

    def users(self) -> list[dict[str, Any]]:
        rows = self._kept.all("SELECT name, role, cameras, made, seen FROM user ORDER BY name")
        return [{**dict(row), "cameras": _listed(row["cameras"])} for row in rows]

    def add(
        self, name: str, password: str, role: Role, cameras: Iterable[str] | None = None
    ) -> None:
        """Add a user.

        Raises:
            ConfigError: the name or the password cannot be.
            ConflictError: there is one of this name.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError("user: use up to 64 letters, digits and . _ - @")
        kept = self.passwords.hash(password)
        query = "INSERT INTO user (name, password, role, cameras, made) VALUES (?, ?, ?, ?, ?)"
        try:
            self._kept.change(query, name, kept, _checked(role), _packed(cameras), now_ms())
        except sqlite3.IntegrityError:
            raise ConflictError(f"user {name}: is there already; change them") from None

    def change(self, name: str, but: bytes = b"", **changes: Any) -> None:
        """Change ``password``, ``role`` or ``cameras`` of a user; a new password ends all of their
        sessions, ``but`` one.

        Raises:
            NoSuchError: there is none of this name.
            ConflictError: no admin would be left.
        """
        row = self._user(name)
        role = _checked(changes.get("role", row["role"]))
        if row["role"] == "admin" and role != "admin":
            self._refuse_last(name)
        if "cameras" in changes:
            cameras = _packed(changes["cameras"])
            self._kept.change("UPDATE user SET cameras = ? WHERE name = ?", cameras, name)
        self._kept.change("UPDATE user SET role = ? WHERE name = ?", role, name)
        if changes.get("password") is not None:
            kept = self.passwords.hash(changes["password"])
            self._kept.change("UPDATE user SET password = ? WHERE name = ?", kept, name)
            self.end_all(name, but)

    def remove(self, name: str) -> None:
        """Remove a user with their sessions and searches; raises as ``change``."""
        if self._user(name)["role"] == "admin":
            self._refuse_last(name)
        self._kept.change("DELETE FROM user WHERE name = ?", name)
        self._kept.change("DELETE FROM search WHERE user = ?", name)

    def right(self, name: str, password: str) -> bool:
        """Whether this is a user's password; as slow for names that nobody has."""
        row = self._kept.one("SELECT password FROM user WHERE name = ?", name)
        return self.passwords.right(row["password"] if row else None, password)

    def _user(self, name: str) -> sqlite3.Row:
        row = self._kept.one("SELECT * FROM user WHERE name = ?", name)
        if row is None:
            raise NoSuchError(f"user {name}: none of this name")
        return row

    def _refuse_last(self, name: str) -> None:
        query = "SELECT 1 FROM user WHERE role = 'admin' AND name != ?"
        if self._kept.one(query, name) is None:
            raise ConflictError(f"user {name}: the last admin stays one; make another one first")

    # Sessions.

    def begin(self, name: str) -> str:
        """A new session of a user; its secret, which is kept nowhere."""
        secret, now = new_secret(), now_ms()
        self._kept.change(
            "DELETE FROM session WHERE seen < ? OR made < ?", now - IDLE_MS, now - LONGEST_MS
        )
        self._kept.change("INSERT INTO session VALUES (?, ?, ?, ?)", digest(secret), name, now, now)
        self._kept.change("UPDATE user SET seen = ? WHERE name = ?", now, name)
        return secret

    def of_session(self, secret: str) -> Who | None:
        """Whose session it is, while it lasts."""
        return self.of_hash(digest(secret))

    def of_hash(self, hash_: bytes) -> Who | None:
        now = now_ms()
        row = self._kept.one(
            "SELECT session.*, role, cameras FROM session JOIN user ON user.name = session.user "
            "WHERE hash = ? AND session.seen >= ? AND session.made >= ?",
            hash_,
            now - IDLE_MS,
            now - LONGEST_MS,
        )
        if row is None:
            return None
        if now - row["seen"] > _NOTED_MS:
            self._kept.change("UPDATE session SET seen = ? WHERE hash = ?", now, hash_)
        return replace(_who(row["user"], row), session=hash_)

    def end(self, hash_: bytes) -> None:
        self._kept.change("DELETE FROM session WHERE hash = ?", hash_)

    def end_all(self, name: str, but: bytes = b"") -> None:
        """End all sessions of a user, ``but`` one."""
        self._kept.change("DELETE FROM session WHERE user = ? AND hash != ?", name, but)

    # Tokens.

    def tokens(self) -> list[dict[str, Any]]:
        rows = self._kept.all(
            "SELECT id, name, role, scopes, cameras, made, used, ends FROM token ORDER BY id"
        )
        return [
            {
                **dict(row),
                "cameras": _listed(row["cameras"]),
                "scopes": _listed(row["scopes"]) or [],
            }
            for row in rows
        ]

    def add_token(
        self,
        name: str,
        role: Role,
        scopes: Iterable[str],
        cameras: Iterable[str] | None,
        days: int | None,
    ) -> tuple[int, str]:
        """A token for a program: its number, and what is shown this once.

        Raises:
            ConfigError: there is no such role or scope.
        """
        wanted, secret, now = set(scopes), PREFIX + new_secret(), now_ms()
        if not wanted or wanted - SCOPES:
            raise ConfigError(f"scopes: one or more of {', '.join(sorted(SCOPES))}")
        ends = None if days is None else now + days * _DAY_MS
        number = self._kept.add(
            "INSERT INTO token (hash, name, role, scopes, cameras, made, ends) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(digest(secret), name, _checked(role), _packed(wanted), _packed(cameras), now, ends),
        )
        return number, secret

    def remove_token(self, number: int) -> None:
        if not self._kept.change("DELETE FROM token WHERE id = ?", number):
            raise NoSuchError(f"token {number}: none of this number")

    def of_token(self, secret: str) -> Who | None:
        """Whose token it is, while it lasts."""
        now = now_ms()
        row = self._kept.one("SELECT * FROM token WHERE hash = ?", digest(secret))
        if row is None or (row["ends"] is not None and row["ends"] < now):
            return None
        if now - (row["used"] or 0) > _NOTED_MS:
            self._kept.change("UPDATE token SET used = ? WHERE id = ?", now, row["id"])
        scopes = frozenset(_listed(row["scopes"]) or ())
        return replace(_who(f"token:{row['name']}", row), scopes=scopes)


def _who(name: str, row: sqlite3.Row) -> Who:
    cameras = _listed(row["cameras"])
    seen = None if cameras is None or row["role"] == "admin" else frozenset(cameras)
    return Who(name, cast(Role, row["role"]), seen)


def _checked(role: str) -> str:
    if role not in RANKS:
        raise ConfigError(f"role: one of {', '.join(RANKS)}")
    return role


def _packed(names: Iterable[str] | None) -> str | None:
    return None if names is None else json.dumps(sorted(names))


def _listed(packed: str | None) -> list[str] | None:
    return None if packed is None else list(json.loads(packed))
