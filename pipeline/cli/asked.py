"""Options of all commands that ask the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="A database: a file, or postgresql://...; else that in --out."),
]
CamerasOption = Annotated[
    list[str] | None, typer.Option("--camera", help="At this camera; may stand several times.")
]
ZonesOption = Annotated[list[str] | None, typer.Option("--zone", help="In this zone.")]
FromOption = Annotated[
    str | None, typer.Option("--from", help="Since when: 'yesterday 14:00', 2026-11-25, 7d.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Until when: 16:00, today; a day with all of it.")
]
LastOption = Annotated[str | None, typer.Option("--last", help="The last 30m, 24h, 7d or 4w.")]


def place(out: Path, store: str | None) -> str:
    """Where the store is."""
    return store or str(out / "threadline.db")
