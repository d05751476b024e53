"""What changed: nothing is repeated while a tag stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.types import Event, EventName, Frame, Tag, TaggedFrame


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a frame was: what is remembered of it, without its picture."""

    source: str
    frame: int
    pts: float
    utc: float
    camera_utc: float | None


@dataclass(slots=True)
class _Shown:
    """The last frame that showed somebody, or a camera's last frame for what belongs to nobody, and
    the tags reported last."""

    at: _Moment
    tags: dict[tuple[str, str], Tag] = field(default_factory=dict)


class EventStage:
    """Compares each person's tags, and those attached to no person, with what was reported last.

    Whoever left is reported when that is known, dated with the last frame that showed them.
    """

    name = "events"

    def __init__(self) -> None:
        self._shown: dict[tuple[str, int | None], _Shown] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [replace(tagged, events=tuple(self._events(tagged))) for tagged in batch]

    def lost(self, source: str) -> list[Event]:
        """End everybody and everything of a source, each dated with the last frame that showed it:
        no frame is to be expected soon, or ever. What comes all the same begins anew."""
        return [
            event
            for key in [key for key in self._shown if key[0] == source]
            for event in _ended(key[1], self._shown.pop(key))
        ]

    def forget(self, source: str) -> None:
        self.lost(source)

    def _events(self, tagged: TaggedFrame) -> Iterator[Event]:
        source, now = tagged.frame.source, _moment(tagged.frame)
        around = self._shown.get((source, None))
        if around and now.pts < around.at.pts:  # the stream began anew
            yield from self.lost(source)
        for track in tagged.tracks:
            key = (source, track.id)
            if key not in self._shown:
                self._shown[key] = _Shown(now)
                yield _event("entered", now, track.id)
            if not track.predicted:
                self._shown[key].at = now
            yield from self._changes(track.id, now, track.tags)
        self._shown.setdefault((source, None), _Shown(now)).at = now
        yield from self._changes(None, now, tagged.tags)
        for track_id in tagged.ended:
            shown = self._shown.pop((source, track_id), None)
            if shown is not None:
                yield from _ended(track_id, shown)

    def _changes(self, track_id: int | None, now: _Moment, tags: Sequence[Tag]) -> Iterator[Event]:
        shown = self._shown[now.source, track_id]
        before, shown.tags = shown.tags, {tag.slot: tag for tag in tags}
        for slot, tag in shown.tags.items():
            if slot not in before:
                yield _event("appeared", now, track_id, tag)
            elif (before[slot].label, before[slot].colour) != (tag.label, tag.colour):
                yield _event("changed", now, track_id, tag)
        for slot, tag in before.items():
            if slot not in shown.tags:
                yield _event("vanished", now, track_id, tag)


def _moment(frame: Frame) -> _Moment:
    return _Moment(frame.source, frame.index, frame.pts, frame.utc, frame.camera_utc)


def _ended(track_id: int | None, shown: _Shown) -> Iterator[Event]:
    """A person's leaving; of what belongs to nobody, every tag vanishes."""
    tags = tuple(shown.tags.values())
    if track_id is not None:
        yield _event("left", shown.at, track_id, tags=tags)
        return
    for tag in tags:
        yield _event("vanished", shown.at, None, tag)


def _event(
    name: EventName,
    at: _Moment,
    track_id: int | None,
    tag: Tag | None = None,
    tags: tuple[Tag, ...] = (),
) -> Event:
    event = Event(name, at.source, track_id, at.frame, at.pts, at.utc, camera_utc=at.camera_utc)
    return replace(event, tag=tag, tags=tags)
