"""Names that nothing else has, and that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import secrets
import uuid

#: Bits of the counter that keeps names of one millisecond in their order (RFC 9562, method 1).
_COUNTER = 12


class Ids:
    """Makes names, each greater than the one before, also when the clock is put back. For one
    thread."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, at: float) -> str:
        """A name made at a time in seconds since the epoch."""
        ms = max(int(at * 1000), 0)
        start = ms << _COUNTER | secrets.randbits(_COUNTER - 1)
        self._last = max(start, self._last + 1)
        return _name(self._last >> _COUNTER, self._last & ((1 << _COUNTER) - 1))


def new_id(at: float) -> str:
    """One name for something that began at a time in seconds since the epoch."""
    return _name(max(int(at * 1000), 0), secrets.randbits(_COUNTER))


def lowest(at: float) -> str:
    """What sorts before all names made at a time in seconds since the epoch, and later."""
    return str(uuid.UUID(int=max(int(at * 1000), 0) << 80))


def began(name: str) -> float:
    """The time in a name, seconds since the epoch to the millisecond."""
    return (uuid.UUID(name).int >> 80) / 1000


def _name(ms: int, counter: int) -> str:
    value = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | counter << 64
    return str(uuid.UUID(int=value | 0b10 << 62 | secrets.randbits(62)))
