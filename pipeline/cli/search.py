"""``threadline search``: who wore what, where and when."""

from __future__ import annotations

import csv
import json
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.cli.asked import (
    CamerasOption,
    FromOption,
    LastOption,
    StoreOption,
    ToOption,
    ZonesOption,
    place,
)
from pipeline.cli.errors import errors, explained, plain, standard_output, start_logging
from pipeline.cli.options import OutOption
from pipeline.cli.page import write_page
from pipeline.errors import ConfigError
from pipeline.store.asking import ALL_NAMES, Wish, query_of
from pipeline.store.told import COLUMNS, cells, picture_file, row_of

if TYPE_CHECKING:
    from pipeline.store.protocol import Store
    from pipeline.store.query import Page, Query

#: Values of a facet shown below the results.
_SHOWN = 6
_MOST = 10_000


def search(
    words: Annotated[
        list[str] | None, typer.Argument(help="'red jacket', 'rote jacke gestern 14-16 uhr'.")
    ] = None,
    with_: Annotated[list[str] | None, typer.Option("--and", help="And this as well.")] = None,
    or_: Annotated[list[str] | None, typer.Option("--or", help="Or this instead.")] = None,
    without: Annotated[list[str] | None, typer.Option("--not", help="But not this.")] = None,
    brand: Annotated[list[str] | None, typer.Option("--brand", help="A brand's mark.")] = None,
    camera: CamerasOption = None,
    zone: ZonesOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    last: LastOption = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="People on a page.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on behind the last page.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    show: Annotated[bool, typer.Option("--open", help="Show the pictures in a browser.")] = False,
    names: Annotated[bool, typer.Option("--names", help="List what can be asked for.")] = False,
    out: OutOption = Path("out"),
    store: StoreOption = None,
) -> None:
    """Find people by what they wore, where and when: newest first."""
    start_logging()
    with explained():
        from pipeline.store.opening import reading

        wish = Wish(
            tuple([" ".join(words)] if words else []) + tuple(with_ or ()),
            tuple(or_ or ()),
            tuple(without or ()),
            tuple(brand or ()),
            tuple(camera or ()),
            tuple(zone or ()),
            begin,
            end,
            last,
        )
        if as_csv and as_json:
            raise ConfigError("--csv and --json: give one of them")
        with reading(place(out, store)) as opened:
            if names:
                _print_names(opened)
                return
            query = query_of(opened, wish)
            page = opened.search(query, cursor, limit, tags=as_json)
            if as_csv or as_json:
                (_print_csv if as_csv else _print_json)(page, opened, out)
            else:
                _print_table(page, query, opened, out)
            if show:
                path = write_page(list(_rows(page, opened, out)), out / "search.html")
                errors.print(plain(str(path)), markup=False, highlight=False, soft_wrap=True)
                webbrowser.open(path.absolute().as_uri())


def _print_names(store: Store) -> None:
    known = store.names(*ALL_NAMES)
    for kind in ALL_NAMES:
        found = sorted(name for its, name in known if its == kind)
        if found:
            typer.echo(f"{kind}: {', '.join(map(plain, found))}")


def _rows(page: Page, store: Store, out: Path) -> Iterator[dict[str, Any]]:
    for one in page.visits:
        path = picture_file(one, out)
        yield row_of(one, store.zone) | {"picture": str(path) if path else None}


def _print_json(page: Page, store: Store, out: Path) -> None:
    for row in _rows(page, store, out):
        typer.echo(json.dumps(row, ensure_ascii=False))
    _more(page)


def _print_csv(page: Page, store: Store, out: Path) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(cells(row) for row in _rows(page, store, out))
    _more(page)


def _print_table(page: Page, query: Query, store: Store, out: Path) -> None:
    console = standard_output()
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("when", "camera"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("s", justify="right")
    shown.add_column("wears", overflow="fold")
    shown.add_column("picture", overflow="fold", style="grey50")
    for row in _rows(page, store, out):
        when = row["began"][:19].replace("T", " ")
        wears = " · ".join(row["wears"])
        cells = (when, row["camera"], f"{row['seconds']:.0f}", wears or "-", row["picture"] or "-")
        shown.add_row(*(plain(cell).replace("[", r"\[") for cell in cells))
    if page.visits:
        console.print(shown)
    tally = store.count(query)
    n = f"{tally.n}" if tally.exact else f"more than {tally.n}"
    console.print(f"{n} found, in the time zone {store.zone.key}", highlight=False)
    facets = store.facets_of(query) if page.visits else None
    for kind in ("label", "colour", "brand", "camera") if facets else ():
        assert facets is not None
        values = list(facets.counts.get(kind, {}).items())[:_SHOWN]
        if values:
            about = "" if facets.exact else f" (of the newest {facets.of})"
            text = ", ".join(f"{plain(name)} {count}" for name, count in values)
            console.print(f"{kind}{about}: {text}", highlight=False, markup=False, soft_wrap=True)
    _more(page)


def _more(page: Page) -> None:
    if page.next is not None:
        errors.print(f"there are more: --cursor {page.next}", highlight=False, soft_wrap=True)
