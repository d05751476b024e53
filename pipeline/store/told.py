"""Visits as people and programs are told of them: on the command line, in files, by the API."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.store.calendar import local
from pipeline.store.visits import StoredTag, Visit


def row_of(one: Visit, zone: ZoneInfo) -> dict[str, Any]:
    """A visit as JSON, with its tags if they were loaded. ``picture`` is its name within the folder
    of the results, whether it is still there or not."""
    return {
        "visit": str(uuid.UUID(bytes=one.name)),
        "camera": one.camera,
        "began": local(one.began, zone).isoformat(timespec="milliseconds"),
        "ended": local(one.ended, zone).isoformat(timespec="milliseconds"),
        "seconds": round((one.ended - one.began) / 1000, 1),
        "open": one.open,
        "zones": sorted(one.zones),
        "picture": one.picture,
        "heads": one.heads,
        "wears": list(one.summary),
        **({"tags": [tag_of(tag) for tag in one.tags.values()]} if one.tags else {}),
    }


def tag_of(tag: StoredTag) -> dict[str, Any]:
    """A tag of a visit as JSON."""
    return {
        "kind": tag.kind,
        "label": tag.label,
        "category": tag.category,
        "level": tag.level,
        "colours": list(tag.colours),
        "attributes": dict(tag.attributes),
        "score": tag.score,
        "box": list(tag.box),
        "model": tag.model,
        "gone": tag.gone,
    }


def picture_file(one: Visit, folder: Path) -> Path | None:
    """The file of a visit's picture in the folder of the results, while it is there."""
    path = folder / one.picture if one.picture else None
    return path if path is not None and path.is_file() else None


def safe_cell(value: object) -> object:
    """A cell of CSV that a spreadsheet shows and does not compute."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


#: Columns of visits in CSV.
COLUMNS = ("began", "ended", "seconds", "camera", "zones", "wears", "picture", "visit")


def cells(row: dict[str, Any]) -> list[object]:
    """A visit's cells of CSV."""
    values = {**row, "wears": "; ".join(row["wears"]), "zones": "; ".join(row["zones"])}
    return [safe_cell(values[name]) for name in COLUMNS]
