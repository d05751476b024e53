"""When a frame earns a detection."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class SkipPolicy:
    """When to run the detector.

    Attributes:
        motion: share of the picture that must change for the scene not to count as still.
        interval_s: shortest time between two detections of a moving scene.
        refresh_s: longest time without a detection, moving or not.
    """

    motion: float
    interval_s: float
    refresh_s: float


def due(policy: SkipPolicy, since_s: float, stretch: float) -> float:
    """How overdue a detection is, as a share of its interval: from 1 on it is due if anything
    moves."""
    # A frame that comes a moment early would otherwise push the next detection a frame further.
    interval = 0.95 * policy.interval_s * stretch
    return since_s / interval if interval > 0 else inf
