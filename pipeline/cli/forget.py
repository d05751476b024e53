"""``threadline forget``: people deleted on purpose, everywhere they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.asked import (
    CamerasOption,
    FromOption,
    LastOption,
    StoreOption,
    ToOption,
    place,
)
from pipeline.cli.errors import explained, start_logging
from pipeline.cli.options import OutOption
from pipeline.errors import ConfigError
from pipeline.files import is_there, reserved
from pipeline.store.asking import Wish, query_of


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
        from pipeline.store.forgetting import forget as forget_all
        from pipeline.store.forgetting import forget_visit
        from pipeline.store.opening import reading, writing

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
        with writing(where, "threadline forget") as opened, reserved(out):
            if visit:
                n_gone = forget_visit(opened, out, visit, counts)
            else:
                n_gone = forget_all(opened, out, query, counts)
        typer.echo(f"{n_gone} deleted")
