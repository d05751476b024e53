"""``threadline outfits``: what would complete what somebody wore."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track as progress

from engines.packs import shipped
from pipeline.cli.asked import StoreOption, place
from pipeline.cli.errors import complain, errors, explained, plain, start_logging, warn
from pipeline.cli.options import EngineOption, OutOption
from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.files import replace_file
from pipeline.models.opening import EngineSettings, Models, cache_folder
from pipeline.picture.still import load_image, told
from pipeline.picture.yuv import from_bgr
from pipeline.sinks.annotate import SNAPSHOT
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.tagger import TYPES, GarmentSettings
from pipeline.tagging.outfits.complete import Suggestion, suggestions, worn_by
from pipeline.tagging.outfits.items import COLOURS, Item
from pipeline.tagging.outfits.products import Listed, Products, listed
from pipeline.tagging.outfits.scorer import Scorer
from pipeline.types import Frame

app = typer.Typer(no_args_is_help=True, help="What goes with what. Experimental.")
#: Products that could not be used and are named; all are counted.
_NAMED = 5
#: What is lighter is white, for all that JPEG does to it.
_WHITE = 240
#: First part of the cache's name: what is kept is worked out anew when this changes.
_CACHE = "products-1"


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
    image = load_image(path)[:SNAPSHOT]  # the caption is below, and white beside narrow people
    seen = np.flatnonzero((image < _WHITE).any(axis=(0, 2)))
    image = image[:, seen[0] : seen[-1] + 1] if len(seen) else image
    return Frame("", 0, 0.0, 0.0, 0.0, from_bgr(np.ascontiguousarray(image)))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is remembered of pictures: file, when and how large it was, and what it was said to
    be -> garment."""

    file: Path | None
    known: dict[str, Item]

    @classmethod
    def read(cls, products: Path) -> _Kept:
        folder = cache_folder()
        if folder is None:
            return cls(None, {})
        name = hashlib.sha256(str(products.resolve()).encode("utf-8", "replace")).hexdigest()
        file = folder / f"{_CACHE}-{name[:24]}.npz"
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
                names, kinds, colours = (stored[k] for k in ("names", "categories", "colours"))
                if colours.shape != (len(names), COLOURS) or len(kinds) != len(names):
                    raise ValueError("of another kind")
                rows = zip(names.tolist(), kinds.tolist(), colours, strict=True)
                return cls(file, {name: Item(kind, row, 0) for name, kind, row in rows})
        except Exception:  # there is none, or a broken one: it is made anew
            return cls(file, {})

    def write(self) -> None:
        if self.file is None or not self.known:
            return
        items = list(self.known.values())
        content = io.BytesIO()
        np.savez_compressed(
            content,
            names=np.array(list(self.known)),
            categories=np.array([item.category for item in items]),
            colours=np.stack([item.colours for item in items]),
        )
        replace_file(self.file, content.getvalue(), durable=False, private=True)


def _embedded(
    wanted: Sequence[Listed], reader: Products, products: Path
) -> list[tuple[Listed, Item]]:
    """Products with what their pictures show; those that cannot be used are named and counted.

    Raises:
        ConfigError: none can be used.
    """
    kept, found, broken = _Kept.read(products), [], 0
    fresh: dict[str, Item] = {}
    for one in progress(wanted, "products", console=errors, transient=True):
        try:
            stat = one.path.stat()
            key = f"{one.path}|{stat.st_mtime_ns}|{stat.st_size}|{one.category}"
            item = kept.known.get(key) or reader.read(one)
        except (SourceRefusedError, OSError, ValueError) as error:
            broken += 1
            if broken <= _NAMED:
                complain(str(error))
            continue
        fresh[key] = item
        found.append((one, item))
    _Kept(kept.file, fresh).write()
    if broken:
        warn(f"{broken} of {len(wanted)} products could not be used")
    if not found:
        raise ConfigError(f"{products}: no product in it can be used")
    return found


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
