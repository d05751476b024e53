"""Who asks, and what they may. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Role = Literal["viewer", "operator", "admin"]
Scope = Literal["read", "pictures", "live", "write", "admin"]
#: Role -> how much it may: the more, the higher.
RANKS: Mapping[str, int] = MappingProxyType({"viewer": 0, "operator": 1, "admin": 2})
SCOPES = frozenset({"read", "pictures", "live", "write", "admin"})


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who is logged in, or a program with a token.

    Attributes:
        name: of the user; of a token, ``token:NAME``.
        cameras: those they are held to; ``None`` for all.
        scopes: those of a token; ``None`` for a user.
        session: hash of the session, where a cookie tells who it is.
        client: address they ask from.
    """

    name: str
    role: Role
    cameras: frozenset[str] | None = None
    scopes: frozenset[str] | None = None
    session: bytes | None = None
    client: str = ""

    def may(self, role: Role, scope: Scope) -> bool:
        """Whether a role and a scope are theirs."""
        return RANKS[self.role] >= RANKS[role] and (self.scopes is None or scope in self.scopes)

    def sees(self, camera: str) -> bool:
        """Whether they may know of a camera."""
        return self.cameras is None or camera in self.cameras
