"""A taught network as a pack: written beside its place, checked, then moved there whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engines.files import replace_file
from engines.packs.pack import LABELS, MODEL
from engines.packs.reading import read_pack
from engines.packs.table import FILE
from engines.teach.lesson import TeachError

#: Probability from which a label is reported.
LEAST = 0.5
#: Labels that are learnt, so that there is something else, and never reported.
SILENT = frozenset({"other", "nothing", "none", "background"})
#: What a pack says of itself.
TOML = """name = {name}
task = "tags"
licence = {licence}
source = {source}
size = [{side}, {side}]
pre = "square"
post = "softmax"
compare = "classes"

[files]
{files}

{tensors}
[tagger]
kind = "classifier"
subject = {subject}
report = {name}
every_s = 1.0
least = {least}
ignore = {silent}
activation = "none"
{again}
[figures]
{numbers}
"""
#: Inputs and outputs where there is one look, and where there are two.
ONE_LOOK = """[[inputs]]
name = "images"
dtype = "uint8"
shape = ["n", {side}, {side}, 3]
layout = "nhwc"
colour = "rgb"

[[outputs]]
name = "scores"
dtype = "float32"
shape = ["n", {count}]
meaning = "calibrated probability of each label"
"""
TWO_LOOKS = """[[inputs]]
name = "images"
dtype = "uint8"
shape = [1, {side}, {side}, 3]
layout = "nhwc"
colour = "rgb"

[[inputs]]
name = "whole"
dtype = "float32"
shape = [1, {width}]
meaning = "token of the first look; zeros in the first"

[[outputs]]
name = "scores"
dtype = "float32"
shape = [1, {count}]
meaning = "calibrated probability of each label, after the second look"

[[outputs]]
name = "first"
dtype = "float32"
shape = [1, {count}]
meaning = "calibrated probability of each label, after the first look"

[[outputs]]
name = "token"
dtype = "float32"
shape = [1, {width}]
meaning = "what the first look says of the whole"

[[outputs]]
name = "part"
dtype = "float32"
shape = [1, 4]
meaning = "where to look again, xyxy in shares of the picture"
"""


@dataclass(frozen=True, slots=True)
class About:
    """What a pack's files say.

    Attributes:
        source: how it was made, one line.
        licence: of the network it was started from.
        figures: what -> value.
        pages: name -> content of further files: the card, the report.
        subject: what is shown to it: see ``engines.packs.tagger``.
        again_below: the same; 0 where there is one look.
        width: of the tokens, where there are two looks.
    """

    name: str
    source: str
    licence: str
    figures: Mapping[str, float]
    pages: Mapping[str, str]
    subject: str = "person"
    again_below: float = 0.0
    width: int = 0


def fill(made: Path, about: About, labels: Sequence[str], side: int, model: Path) -> None:
    """Write the files of a pack that is a tagger of its own into a folder."""
    shutil.copyfile(model, made / MODEL)
    rows = ",\n".join(
        "  " + json.dumps({"label": name, "category": None}, ensure_ascii=False) for name in labels
    )
    (made / LABELS).write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    write_pages(made, about.pages)
    (made / FILE).write_text(_toml(made, about, labels, side), encoding="utf-8")


def write_pages(made: Path, pages: Mapping[str, str]) -> None:
    """Write a pack's texts; those that show pictures are their owner's alone."""
    for name, text in pages.items():
        private = name.endswith(".html")
        replace_file(made / name, text.encode("utf-8"), durable=False, private=private)


def write_pack(folder: Path, filled: Callable[[Path], None]) -> None:
    """Make a pack, whole or not at all; one that is there is replaced.

    Until everything is written and read back, it is in a hidden folder, which no registry reads.

    Args:
        filled: writes the pack's files into a folder of its name.

    Raises:
        TeachError: it cannot be written.
    """
    beside = folder.with_name(f".{folder.name}.part")
    made = beside / folder.name
    try:
        shutil.rmtree(beside, ignore_errors=True)
        made.mkdir(parents=True)
        filled(made)
        read_pack(made)
        _flush(made)
        _exchange(made, folder)
    except OSError as error:
        raise TeachError(
            f"{error.filename or folder}: cannot be written: {error.strerror or error}; free space "
            "or choose another --out, then give the same command again: what was learnt is kept"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _exchange(made: Path, folder: Path) -> None:
    """Put a folder in the place of another, which goes once it is there."""
    old = made.with_name(".old")
    if folder.exists():
        folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        with suppress(OSError):
            old.rename(folder)
        raise


def _flush(folder: Path) -> None:
    """Wait until a folder's files are on the disk."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def silent(labels: Sequence[str]) -> list[str]:
    """Labels that are never reported."""
    return [name for name in labels if name.casefold() in SILENT]


def _toml(folder: Path, about: About, labels: Sequence[str], side: int) -> str:
    twice = about.again_below > 0
    tensors = TWO_LOOKS if twice else ONE_LOOK
    return TOML.format(
        tensors=tensors.format(side=side, count=len(labels), width=about.width),
        again=f"again_below = {about.again_below}\n" if twice else "",
        name=json.dumps(about.name),
        source=json.dumps(about.source),
        licence=json.dumps(f"{about.licence}; the pictures it learnt from are their owners'"),
        subject=json.dumps(about.subject),
        silent=json.dumps(silent(labels), ensure_ascii=False),
        least=LEAST,
        side=side,
        files=file_rows(folder, MODEL, LABELS),
        numbers=figure_rows(about.figures),
    )


def file_rows(folder: Path, *names: str) -> str:
    """The lines of ``[files]`` in ``pack.toml``."""
    return "\n".join(
        f'"{name}" = "{hashlib.sha256((folder / name).read_bytes()).hexdigest()}"' for name in names
    )


def figure_rows(figures: Mapping[str, float]) -> str:
    """The lines of ``[figures]`` in ``pack.toml``."""
    return "\n".join(f"{json.dumps(what)} = {value!r}" for what, value in figures.items())
