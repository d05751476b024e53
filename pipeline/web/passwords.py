"""Passwords hashed with Argon2id (RFC 9106), and secrets that need no more than a digest."""

from __future__ import annotations

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.errors import ConfigError

LEAST = 12
MOST = 200
#: OWASP's second choice: 19 MiB, two passes. 50 to 110 ms on a small machine.
_MEMORY_KB = 19_456
_PASSES = 2
#: Hashes at a time: they would take the cores from the cameras.
_AT_ONCE = 2


class Passwords:
    """Hashes and checks, two at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KB, parallelism=1)
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        # Checked for names that nobody has, so that these take as long.
        self._nobodys = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """What is kept of a password.

        Raises:
            ConfigError: it is too short or too long.
        """
        if not LEAST <= len(password) <= MOST:
            raise ConfigError(f"password: use {LEAST} to {MOST} characters; several words are good")
        with self._turns:
            return self._hasher.hash(password)

    def right(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one that was kept; ``None`` for a name that nobody has."""
        with self._turns:
            try:
                self._hasher.verify(kept or self._nobodys, password[: MOST + 1])
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None


def new_secret() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is kept of a secret that nobody could guess: its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
