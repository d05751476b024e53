"""Who is in which zone, and who crosses which line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.people.lines import Crossing
from pipeline.people.zones import Zones
from pipeline.picture.feet import Point, feet
from pipeline.settings.section import PerSource
from pipeline.types import Direction, Place, TaggedFrame, Track

#: How far beyond a border, as a share of their height, somebody has left a zone or crossed a line:
#: the lower edge of a box trembles by two or three hundredths of it.
BORDER = 0.06


@dataclass(slots=True)
class _Person:
    """The zones one person is in, and where they are with each line."""

    zones: tuple[str, ...] = ()
    lines: dict[str, Crossing] = field(default_factory=dict)


@dataclass(slots=True)
class _Scene:
    """One camera's zones in pixels of a picture of ``size``, and its people."""

    size: tuple[int, int]
    zones: dict[str, npt.NDArray[np.float32]]
    people: dict[int, _Person] = field(default_factory=dict)


class PlaceStage:
    """Adds to every track the zones it is in and the lines it crosses."""

    name = "places"

    def __init__(self, zones: PerSource[Zones]) -> None:
        self._zones = zones
        self._scenes: dict[str, _Scene] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [self._placed(tagged) for tagged in batch]

    def forget(self, source: str) -> None:
        self._scenes.pop(source, None)

    def _placed(self, tagged: TaggedFrame) -> TaggedFrame:
        source, size = tagged.frame.source, (tagged.frame.width, tagged.frame.height)
        areas = self._zones.of(source)
        if not areas.zones and not areas.lines:
            return tagged
        scene = self._scenes.get(source)
        if scene is None or scene.size != size:
            scale = np.array(size, np.float32)
            corners = {n: np.array(p, np.float32) * scale for n, p in areas.zones.items()}
            scene = self._scenes[source] = _Scene(size, corners)
        tracks = tuple(_moved(scene, areas, track) for track in tagged.tracks)
        for track_id in tagged.ended:
            scene.people.pop(track_id, None)
        return replace(tagged, tracks=tracks, places=_places(scene, areas, tracks))


def _moved(scene: _Scene, areas: Zones, track: Track) -> Track:
    """A track with its zones, and the lines it crosses with this frame. A box that is only
    predicted is no sight of anybody: they are where they were."""
    person = scene.people.setdefault(track.id, _Person())
    if track.predicted:
        return replace(track, zones=person.zones)
    at, margin = feet(track.box, *scene.size), BORDER * (track.box[3] - track.box[1])
    person.zones = tuple(
        name
        for name, corners in scene.zones.items()
        if beyond(corners, at) <= (margin if name in person.zones else 0.0)
    )
    crossed: list[tuple[str, Direction]] = []
    for name, line in areas.lines.items():
        crossing = person.lines.get(name)
        if crossing is None:
            crossing = person.lines[name] = Crossing(line.within(*scene.size))
        direction = crossing.step(at, margin)
        if direction is not None:
            crossed.append((name, direction))
    return replace(track, zones=person.zones, crossed=tuple(crossed))


def beyond(corners: npt.NDArray[np.float32], at: Point) -> float:
    """How far a point is outside of a polygon (n, 2), in its unit; 0 on its edge, negative inside.
    Where a polygon crosses itself, what it encloses an odd number of times is inside."""
    return -cv2.pointPolygonTest(corners, at, True)


def _places(scene: _Scene, areas: Zones, tracks: tuple[Track, ...]) -> tuple[Place, ...]:
    """The zones, with how many are in each, and lines, as they lie in the picture."""
    counts = Counter(name for track in tracks for name in track.zones)
    found = [
        Place(name, tuple((float(x), float(y)) for x, y in corners), counts[name])
        for name, corners in scene.zones.items()
    ]
    for name, line in areas.lines.items():
        segment = line.within(*scene.size)
        found.append(Place(name, (segment.start, segment.end)))
    return tuple(found)
