"""JSON lines: one object a line, on its way to the disk as soon as it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import Field

from pipeline.files import appending, explained, make_folder, private
from pipeline.settings.section import PerSource
from pipeline.sinks.records import frame_record
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.types import TaggedFrame

#: Bytes at the end of a file among which its last line is looked for.
_TAIL = 1 << 20


class EventsSettings(SinkSettings):
    """events.jsonl: what changed."""

    enabled: bool = Field(True, description="every change is written as a line: events.jsonl")


class FramesSettings(SinkSettings):
    """frames.jsonl: one record per analysed frame."""

    enabled: bool = Field(False, description="every analysed frame is a line: frames.jsonl")


class JsonLines:
    """A file of JSON objects, its owner's alone, continued (``append``) or begun anew."""

    def __init__(self, path: Path, append: bool) -> None:
        self.path = path
        self._append = append
        self._file: BinaryIO | None = None
        self._cut = False

    def open(self) -> None:
        make_folder(self.path.parent, private=True)
        with explained(self.path):
            self._cut = self._append and not _tail(self.path).endswith(b"\n")
            self._file = open(  # noqa: SIM115  # Path.open takes no opener
                self.path, "ab" if self._append else "wb", buffering=0, opener=private
            )

    def last(self) -> Mapping[str, Any]:
        """The last whole record; empty where there is none."""
        for line in reversed(_tail(self.path).splitlines()):
            try:
                record = json.loads(line)
            except ValueError:  # cut short, as by a power cut
                continue
            if isinstance(record, dict):
                return record
        return {}

    def write(self, record: Mapping[str, Any]) -> None:
        assert self._file is not None
        line = json.dumps(record, ensure_ascii=False) + "\n"
        rest = memoryview((b"\n" if self._cut else b"") + line.encode("utf-8", "backslashreplace"))
        with explained(self.path), appending(self.path, self._file) as file:
            self._file = file
            while rest:  # a disk that fills up takes a part
                written = file.write(rest)
                rest = rest[written:]
                self._cut = bool(rest)

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with explained(self.path):
                file.close()


def _tail(path: Path) -> bytes:
    """The end of a file; of an empty or missing one a line's end."""
    if not path.is_file() or not (size := path.stat().st_size):
        return b"\n"
    with path.open("rb") as file:
        file.seek(max(size - _TAIL, 0))
        return file.read()


class EventLines:
    """``events.jsonl``: what changed."""

    name = "events"

    def __init__(self, settings: PerSource[EventsSettings], place: Place) -> None:
        self._settings = settings
        self._live = place.live
        self._lines = JsonLines(place.folder / "events.jsonl", append=place.live)
        self.last: str | None = None

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        ids = [record["event_id"] for record in records]
        known = ids.index(self.last) + 1 if self.last in ids else 0  # of a delivery that failed
        for record in records[known:]:
            if self._settings.of(record["camera"]).wanted(self._live):
                self._lines.write(record)
            self.last = record["event_id"]

    def __enter__(self) -> EventLines:
        self._lines.open()
        last = self._lines.last().get("event_id")
        self.last = last if isinstance(last, str) else None
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()


class FrameLines:
    """``frames.jsonl``: everything known about every analysed frame."""

    name = "frames"

    def __init__(self, settings: PerSource[FramesSettings], place: Place) -> None:
        self._settings = settings
        self._live = place.live
        self._lines = JsonLines(place.folder / "frames.jsonl", append=place.live)

    def write(self, tagged: TaggedFrame) -> None:
        if self._settings.of(tagged.frame.source).wanted(self._live):
            self._lines.write(frame_record(tagged))

    def forget(self, source: str) -> None:
        """Nothing is kept for a source: every line is in the file already."""

    def __enter__(self) -> FrameLines:
        self._lines.open()
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()
