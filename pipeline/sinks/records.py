"""The JSON that leaves the program. Documented in docs/events.md; a change here raises VERSION."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from pipeline.types import Box, Event, Moment, Tag, TaggedFrame, Track

VERSION = 2


def box_record(box: Box) -> list[float]:
    """A box as every file has it: xyxy to a tenth of a pixel."""
    return [round(value, 1) for value in box]


def box_share(box: Box, size: tuple[int, int]) -> list[float]:
    """A box as shares of a picture of this width and height, so that it fits any copy of it."""
    return [round(value / side, 5) for value, side in zip(box, (*size, *size), strict=True)]


def _utc(seconds: float) -> str:
    stamp = datetime.fromtimestamp(seconds, timezone.utc)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tag_record(tag: Tag) -> dict[str, Any]:
    """A tag as every file has it."""
    return {
        "kind": tag.kind,
        "label": tag.label,
        "category": tag.category,
        "level": tag.level,
        "colour": tag.colour,
        "colours": list(tag.colours),
        "attributes": dict(tag.attributes),
        "score": round(tag.score, 4),
        "box": box_record(tag.box),
        "track_id": tag.track_id,
        "model": tag.model,
    }


def _moment(at: Moment) -> dict[str, Any]:
    """When, on which camera."""
    return {
        "camera": at.source,
        "utc": _utc(at.utc),
        "camera_utc": None if at.camera_utc is None else _utc(at.camera_utc),
        "recorded_at": None if at.recorded_at is None else _utc(at.recorded_at),
        "pts": round(at.pts, 3),
        "frame": at.frame,
    }


def event_record(event: Event) -> dict[str, Any]:
    """One line of events.jsonl."""
    record: dict[str, Any] = {
        "version": VERSION,
        "event_id": event.id,
        "event": event.name,
        "run": event.run,
        **_moment(event.at),
        "track_id": event.track_id,
        "visit": event.visit or None,
        "snapshot": event.snapshot or None,
        "heads": event.heads,
    }
    if event.tag is not None:
        record["tag"] = tag_record(event.tag)
    record |= dict(event.details)
    if event.name == "left":
        record["tags"] = [tag_record(tag) for tag in event.tags]
    return record


def _track_record(track: Track) -> dict[str, Any]:
    return {
        "track_id": track.id,
        "visit": track.visit or None,
        "box": box_record(track.box),
        "score": round(track.score, 4),
        "predicted": track.predicted,
        "zones": list(track.zones),
        "tags": [tag_record(tag) for tag in track.tags],
    }


def frame_record(tagged: TaggedFrame) -> dict[str, Any]:
    """One line of frames.jsonl."""
    frame = tagged.frame
    return {
        "version": VERSION,
        **_moment(Moment.of(frame)),
        "decision": tagged.decision,
        "width": frame.width,
        "height": frame.height,
        "heads": tagged.heads,
        "zones": {place.name: place.count for place in tagged.places if place.is_zone},
        "persons": [_track_record(track) for track in tagged.tracks],
        "tags": [tag_record(tag) for tag in tagged.tags],
    }
