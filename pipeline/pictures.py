"""How the picture of a visit is called: the sink writes it, the store and people find it."""

from __future__ import annotations

import time

from pipeline.ids import began

#: Their folder in that of the results.
FOLDER = "snapshots"


def snapshot_file(source: str, track_id: int, visit: str) -> str:
    """The picture of a visit, within the folder of the results; no other visit has it:
    ``snapshots/entrance/2026-11-26/052312-person-0012-9f3a1c.jpg``, in UTC."""
    day, moment = time.strftime("%Y-%m-%d %H%M%S", time.gmtime(began(visit))).split()
    return f"{FOLDER}/{source}/{day}/{moment}-person-{track_id:04d}-{visit[-6:]}.jpg"
