"""Records of events as runs write them, made up."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from pipeline.ids import Ids, new_id

#: 2026-11-25 14:00 in Berlin.
T0 = datetime(2026, 11, 25, 13, 0, tzinfo=timezone.utc).timestamp()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )  # fmt: skip


def tag(label: str, category: str | None = None, *colours: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "garment",
        "label": label,
        "category": category or label,
        "level": "fine",
        "colour": colours[0] if colours else None,
        "colours": list(colours),
        "attributes": {},
        "score": 0.8,
        "box": [1.0, 2.0, 30.5, 40.0],
        "track_id": 1,
        "model": "garments-lite0",
    } | more


def brand(name: str, on: str | None = None) -> dict[str, Any]:
    return tag(name, kind="logo", category=None, attributes={"on": on} if on else {})


RED_JACKET = tag("jacket", "jacket", "red")
BLUE_JEANS = tag("jeans", "pants", "blue")
BLACK_JEANS = tag("jeans", "pants", "black")
HAT = tag("hat", "hat", "black")


class Run:
    """Makes records of one run."""

    def __init__(self, at: float = T0, recorded: bool = False) -> None:
        self.id = new_id(at)
        self._ids = Ids()
        self._tracks = itertools.count(1)
        self._recorded = recorded

    def record(self, name: str, camera: str, at: float, **more: Any) -> dict[str, Any]:
        return {
            "version": 2,
            "event_id": self._ids.next(at),
            "event": name,
            "run": self.id,
            "camera": camera,
            "utc": stamp(at + (1e6 if self._recorded else 0)),
            "camera_utc": None,
            "recorded_at": stamp(at) if self._recorded else None,
            "pts": round(at - T0, 3),
            "frame": 0,
            "track_id": None,
            "visit": None,
            "snapshot": None,
        } | more

    def visit(
        self,
        *tags: dict[str, Any],
        camera: str = "entrance",
        at: float = T0,
        lasts: float = 10.0,
        left: bool = True,
    ) -> list[dict[str, Any]]:
        """A person with these tags from beginning to end."""
        track, visit = next(self._tracks), new_id(at)
        picture = f"snapshots/{camera}/{track}-{visit[-6:]}.jpg"
        who = {"track_id": track, "visit": visit}
        found = [self.record("entered", camera, at, **who)]
        for i, one in enumerate(tags):
            when = at + 0.1 + 0.01 * i
            found.append(self.record("appeared", camera, when, **who, snapshot=picture, tag=one))
        if left:
            shown = picture if tags else None
            found.append(
                self.record("left", camera, at + lasts, **who, snapshot=shown, tags=list(tags))
            )
        return found


def crowd(
    count: int, seed: int = 0, cameras: int = 3, hours: float = 48.0, begin: float = T0
) -> Iterator[list[dict[str, Any]]]:
    """Visits with garments at random, in the order of time."""
    chance, run = random.Random(seed), Run(begin)
    labels = [("jacket", "jacket"), ("jeans", "pants"), ("hat", "hat"), ("t-shirt", "top")]
    colours = ["red", "blue", "black", "white", "green"]
    for at in sorted(chance.uniform(0, hours * 3600) for _ in range(count)):
        some = chance.sample(labels, chance.randint(0, 3))
        tags = [tag(*one, chance.choice(colours)) for one in some]
        if chance.random() < 0.2:
            tags.append(brand(chance.choice(["nike", "acme"])))
        camera = f"cam{chance.randrange(cameras)}"
        yield run.visit(*tags, camera=camera, at=begin + at)
