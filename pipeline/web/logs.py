"""The newest lines of the log, for those who look at the window instead of the terminal."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from itertools import count

from pipeline.errors import redact

#: Lines that are kept, and characters of one.
MOST_LINES = 2_000
MOST_LETTERS = 2_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``id`` rises from line to line, ``at`` is in milliseconds since the epoch."""

    id: int
    at: int
    level: int
    name: str
    text: str


class Recent(logging.Handler):
    """Keeps the newest lines, without credentials. Enter to take in what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._numbers = count(1)
        self.setFormatter(logging.Formatter("%(message)s"))

    def __enter__(self) -> Recent:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = redact(self.format(record))[:MOST_LETTERS]
        except Exception:  # as logging does: what is wrong with a line stops nobody
            self.handleError(record)
            return
        at = round(record.created * 1000)
        line = Line(next(self._numbers), at, record.levelno, record.name, text)
        self._lines.append(line)

    def after(self, number: int, level: int, limit: int) -> list[Line]:
        """The newest ``limit`` lines after a number, at least of a level; oldest first."""
        self.acquire()
        try:
            lines = list(self._lines)
        finally:
            self.release()
        return [one for one in lines if one.id > number and one.level >= level][-limit:]
