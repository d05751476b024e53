"""``threadline db``: the store checked, backed up, filled and copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.asked import StoreOption, place
from pipeline.cli.errors import errors, explained, plain, start_logging, warn
from pipeline.cli.options import OutOption

if TYPE_CHECKING:
    from pipeline.store.archive import Progress as Report

app = typer.Typer(no_args_is_help=True, help="The store: check, back up, import, copy.")


@app.command("check")
def check(out: OutOption = Path("out"), store: StoreOption = None) -> None:
    """Check the whole store, bring it up to date, and mend its index."""
    start_logging()
    with explained():
        from pipeline.store.opening import reading, writing
        from pipeline.store.query import Query

        where = place(out, store)
        if "://" not in where and not Path(where).exists():
            with reading(where):  # says that there is none
                pass
        with writing(where, "threadline db check") as opened:
            wrong = opened.check()
            tally = opened.count(Query())
        for line in wrong:
            warn(line)
        more = "" if tally.exact else "more than "
        typer.echo(f"{plain(opened.where)}: {more}{tally.n} people, {opened.zone.key}")
    raise typer.Exit(1 if wrong else 0)


@app.command("backup")
def backup(file: Path, out: OutOption = Path("out"), store: StoreOption = None) -> None:
    """Write a copy of the store, also while it is used."""
    start_logging()
    with explained():
        from pipeline.store.opening import reading

        with reading(place(out, store)) as opened:
            opened.backup(str(file))
        typer.echo(plain(str(file)))


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="events.jsonl, or folders with them.")],
    out: OutOption = Path("out"),
    store: StoreOption = None,
) -> None:
    """Read events of earlier runs into the store; the same twice changes nothing."""
    start_logging()
    with explained():
        from pipeline.store.archive import event_files, import_events
        from pipeline.store.opening import writing

        found = event_files(files)
        with writing(place(out, store), "threadline db import") as opened:
            for path in found:
                with _bar(path.name, path.stat().st_size) as report:
                    done = import_events(opened, path, report)
                typer.echo(
                    f"{plain(str(path))}: {done.lines} lines, {done.news} new, "
                    f"{done.known} known, {done.malformed} not read"
                )
                for version in sorted(done.newer):
                    warn(f"{path}: has events of version {version}; update threadline")


@app.command("copy")
def copy_(
    target: Annotated[str, typer.Argument(help="postgresql://..., or a file.")],
    out: OutOption = Path("out"),
    store: StoreOption = None,
) -> None:
    """Copy the whole store into an empty one."""
    start_logging()
    with explained():
        from pipeline.store.archive import copy
        from pipeline.store.opening import reading, writing

        with reading(place(out, store)) as source:
            zone = source.zone.key
            with (
                writing(target, "threadline db copy", zone) as opened,
                _bar("copying", None) as report,
            ):
                rows = copy(source, opened, report)
        typer.echo(f"{rows} rows copied")


@contextmanager
def _bar(name: str, total: int | None) -> Iterator[Report]:
    """A progress bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(plain(name), total=total)
        yield lambda done: bar.advance(task, done)
