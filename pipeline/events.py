"""What changed: nothing is repeated while a tag stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.types import Event, EventName, Frame, Tag, TaggedFrame

_Shown = dict[tuple[str, str], Tag]


class EventStage:
    """Compares each person's tags, and those attached to no person, with what was reported last."""

    name = "events"

    def __init__(self) -> None:
        self._shown: dict[tuple[str, int | None], _Shown] = {}

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        return [replace(tagged, events=tuple(self._events(tagged))) for tagged in batch]

    def forget(self, source: str) -> None:
        for key in [key for key in self._shown if key[0] == source]:
            del self._shown[key]

    def _events(self, tagged: TaggedFrame) -> Iterator[Event]:
        frame = tagged.frame
        for track in tagged.tracks:
            key = (frame.source, track.id)
            if key not in self._shown:
                self._shown[key] = {}
                yield _event("entered", frame, track.id)
            yield from self._changes(frame, track.id, track.tags)
        if tagged.tags or (frame.source, None) in self._shown:
            yield from self._changes(frame, None, tagged.tags)
        for track_id in tagged.ended:
            shown = self._shown.pop((frame.source, track_id), None)
            if shown is not None:
                yield _event("left", frame, track_id, tags=tuple(shown.values()))

    def _changes(self, frame: Frame, track_id: int | None, tags: Sequence[Tag]) -> Iterator[Event]:
        key = (frame.source, track_id)
        before: Mapping[tuple[str, str], Tag] = self._shown.get(key, {})
        now = {tag.slot: tag for tag in tags}
        self._shown[key] = now
        for slot, tag in now.items():
            if slot not in before:
                yield _event("appeared", frame, track_id, tag)
            elif (before[slot].label, before[slot].colour) != (tag.label, tag.colour):
                yield _event("changed", frame, track_id, tag)
        for slot, tag in before.items():
            if slot not in now:
                yield _event("vanished", frame, track_id, tag)


def _event(
    name: EventName,
    frame: Frame,
    track_id: int | None,
    tag: Tag | None = None,
    tags: tuple[Tag, ...] = (),
) -> Event:
    return Event(
        name,
        frame.source,
        track_id,
        frame.index,
        frame.pts,
        frame.utc,
        tag=tag,
        tags=tags,
        camera_utc=frame.camera_utc,
    )
