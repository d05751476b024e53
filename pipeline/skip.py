"""Which frames earn a detection."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.types import Decision


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


def decide(policy: SkipPolicy, changed: float, since_detection_s: float) -> Decision:
    """``detect``, ``predict`` (moving, but looked at recently) or ``still``."""
    if since_detection_s >= policy.refresh_s:
        return "detect"
    if changed < policy.motion:
        return "still"
    # A frame that comes a moment early would otherwise push the next detection a frame further.
    return "detect" if since_detection_s >= 0.95 * policy.interval_s else "predict"
