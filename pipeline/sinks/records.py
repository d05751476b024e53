"""The JSON that leaves the program. Documented in docs/events.md; a change here raises VERSION."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from pipeline.types import Box, Event, Tag, TaggedFrame, Track

VERSION = 1


def box_record(box: Box) -> list[float]:
    """A box as every file has it: xyxy to a tenth of a pixel."""
    return [round(value, 1) for value in box]


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


def event_record(event: Event) -> dict[str, Any]:
    """One line of events.jsonl."""
    record: dict[str, Any] = {
        "version": VERSION,
        "event": event.name,
        "camera": event.source,
        "utc": _utc(event.utc),
        "camera_utc": None if event.camera_utc is None else _utc(event.camera_utc),
        "pts": round(event.pts, 3),
        "frame": event.frame,
        "track_id": event.track_id,
    }
    if event.tag is not None:
        record["tag"] = tag_record(event.tag)
    if event.name == "left":
        record["tags"] = [tag_record(tag) for tag in event.tags]
    return record


def _track_record(track: Track) -> dict[str, Any]:
    return {
        "track_id": track.id,
        "box": box_record(track.box),
        "score": round(track.score, 4),
        "predicted": track.predicted,
        "tags": [tag_record(tag) for tag in track.tags],
    }


def frame_record(tagged: TaggedFrame) -> dict[str, Any]:
    """One line of frames.jsonl."""
    frame = tagged.frame
    return {
        "version": VERSION,
        "camera": frame.source,
        "utc": _utc(frame.utc),
        "camera_utc": None if frame.camera_utc is None else _utc(frame.camera_utc),
        "pts": round(frame.pts, 3),
        "frame": frame.index,
        "decision": tagged.decision,
        "width": frame.width,
        "height": frame.height,
        "persons": [_track_record(track) for track in tagged.tracks],
        "tags": [tag_record(tag) for tag in tagged.tags],
    }
