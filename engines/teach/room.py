"""Where courses work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines.teach.watch import Watch


@dataclass(frozen=True, slots=True)
class Room:
    """Where a course works.

    Attributes:
        work: folder for what an interrupted course goes on from.
        device: ``cpu`` or ``cuda``.
        weights: of a network to start from.
    """

    work: Path
    device: str
    side: int
    seed: int
    watch: Watch
    weights: Path | None = None
