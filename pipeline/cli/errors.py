"""Errors and warnings on standard error: one line each, without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from engines import EngineError
from pipeline.errors import ConfigError, PipelineError, redact

errors = Console(stderr=True)


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
