"""``threadline stats``: how many people, and what they wore."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.cli.asked import FromOption, LastOption, StoreOption, ToOption, place
from pipeline.cli.errors import explained, plain, standard_output, start_logging
from pipeline.cli.options import OutOption
from pipeline.errors import ConfigError
from pipeline.store.asking import now, span
from pipeline.store.calendar import local

if TYPE_CHECKING:
    from pipeline.store.protocol import Store

#: Columns of the longest bar, and bars at most.
_WIDE = 40
_MOST = 24 * 31
_TOP = 8
TABLES = ("garments", "colours", "brands", "garments and colours", "zones", "in", "out")


class Per(str, Enum):
    """What people are counted by."""

    hour = "hour"
    day = "day"


@dataclass(frozen=True, slots=True)
class _Figures:
    zone: str
    per: str
    camera: str | None
    people: list[tuple[str, int]]
    tables: dict[str, list[tuple[str, int]]]
    dwell_s: dict[str, float]


def stats(
    per: Annotated[Per, typer.Option("--per", help="People per hour or day.")] = Per.day,
    camera: Annotated[str | None, typer.Option("--camera", help="At this camera alone.")] = None,
    begin: FromOption = None,
    end: ToOption = None,
    last: LastOption = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the chart into a file.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print people as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    out: OutOption = Path("out"),
    store: StoreOption = None,
) -> None:
    """Count people, and their commonest garments, colours and brands. Without a time: 7 days."""
    start_logging()
    with explained():
        from pipeline.store.opening import reading

        with reading(place(out, store)) as opened:
            moment = now(opened)
            if begin is None and end is None and last is None:
                last = "7d"
            since, until = span(moment, begin, end, last)
            if since is None:
                raise ConfigError("--to: give --from as well")
            found = _figures(opened, per.value, (since, until or moment.ms), camera)
        if png is not None:
            from pipeline.cli.chart import draw

            draw(found.people, png, f"people per {found.per}, {found.zone}")
        if as_json:
            data = {name: getattr(found, name) for name in _Figures.__slots__}
            typer.echo(json.dumps(data, ensure_ascii=False))
        elif as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerows([("begin", "people"), *found.people])
        else:
            _print(found, standard_output())


def _figures(store: Store, per: str, span: tuple[int, int], camera: str | None) -> _Figures:
    series = store.series(per, *span, camera=camera)
    if len(series.starts) > 100_000:
        raise ConfigError("more than 100,000 hours; choose a later --from, or --per day")
    people = [
        (local(start, store.zone).isoformat(timespec="minutes"), n)
        for start, n in zip(series.starts, series.counts, strict=True)
    ]
    tables = {what: store.top(what, *span, camera=camera)[:100] for what in TABLES}
    stays = dict(store.top("zones", *span, camera=camera))
    dwell = {
        zone: round(ms / 1000 / stays[zone], 1)
        for zone, ms in store.top("dwell", *span, camera=camera)
        if stays.get(zone)
    }
    return _Figures(store.zone.key, per, camera, people, tables, dwell)


def _print(found: _Figures, console: Console) -> None:
    total = sum(n for _, n in found.people)
    where = f" at {plain(found.camera)}" if found.camera else ""
    console.print(
        f"{total} people{where}, by {found.per}, in the time zone {found.zone}", highlight=False
    )
    most = max((n for _, n in found.people), default=0)
    for when, n in found.people[-_MOST:]:
        bar = "█" * round(_WIDE * n / most) if most else ""
        label = when[:10] if found.per == "day" else when[:16].replace("T", " ")
        console.print(f"{label}  {n:>6}  {bar}", highlight=False)
    for what, values in found.tables.items():
        if values:
            console.print(_table(what, values, found.dwell_s))


def _table(what: str, values: list[tuple[str, int]], dwell_s: dict[str, float]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column({"in": "lines, in", "out": "lines, out"}.get(what, what), no_wrap=True)
    table.add_column("people", justify="right")
    if what == "zones":
        table.add_column("mean stay, s", justify="right")
    for name, n in values[:_TOP]:
        row: list[Any] = [plain(name).replace("[", r"\["), str(n)]
        table.add_row(*row, *([f"{dwell_s.get(name, 0):.0f}"] if what == "zones" else []))
    return table
