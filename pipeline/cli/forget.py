"""``threadline forget``: people deleted on purpose, everywhere they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.asked import (
    CamerasOption,
    FromOption,
    LastOption,
    StoreOption,
    ToOption,
    place,
)
from pipeline.cli.errors import errors, explained, start_logging
from pipeline.cli.options import OutOption
from pipeline.errors import ConfigError, StoreError, StoreInUseError
from pipeline.files import is_there, reserved
from pipeline.store.asking import Wish, query_of

if TYPE_CHECKING:
    from pipeline.store.forgetting import Request


def forget(
    visit: Annotated[str | None, typer.Option("--visit", help="One visit, by its id.")] = None,
    words: Annotated[str | None, typer.Option("--search", help="What this would find.")] = None,
    camera: CamerasOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    last: LastOption = None,
    counts: Annotated[
        bool, typer.Option("--counts", help="Also from the counts by hour and day.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    out: OutOption = Path("out"),
    store: StoreOption = None,
) -> None:
    """Delete people for good: pictures, rows, index, events.jsonl and the journal."""
    start_logging()
    with explained():
        from pipeline.store.forgetting import Request
        from pipeline.store.opening import reading

        if not any((visit, words, camera, begin, end, last)):
            raise ConfigError("say whom: --visit, --search, --camera, --from, --to or --last")
        if visit and any((words, camera, begin, end, last)):
            raise ConfigError("--visit stands alone")
        where = place(out, store)
        with reading(where) as opened:  # a store that is not there is not made
            wish = Wish(tuple([words] if words else ()), cameras=tuple(camera or ()))
            wish = Wish(wish.words, cameras=wish.cameras, begin=begin, end=end, last=last)
            query = query_of(opened, wish)
            tally = opened.count(query)
        if not visit and not yes:
            n = f"{tally.n}" if tally.exact else f"more than {tally.n}"
            typer.confirm(f"Delete {n} people for good?", abort=True)
        if not is_there(out):
            raise ConfigError(f"{out}: no such folder; --out names that of the pictures")
        _carry_out(where, out, Request(query, visit, counts))


def _carry_out(where: str, out: Path, request: Request) -> None:
    from pipeline.store.forgetting import forget
    from pipeline.store.opening import writing
    from pipeline.store.requests import ask

    in_view = 0
    try:
        with writing(where, "threadline forget") as opened, reserved(out):
            gone = forget(opened, out, request)
    except StoreInUseError as busy:
        errors.print("asking the run that writes there ...", highlight=False)
        answer = ask(out, request)
        if answer is None:
            raise busy from None
        gone, in_view = answer
    typer.echo(f"{gone} deleted")
    if in_view:
        raise StoreError(f"{in_view} stayed: they are in view; ask again once they have left")
