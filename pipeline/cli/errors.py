"""Errors, warnings and the log on standard error: one line each, without credentials."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TextIO

import av
import cv2
import typer
from rich.console import Console
from rich.markup import escape

from engines import EngineError
from pipeline.errors import ConfigError, PipelineError, redact

#: Columns where the output is no terminal: nothing is cut for a program that reads it.
_WIDE = 1000


def _width_of(stream: TextIO | None) -> int | None:
    """Columns to print in: a terminal's own (``None``), or enough for everything."""
    return None if stream is not None and stream.isatty() else _WIDE


errors = Console(stderr=True, width=_width_of(sys.stderr))


def standard_output() -> Console:
    """Where results are told."""
    return Console(width=_width_of(sys.stdout))


def plain(text: str, kept: str = "") -> str:
    """Text without what a terminal would obey instead of show: names of files and brands, and what
    cameras answer, may hold anything. Control characters are shown by their codes, but for
    ``kept``."""
    return "".join(
        c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text
    )


class _Lines(logging.Handler):
    """One line a message on standard error, above the live table where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        text = plain(self.format(record), kept="\n\t")  # tracebacks have lines
        errors.print(text, markup=False, highlight=False, soft_wrap=True)


class _Json(logging.Formatter):
    """A message as a JSON object: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, timezone.utc).isoformat("T", "milliseconds")
        found = {"time": stamp, "level": record.levelname.lower(), "logger": record.name}
        found["message"] = redact(record.getMessage())
        if record.exc_info:
            found["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(found, ensure_ascii=False)


class _Text(logging.Formatter):
    """A message as a line of text, without credentials, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def start_logging(verbose: bool = False, as_json: bool = False) -> None:
    """Warnings and errors, with ``verbose`` more, as plain lines or JSON; FFmpeg's and OpenCV's own
    chatter is switched off."""
    av.logging.set_level(None)
    if hasattr(cv2, "setLogLevel"):  # not in every build
        cv2.setLogLevel(0)
    handler = _Lines()
    text = _Text("%(asctime)s %(levelname)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(_Json() if as_json else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("threadline").setLevel(logging.INFO if verbose else logging.WARNING)


@contextmanager
def explained() -> Iterator[None]:
    """One line for every error we know, exit code 2 for settings and 1 for the rest."""
    try:
        yield
    except (PipelineError, EngineError) as error:
        for line in redact(str(error)).splitlines():
            complain(line)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None
    except OSError as error:  # a path that no system call takes, a disk that fails
        if error.filename is None:
            raise
        complain(redact(f"{error.filename}: {error.strerror}"))
        raise typer.Exit(1) from None


def complain(text: str) -> None:
    """One error, one line, however wide the terminal."""
    errors.print(f"[bold red]error:[/] {escape(plain(text))}", highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """One warning, one line."""
    errors.print(f"[yellow]warning:[/] {escape(plain(text))}", highlight=False, soft_wrap=True)
