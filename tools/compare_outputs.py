"""Compare what two versions of the program wrote for the same frames.

    python tools/compare_outputs.py BEFORE AFTER

Both are folders in which runs or ``threadline tag`` left their files, at the same places. Every
record must be the same but for the time of the day. Ends with 1 if any is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

NAMES = ("events.jsonl", "frames.jsonl", "tags.jsonl")
#: Fields that are another in every run.
CLOCKS = ("utc", "camera_utc", "event_id", "run", "visit", "snapshot")
#: Differences of a file that are shown, and characters of a value.
SHOWN = 2
LONGEST = 400

Record = dict[str, Any]


def files(folder: Path) -> set[Path]:
    """Files of records in a folder, relative to it."""
    return {path.relative_to(folder) for name in NAMES for path in folder.rglob(name)}


def records(path: Path) -> list[Record]:
    """The records of a file, none if it is missing."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def differing(before: list[Record], after: list[Record]) -> list[tuple[int, list[str]]]:
    """Line numbers (from 1) of records that differ, and the fields in which they do."""
    found = []
    for number, pair in enumerate(zip_longest(before, after, fillvalue={}), 1):
        names = dict.fromkeys([*pair[0], *pair[1]])
        fields = [n for n in names if n not in CLOCKS and _value(pair[0], n) != _value(pair[1], n)]
        if fields:
            found.append((number, fields))
    return found


def _value(record: Record, name: str) -> str:
    return json.dumps(record[name], sort_keys=True) if name in record else "missing"


def compare(name: Path, before: list[Record], after: list[Record]) -> int:
    """How many records of a file differ; prints that and the first of them."""
    found = differing(before, after)
    print(f"{name}: {len(before)} records before, {len(after)} after, {len(found)} differ")
    for number, fields in found[:SHOWN]:
        for field in fields:
            print(f"  line {number}, {field}:")
            for when, rows in (("before", before), ("after", after)):
                record = rows[number - 1] if number <= len(rows) else {}
                print(f"    {when}: {_value(record, field)[:LONGEST]}")
    return len(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args(arguments)
    names = sorted(files(args.before) | files(args.after))
    if not names:
        print(f"neither {args.before} nor {args.after} holds {' or '.join(NAMES)}", file=sys.stderr)
        return 2
    found = [compare(n, records(args.before / n), records(args.after / n)) for n in names]
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
