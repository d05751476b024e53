"""``events.jsonl`` with lines taken out, also while a run appends to it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.files import explained, locked_file, private

NAME = "events.jsonl"
#: A longer line is none of ours (bytes).
_MOST_LINE = 1 << 20


def drop_lines(folder: Path, unwanted: Callable[[Mapping[str, Any]], bool]) -> int:
    """Take the lines out of a folder's events that ``unwanted`` names; how many. What cannot be
    read stays. The file is written anew, so that nothing of them is left in it; whoever appends
    waits meanwhile, and goes on in the new one.

    Raises:
        SinkError: it cannot be written.
    """
    path = folder / NAME
    if not path.is_file() or not any(_is(line, unwanted) for line in _lines(path)):
        return 0
    beside, dropped = path.with_name(f"{NAME}.part"), 0
    with explained(path), locked_file(path), path.open("r+b") as old:
        with open(beside, "wb", opener=private) as file:  # takes no opener
            for line in _lines(path):
                if _is(line, unwanted):
                    dropped += 1
                else:
                    file.write(line)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _overwrite(old)
    return dropped


def first_line(folder: Path) -> Mapping[str, Any] | None:
    """The oldest event in a folder, if it can be read."""
    try:
        with (folder / NAME).open("rb") as file:
            record = json.loads(file.readline(_MOST_LINE))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("utc") else None


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _is(line: bytes, unwanted: Callable[[Mapping[str, Any]], bool]) -> bool:
    try:
        record = json.loads(line)
        return isinstance(record, dict) and unwanted(record)
    except (KeyError, TypeError, ValueError):
        return False


def _overwrite(file: BinaryIO) -> None:
    """The old file's blocks are given back to the disk with nothing but zeros in them."""
    left = os.fstat(file.fileno()).st_size
    while left > 0:
        left -= file.write(bytes(min(left, 1 << 20)))
    file.flush()
    os.fsync(file.fileno())
