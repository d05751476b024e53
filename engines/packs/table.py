"""A TOML table read key by key, and the kinds of values it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from engines.packs.pack import PackError

FILE = "pack.toml"
#: Names that are safe as files on every system.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_NUMBER = 1e9

T = TypeVar("T")


class Table:
    """A TOML table whose keys are taken one by one; what is left at the end is unknown."""

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self._values = dict(values)
        self._where = where

    def take(self, key: str, check: Callable[[Any], T | None], kind: str, *default: T) -> T:
        """The value of a key, or the default if there is one.

        Raises:
            PackError: the key is missing, or ``check`` returns ``None`` for its value.
        """
        if key not in self._values:
            if default:
                return default[0]
            raise PackError(f"{FILE} lacks {self._where}{key}")
        value = check(self._values.pop(key))
        if value is None:
            raise PackError(f"{self._where}{key} in {FILE} must be {kind}")
        return value

    def end(self) -> None:
        """Raise PackError if a key is left."""
        if self._values:
            raise PackError(f"{FILE}: {self._where}{next(iter(self._values))!a} is unknown")


def text(value: Any) -> str | None:
    """Text of one line."""
    return value if isinstance(value, str) and value.isprintable() else None


def filled(value: Any) -> str | None:
    return text(value) or None


def safe(value: Any) -> str | None:
    return value if isinstance(value, str) and SAFE_NAME.fullmatch(value) else None


def one_of(choices: tuple[str, ...]) -> Callable[[Any], str | None]:
    return lambda value: value if isinstance(value, str) and value in choices else None


def numbers(value: Any) -> Mapping[str, float] | None:
    if not isinstance(value, dict):
        return None
    for name, n in value.items():
        if not text(name) or type(n) not in (int, float) or not abs(n) <= MOST_NUMBER:
            return None
    return MappingProxyType({name: float(n) for name, n in value.items()})
