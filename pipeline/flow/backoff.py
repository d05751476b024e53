"""How long threads that read cameras wait before they try again, and that they give way."""

from __future__ import annotations

import os
import sys
import threading

#: Niceness of threads that read cameras.
NICE = 5


def backoff_s(failures: int, jitter: float) -> float:
    """Pause before the next try after ``failures`` in a row; ``jitter`` is 0 to 1.

    Half a second, then one for the first sixty tries (a camera that reboots is back at once), then
    doubling to 30, each scaled by 0.5 to 1 so that many cameras do not knock together.
    """
    base = 0.5 if failures == 1 else 1.0
    if failures > 60:
        base = min(2.0 ** min(failures - 60, 10), 30.0)
    return base * (0.5 + 0.5 * jitter)


def denied_backoff_s(refusals: int, jitter: float) -> float:
    """Pause after ``refusals`` in a row; ``jitter`` is 0 to 1.

    Twenty to thirty seconds for the first ten (a camera or recorder that boots), then doubling to
    ten minutes: a wrong password that is tried often locks the account.
    """
    base = 30.0 if refusals <= 10 else min(30.0 * 2.0 ** min(refusals - 10, 10), 600.0)
    return base * (2 + jitter) / 3


def give_way() -> None:
    """Let this thread run after the inference thread: many decoders would else leave it the share
    of one among many. Only where threads have priorities of their own (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
