"""A store's own products as garments, read once and remembered until their files change."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.files import replace_file
from pipeline.tagging.outfits.items import COLOURS, Item
from pipeline.tagging.outfits.products import Listed, Products

#: First part of the cache's name: what is kept is worked out anew when this changes.
_CACHE = "products-1"
#: Goes through products, and may show how far it is.
Walk = Callable[[Sequence[Listed]], Iterable[Listed]]


def embedded(
    wanted: Sequence[Listed],
    reader: Products,
    cache: Path | None,
    broken: Callable[[str], None],
    walk: Walk = lambda wanted: wanted,
) -> list[tuple[Listed, Item]]:
    """Products with what their pictures show.

    Args:
        cache: file in which that is remembered; ``None``: it is not. See ``cache_file``.
        broken: told of each that cannot be used.

    Raises:
        ConfigError: none can be used.
    """
    kept, found = _Kept.read(cache), []
    fresh: dict[str, Item] = {}
    for one in walk(wanted):
        try:
            stat = one.path.stat()
            key = f"{one.path}|{stat.st_mtime_ns}|{stat.st_size}|{one.category}"
            item = kept.known.get(key) or reader.read(one)
        except (SourceRefusedError, OSError, ValueError) as error:
            broken(str(error))
            continue
        fresh[key] = item
        found.append((one, item))
    if fresh.keys() != kept.known.keys():
        _Kept(cache, fresh).write()
    if not found:
        raise ConfigError("no product in it can be used")
    return found


def cache_file(products: Path, folder: Path | None) -> Path | None:
    """Where a list of products is remembered, in a folder of such files."""
    if folder is None:
        return None
    name = hashlib.sha256(str(products.resolve()).encode("utf-8", "replace")).hexdigest()
    return folder / f"{_CACHE}-{name[:24]}.npz"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is remembered of pictures: file, when and how large it was, and what it was said to
    be -> garment."""

    file: Path | None
    known: dict[str, Item]

    @classmethod
    def read(cls, file: Path | None) -> _Kept:
        if file is None:
            return cls(None, {})
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
