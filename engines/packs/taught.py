"""Labels that a garment parser was taught besides its own: one more output, read from what it sees
anyway."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from engines.packs.pack import Pack, PackError
from engines.packs.table import safe

#: What they are: report, labels in the order of the output, least, ignore.
TAUGHT = "taught.json"
#: The output: probability of each label, float32 (n, labels).
OUTPUT = "taught"


@dataclass(frozen=True, slots=True)
class TaughtLabels:
    """Labels that exclude each other.

    Attributes:
        report: ``Tag.kind`` of what is reported.
        least: probability under which a label is not reported.
        ignore: labels that compete and are never reported.
    """

    report: str
    labels: tuple[str, ...]
    least: float
    ignore: tuple[str, ...] = ()


@lru_cache(maxsize=32)
def taught(pack: Pack) -> TaughtLabels | None:
    """What a parser was taught; ``None``: nothing.

    Raises:
        PackError: the file cannot be read, or does not fit the outputs.
    """
    if TAUGHT not in pack.files:
        return None
    path = pack.folder / TAUGHT
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        found = TaughtLabels(
            row["report"], tuple(row["labels"]), float(row["least"]), tuple(row["ignore"])
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PackError(f"pack '{pack.name}': {path} cannot be read: {error!r}") from None
    good = all(isinstance(name, str) for name in (*found.labels, *found.ignore))
    if not good or not safe(found.report) or not 0 <= found.least <= 1:
        raise PackError(f"pack '{pack.name}': {path}: report, labels, least or ignore are wrong")
    shapes = {tensor.name: tensor.shape for tensor in pack.outputs}
    if shapes.get(OUTPUT, ())[1:] != (len(found.labels),):
        raise PackError(
            f"pack '{pack.name}': {path} has {len(found.labels)} labels, which is no "
            f"output '{OUTPUT}' of as many"
        )
    return found
