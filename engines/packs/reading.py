"""Reads ``pack.toml``. Whatever is wrong with one becomes a PackError of one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engines.packs import again
from engines.packs.pack import EMBEDDINGS, LABELS, MODEL, MOST_SIDE, Pack, PackError, Tensor
from engines.packs.table import (
    FILE,
    MOST_NUMBER,
    SAFE_NAME,
    Table,
    filled,
    numbers,
    one_of,
    safe,
    text,
)
from engines.packs.tagger_reading import read_tagger

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: A pack.toml is a page; anything larger is something else.
MOST_BYTES = 64 * 1024
DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32")
LAYOUTS = ("", "nhwc", "nchw", "chw")
COLOURS = ("", "rgb", "bgr")
MOST_TEXT = 400
#: Kinds of packs that name nothing.
WITHOUT_LABELS = ("matting", "length")


def read_pack(folder: Path) -> Pack:
    """The pack in a folder.

    Raises:
        PackError: there is none, or it is broken; the message is one line with the reason.
    """
    try:
        return _pack(folder, _toml(folder / FILE))
    except (PackError, OSError) as error:
        raise PackError(_line(f"{folder}: {error}")) from None


def _toml(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise PackError(f"has no {FILE}")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise PackError(f"{FILE} is larger than {MOST_BYTES // 1024} KiB")
        values: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
        return values
    except OSError as error:
        raise PackError(f"{FILE} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise PackError(f"{FILE} is no TOML: {error}") from None


def _line(text: str) -> str:
    """Text as one printable line."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:MOST_TEXT]


def _pack(folder: Path, values: dict[str, Any]) -> Pack:
    table = Table(values)
    name = table.take("name", safe, "a name of letters, digits, '.', '_' and '-'")
    if name != folder.name:
        raise PackError(f"is called '{name}' in {FILE}; folder and name must be the same")
    pack = Pack(
        folder=folder,
        name=name,
        task=table.take("task", safe, "a word"),
        licence=table.take("licence", filled, "text"),
        source=table.take("source", text, "text"),
        inputs=table.take("inputs", _tensors("inputs"), "a list of tables"),
        outputs=table.take("outputs", _tensors("outputs"), "a list of tables"),
        files=table.take("files", _files, "a table of file name = SHA-256"),
        size=table.take("size", _size, "[width, height] in pixels", (0, 0)),
        multiple=table.take("multiple", _side, "a number of pixels", 0),
        twin_of=table.take("twin_of", safe, "the name of a pack", ""),
        pre=table.take("pre", text, "text", ""),
        post=table.take("post", text, "text", ""),
        compare=table.take("compare", text, "text", ""),
        thresholds=table.take("thresholds", numbers, "a table of numbers", MappingProxyType({})),
        figures=table.take("figures", numbers, "a table of numbers", MappingProxyType({})),
        terms=table.take("terms", text, "text", ""),
        tagger=table.take("tagger", read_tagger, "a table", None),
    )
    table.end()
    _consistent(pack)
    return pack


def _consistent(pack: Pack) -> None:
    """Raise PackError where parts of a pack contradict each other or a file is missing."""
    if MODEL not in pack.files:
        raise PackError(f"[files] in {FILE} lacks {MODEL}")
    for name in pack.files:
        if not (pack.folder / name).is_file():
            raise PackError(f"{name} is missing")
    if pack.multiple and not all(n and n % pack.multiple == 0 for n in pack.size):
        raise PackError(f"size in {FILE} must be multiples of {pack.multiple}")
    for tensor in pack.inputs:
        if tensor.layout:
            sides = [tensor.shape[tensor.layout.index(side)] for side in "wh"]
            if not pack.size[0] or any(
                isinstance(n, int) and n != m for n, m in zip(sides, pack.size, strict=True)
            ):
                raise PackError(f"size in {FILE} must be that of the pictures in '{tensor.name}'")
    if pack.tagger is not None:
        kind = pack.tagger.kind
        needed = [LABELS] * (kind not in WITHOUT_LABELS) + [EMBEDDINGS] * (kind == "embedder")
        if lacking := [name for name in needed if name not in pack.files]:
            raise PackError(f"[files] in {FILE} lacks {lacking[0]}, which its [tagger] needs")
        if not any(tensor.layout for tensor in pack.inputs):
            raise PackError(f"its [tagger] in {FILE} needs an input with a layout: a picture")
        again.check(pack)
    if pack.twin_of == pack.name:
        raise PackError(f"twin_of in {FILE} must name another pack")


def _side(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= MOST_SIDE else None


def _not_below_zero(value: Any) -> float | None:
    good = type(value) in (int, float) and 0 <= value <= MOST_NUMBER
    return float(value) if good else None


def _three(value: Any) -> tuple[float, float, float] | None:
    """One number for each channel, in the order of the colours."""
    if not isinstance(value, list) or len(value) != 3:
        return None
    if not all(type(n) in (int, float) and abs(n) <= MOST_NUMBER for n in value):
        return None
    return float(value[0]), float(value[1]), float(value[2])


def _size(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    width, height = map(_side, value)
    return (width, height) if width and height else None


def _files(value: Any) -> Mapping[str, str] | None:
    """File names that stay in the folder, each with a SHA-256."""
    if not isinstance(value, dict):
        return None
    for name, digest in value.items():
        if not SAFE_NAME.fullmatch(name):
            raise PackError(f"[files] in {FILE}: {name!a} is no name of a file in its folder")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise PackError(f"[files] in {FILE}: {name} needs a SHA-256 of 64 hexadecimal digits")
    return MappingProxyType(dict(value))


def _shape(value: Any) -> tuple[int | str, ...] | None:
    """Positive sizes, and names of free dimensions."""
    if not isinstance(value, list) or not value:
        return None
    good = all(safe(n) or (type(n) is int and 0 < n <= 2**31) for n in value)
    return tuple(value) if good else None


def _tensors(where: str) -> Callable[[Any], tuple[Tensor, ...] | None]:
    def read(rows: Any) -> tuple[Tensor, ...] | None:
        if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
            return None
        found = tuple(_tensor(Table(row, f"{where}.")) for row in rows)
        if len({tensor.name for tensor in found}) < len(found):
            raise PackError(f"{where} in {FILE}: two have the same name")
        return found

    return read


def _tensor(table: Table) -> Tensor:
    tensor = Tensor(
        name=table.take("name", filled, "text"),
        dtype=table.take("dtype", one_of(DTYPES), f"one of {', '.join(DTYPES)}"),
        shape=table.take("shape", _shape, "a list of sizes and names of free dimensions"),
        layout=table.take("layout", one_of(LAYOUTS), "nhwc, nchw or chw", ""),
        colour=table.take("colour", one_of(COLOURS), "rgb or bgr", ""),
        scale=table.take("scale", _not_below_zero, "a number, or 0 for the largest", 255.0),
        mean=table.take("mean", _three, "three numbers", (0.0, 0.0, 0.0)),
        std=table.take("std", _three, "three numbers", (1.0, 1.0, 1.0)),
        meaning=table.take("meaning", text, "text", ""),
    )
    table.end()
    if tensor.layout and (len(tensor.shape) != len(tensor.layout) or not tensor.colour):
        raise PackError(
            f"{tensor.name} in {FILE}: pictures have the dimensions of their layout and a colour"
        )
    if tensor.layout and tensor.shape[tensor.layout.index("c")] != 3:
        raise PackError(f"{tensor.name} in {FILE}: pictures have three channels")
    if not all(tensor.std):
        raise PackError(f"{tensor.name} in {FILE}: std must not be 0")
    return tensor
