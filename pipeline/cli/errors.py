"""Errors, warnings and the log on standard error: one line each, without credentials."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import av
import cv2
import typer
from rich.console import Console
from rich.markup import escape

from engines import EngineError
from pipeline.errors import ConfigError, PipelineError, redact

errors = Console(stderr=True)


class _Lines(logging.Handler):
    """One line a message on standard error, above the live table where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        errors.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def start_logging() -> None:
    """Warnings and errors as plain lines; FFmpeg's and OpenCV's own chatter is switched off."""
    av.logging.set_level(None)
    if hasattr(cv2, "setLogLevel"):  # not in every build
        cv2.setLogLevel(0)
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


@contextmanager
def explained() -> Iterator[None]:
    """One line for every error we know, exit code 2 for settings and 1 for the rest."""
    try:
        yield
    except (PipelineError, EngineError) as error:
        for line in redact(str(error)).splitlines():
            complain(line)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None


def complain(text: str) -> None:
    """One error, one line, however wide the terminal."""
    errors.print(f"[bold red]error:[/] {escape(text)}", highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """One warning, one line."""
    errors.print(f"[yellow]warning:[/] {escape(text)}", highlight=False, soft_wrap=True)
