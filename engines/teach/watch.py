"""Who is told how far a training is."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Shown to people, or nobody."""

    def begin(self, what: str, total: int, done: int) -> None:
        """Something of ``total`` steps begins, ``done`` of which are made already."""
        ...

    def step(self, count: int = 1) -> None:
        """So many more steps are made."""
        ...

    def tell(self, text: str) -> None:
        """A line worth reading."""
        ...


class Unwatched:
    """Tells nobody."""

    def begin(self, what: str, total: int, done: int) -> None:
        """Nothing."""

    def step(self, count: int = 1) -> None:
        """Nothing."""

    def tell(self, text: str) -> None:
        """Nothing."""
