"""Reads the table ``[tagger]`` of ``pack.toml``."""

from __future__ import annotations

from typing import Any, cast

from engines.packs.pack import PackError
from engines.packs.table import FILE, Table, one_of, safe, text
from engines.packs.tagger import GROUP_PROMPT, PROMPT, PackKind, TaggerTable

KINDS = ("classifier", "tags", "detector", "embedder", "segmenter", "matting", "length")
#: Those that measure: they are used by ``measures``, which says when.
MEASURING = ("segmenter", "length")
BACKGROUNDS = ("keep", "blur", "dim", "remove")
RESIZES = ("fit", "stretch", "cover")
FILTERS = ("area", "bilinear", "bicubic", "lanczos")
#: Of a matting model: as Pillow does, the way they were trained.
MATTING_FILTERS = ("lanczos", "bilinear", "bicubic")
ACTIVATIONS = ("softmax", "sigmoid", "none")
BOXES = ("cxcywh", "xyxy", "yolo")
NONE: tuple[str, ...] = ()
#: Of a segmenter: it gives boxes in pixels, or as YOLO does, and its scores are probabilities.
SEGMENTER_BOXES = ("xyxy", "yolo")
SEGMENTER_OVERLAP = 0.7
MOST_SECONDS = 3600.0
MOST_LABELS = 100_000


def read_tagger(values: Any) -> TaggerTable | None:
    """The table, checked; ``None`` if it is no table.

    Raises:
        PackError: a key is unknown, or a value impossible.
    """
    if not isinstance(values, dict):
        return None
    table = Table(values, "tagger.")
    kind = _choice(table, "kind", KINDS)
    found = TaggerTable(kind=cast(PackKind, kind), **_shown(table, kind), **_told(table, kind))
    table.end()
    if kind in MEASURING:
        if found.subject != "frame":
            raise PackError(
                f"tagger.subject in {FILE} must be frame: objects are in whole pictures"
            )
    elif kind == "matting":
        if found.subject != "person":
            raise PackError(f"tagger.subject in {FILE} must be person: others have no background")
    elif found.shown != "person" and not found.every_s:
        raise PackError(f"tagger.every_s in {FILE} must be above 0: nobody asks for looks at tiles")
    return found


def _choice(table: Table, key: str, choices: tuple[str, ...], *default: str) -> str:
    return table.take(key, one_of(choices), f"one of {', '.join(choices)}", *default)


def _shown(table: Table, kind: str) -> dict[str, Any]:
    """What it sees, and when."""
    usual = "frame" if kind in MEASURING else "person"
    filters = MATTING_FILTERS if kind == "matting" else FILTERS
    return {
        "subject": table.take("subject", text, "text", usual),
        "every_s": table.take("every_s", _between(0, MOST_SECONDS), "seconds", 0.0),
        "background": _choice(table, "background", BACKGROUNDS, "keep"),
        "margin": table.take("margin", _between(0, 4), "a number from 0 to 4", 0.1),
        "resize": _choice(table, "resize", RESIZES, "fit"),
        "filter": _choice(table, "filter", filters, filters[0]),
        "memory_mb": table.take("memory_mb", _count, "megabytes", 0),
    }


def _told(table: Table, kind: str) -> dict[str, Any]:
    """What it reports, and how its outputs are read."""
    masks = kind == "segmenter"
    usual = {"tags": "sigmoid", "segmenter": "none", "matting": "none"}.get(kind, "softmax")
    boxes = SEGMENTER_BOXES if masks else BOXES
    share = _between(0, 1), "a number from 0 to 1"
    number = _between(-1e6, 1e6), "a number"
    name = "a name of letters, digits, '.', '_' and '-'"
    return {
        "report": table.take("report", safe, name, ""),
        "least": table.take("least", *share, 0.5 if kind == "matting" else 0.3),
        "activation": _choice(table, "activation", ACTIVATIONS, usual),
        "scale": table.take("scale", *number, 1.0),
        "bias": table.take("bias", *number, 0.0),
        "boxes": _choice(table, "boxes", boxes, boxes[0]),
        "overlap": table.take("overlap", *share, SEGMENTER_OVERLAP if masks else 0.0),
        "ignore": table.take("ignore", _texts, "a list of labels", NONE),
        "most": table.take("most", _count, "a number of boxes", 100),
        "prompt": table.take("prompt", text, "text", PROMPT),
        "group_prompt": table.take("group_prompt", text, "text", GROUP_PROMPT),
        "under_prompt": table.take("under_prompt", text, "text", ""),
        "top_prompt": table.take("top_prompt", text, "text", ""),
        "context": table.take("context", _count, "a number of tokens", 77),
        "again_below": table.take("again_below", *share, 0.0),
    }


def _between(low: float, high: float) -> Any:
    def check(value: Any) -> float | None:
        good = type(value) in (int, float) and low <= value <= high
        return float(value) if good else None

    return check


def _texts(value: Any) -> tuple[str, ...] | None:
    good = isinstance(value, list) and all(text(one) for one in value)
    return tuple(value) if good else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= MOST_LABELS * 10 else None
