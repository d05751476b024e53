"""``threadline outfits``: what would complete what somebody wore."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track as progress

from engines.packs import shipped
from pipeline.cli.asked import StoreOption, place
from pipeline.cli.errors import complain, errors, explained, plain, start_logging, warn
from pipeline.cli.options import EngineOption, OutOption
from pipeline.errors import ConfigError
from pipeline.models.opening import EngineSettings, Models, cache_folder
from pipeline.picture.still import load_image, told
from pipeline.picture.yuv import from_bgr
from pipeline.sinks.annotate import without_caption
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.tagger import TYPES, GarmentSettings
from pipeline.tagging.outfits.catalogue import cache_file, embedded
from pipeline.tagging.outfits.complete import Suggestion, suggestions, worn_by
from pipeline.tagging.outfits.items import Item
from pipeline.tagging.outfits.products import Listed, Products, listed
from pipeline.tagging.outfits.scorer import Scorer
from pipeline.types import Frame

app = typer.Typer(no_args_is_help=True, help="What goes with what. Experimental.")
#: Products that could not be used and are named; all are counted.
_NAMED = 5


@app.callback()
def _group() -> None:
    """What goes with what: a store's own products to an outfit that was seen. Experimental."""


@app.command("complete")
def complete(
    visit: Annotated[str, typer.Option("--visit", help="The visit, by its id.")],
    products: Annotated[
        Path, typer.Option(help="A folder of product pictures, or a CSV file that names them.")
    ],
    top: Annotated[int, typer.Option(min=1, max=1000, help="Products of each category.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    out: OutOption = Path("out"),
    store: StoreOption = None,
    engine: EngineOption = None,
) -> None:
    """Which products would complete the outfit of a visit, by its picture."""
    start_logging()
    with explained():
        frame = _snapshot(place(out, store), out, visit)
        left_out = Counter[str]()
        wanted = listed(products, left_out)
        if left_out:
            warn(told(left_out))
        settings = EngineSettings(backend=engine or "auto")
        with Models(settings, shipped(), any_size=True) as models:
            parser = GarmentParser(*models.open(GarmentSettings().model))
            worn = worn_by(parser, frame)
            scorer = Scorer.load()
            if not scorer.kinds(worn):
                raise ConfigError(f"--visit {visit}: its picture shows no garment that is known")
            known = _embedded(wanted, Products(parser, models.open(TYPES)), products)
        found = suggestions(scorer, worn, known, top)
        _tell([item.category for item in worn], found, as_json)


def _snapshot(where: str, out: Path, name: str) -> Frame:
    """The picture of a visit.

    Raises:
        ConfigError: there is no such visit, or it has no picture any more.
    """
    from pipeline.store.opening import reading

    try:
        key = uuid.UUID(name)
    except ValueError:
        raise ConfigError(f"--visit {name}: no id of a visit") from None
    with reading(where) as opened:
        found = next(iter(opened.named([key.bytes])), None)
    if found is None:
        raise ConfigError(f"--visit {name}: no such visit in {plain(where)}")
    path = out / (found.picture or "")
    inside = path.resolve().is_relative_to(out.resolve())
    if not found.picture or not inside or not path.is_file():
        raise ConfigError(
            f"--visit {name}: has no picture any more; pictures are kept for `pictures_h` hours"
        )
    image = without_caption(load_image(path))
    return Frame("", 0, 0.0, 0.0, 0.0, from_bgr(image))


def _embedded(
    wanted: Sequence[Listed], reader: Products, products: Path
) -> list[tuple[Listed, Item]]:
    """Products with what their pictures show; those that cannot be used are named and counted.

    Raises:
        ConfigError: none can be used.
    """
    broken: list[str] = []

    def told_of(why: str) -> None:
        broken.append(why)
        if len(broken) <= _NAMED:
            complain(why)

    def walk(wanted: Sequence[Listed]) -> Iterable[Listed]:
        return progress(wanted, "products", console=errors, transient=True)

    try:
        return embedded(wanted, reader, cache_file(products, cache_folder()), told_of, walk)
    except ConfigError as error:
        raise ConfigError(f"{products}: {error}") from None
    finally:
        if broken:
            warn(f"{len(broken)} of {len(wanted)} products could not be used")


def _tell(worn: Sequence[str], found: Sequence[Suggestion], as_json: bool) -> None:
    if as_json:
        for one in found:
            row = {
                "category": one.category,
                "name": one.product.name,
                "picture": str(one.product.path),
                "better_than": round(one.better_than, 4),
            }
            typer.echo(json.dumps(row))
        return
    typer.echo(f"worn: {'; '.join(worn)}")
    if not found:
        typer.echo("no product is of a category that the outfit has room for")
    for one in found:
        share = f"better than {one.better_than:.0%} of these"
        typer.echo(plain(f"{one.category}: {one.product.name} ({one.product.path}), {share}"))
