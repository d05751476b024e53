"""What changed: nothing is repeated while a tag stays as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.ids import Ids, new_id
from pipeline.picture.feet import PresenceGrid, feet
from pipeline.types import Event, EventName, Heads, Moment, Tag, TaggedFrame, Track

#: The file with a person's best picture, given source, track and visit; empty: none is made.
Pictured = Callable[[str, int, str], str]


def _hour(at: Moment) -> str:
    """The hour of a moment in UTC, by when it was recorded: ``2026-11-26T05:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(at.recorded_at or at.utc))


@dataclass(slots=True)
class _Shown:
    """The last frame that showed somebody, or a camera's last frame for what belongs to nobody, and
    the tags reported last, and since when they are in which zones."""

    at: Moment
    visit: str = ""
    snapshot: str = ""
    heads: Heads = "pixelate"
    tags: dict[tuple[str, str], Tag] = field(default_factory=dict)
    zones: dict[str, Moment] = field(default_factory=dict)


class EventStage:
    """Compares each person's tags, and those attached to no person, with what was reported last,
    and gives every person's visit an id.

    Whoever left is reported when that is known, dated with the last frame that showed them.
    """

    name = "events"

    def __init__(self, run: str, pictured: Pictured = lambda source, track, visit: "") -> None:
        self._run = run
        self._pictured = pictured
        self._ids = Ids()
        self._shown: dict[tuple[str, int | None], _Shown] = {}
        self._grids: dict[str, PresenceGrid] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [self._told(tagged) for tagged in batch]

    def _told(self, tagged: TaggedFrame) -> TaggedFrame:
        events = tuple(self._events(tagged))
        tracks = tuple(self._visiting(tagged.frame.source, track) for track in tagged.tracks)
        return replace(tagged, tracks=tracks, events=events)

    def _visiting(self, source: str, track: Track) -> Track:
        return replace(track, visit=self._shown[source, track.id].visit)

    def lost(self, source: str) -> list[Event]:
        """End everybody and everything of a source, each dated with the last frame that showed it:
        no frame is to be expected soon, or ever. What comes all the same begins anew."""
        around = self._shown.get((source, None))
        ended = [
            event
            for key in [key for key in self._shown if key[0] == source]
            for event in self._ended(key[1], self._shown.pop(key))
        ]
        return ended + (list(self._presence(around)) if around else [])

    def forget(self, source: str) -> None:
        self.lost(source)

    def _events(self, tagged: TaggedFrame) -> Iterator[Event]:
        source, now = tagged.frame.source, Moment.of(tagged.frame)
        around = self._shown.get((source, None))
        if around and now.pts < around.at.pts:  # the stream began anew
            yield from self.lost(source)
        elif around and _hour(around.at) != _hour(now):
            yield from self._presence(around)
        for track in tagged.tracks:
            shown = self._shown.get((source, track.id))
            if shown is None:
                shown = _Shown(now, new_id(now.recorded_at or now.utc), heads=tagged.heads)
                self._shown[source, track.id] = shown
                yield self._event("entered", now, track.id, shown)
            shown.heads = tagged.heads
            if not track.predicted:
                self._count(tagged, track, now.pts - shown.at.pts)
                shown.at = now
            if track.tags and not shown.snapshot:
                shown.snapshot = self._pictured(source, track.id, shown.visit)
            yield from self._changes(track.id, now, track.tags)
            yield from self._moves(track, now, shown)
        around = self._shown.setdefault((source, None), _Shown(now))
        around.at, around.heads = now, tagged.heads
        yield from self._changes(None, now, tagged.tags)
        for track_id in tagged.ended:
            gone = self._shown.pop((source, track_id), None)
            if gone is not None:
                yield from self._ended(track_id, gone)

    def _changes(self, track_id: int | None, now: Moment, tags: Sequence[Tag]) -> Iterator[Event]:
        shown = self._shown[now.source, track_id]
        before, shown.tags = shown.tags, {tag.slot: tag for tag in tags}
        for slot, tag in shown.tags.items():
            if slot not in before:
                yield self._event("appeared", now, track_id, shown, tag)
            elif (before[slot].label, before[slot].colour) != (tag.label, tag.colour):
                yield self._event("changed", now, track_id, shown, tag)
        for slot, tag in before.items():
            if slot not in shown.tags:
                yield self._event("vanished", now, track_id, shown, tag)

    def _ended(self, track_id: int | None, shown: _Shown) -> Iterator[Event]:
        """A person's leaving; of what belongs to nobody, every tag vanishes."""
        tags = tuple(shown.tags.values())
        for zone in list(shown.zones):
            yield self._left_zone(track_id, shown, zone, shown.at)
        if track_id is not None:
            yield replace(self._event("left", shown.at, track_id, shown), tags=tags)
            return
        for tag in tags:
            yield self._event("vanished", shown.at, None, shown, tag)

    def _moves(self, track: Track, now: Moment, shown: _Shown) -> Iterator[Event]:
        """The lines that somebody crosses, and the zones they leave and enter."""
        for line, direction in track.crossed:
            details = (("line", line), ("direction", direction))
            yield replace(self._event("crossed", now, track.id, shown), details=details)
        for zone in [zone for zone in shown.zones if zone not in track.zones]:
            yield self._left_zone(track.id, shown, zone, now)
        for zone in [zone for zone in track.zones if zone not in shown.zones]:
            shown.zones[zone] = now
            event = self._event("zone_entered", now, track.id, shown)
            yield replace(event, details=(("zone", zone),))

    def _left_zone(self, track_id: int | None, shown: _Shown, zone: str, at: Moment) -> Event:
        dwell_s = round(max(at.pts - shown.zones.pop(zone).pts, 0.0), 3)
        event = self._event("zone_left", at, track_id, shown)
        return replace(event, details=(("zone", zone), ("dwell_s", dwell_s)))

    def _count(self, tagged: TaggedFrame, track: Track, seconds: float) -> None:
        """Count somebody's feet, seen again after some seconds."""
        grid = self._grids.setdefault(tagged.frame.source, PresenceGrid())
        size = (tagged.frame.width, tagged.frame.height)
        grid.add(feet(track.box, *size), size, seconds)

    def _presence(self, around: _Shown) -> Iterator[Event]:
        """Where people were in the hour of a camera's last frame, if anywhere."""
        grid = self._grids.pop(around.at.source, PresenceGrid()).take()
        if grid:
            details = (("hour", _hour(around.at)), ("grid", grid))
            yield replace(self._event("presence", around.at, None, around), details=details)

    def _event(
        self,
        name: EventName,
        at: Moment,
        track_id: int | None,
        shown: _Shown,
        tag: Tag | None = None,
    ) -> Event:
        return Event(
            name,
            at,
            track_id,
            tag,
            id=self._ids.next(time.time()),
            run=self._run,
            visit=shown.visit,
            snapshot=shown.snapshot,
            heads=shown.heads,
        )
