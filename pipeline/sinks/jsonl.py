"""JSON lines: one object a line, flushed as soon as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from pipeline.sinks.files import explained, make_folder
from pipeline.sinks.records import event_record, frame_record
from pipeline.types import TaggedFrame


class JsonLines:
    """A file of JSON objects, continued (``append``) or begun anew."""

    def __init__(self, path: Path, append: bool) -> None:
        self.path = path
        self._mode = "a" if append else "w"
        self._file: IO[str] | None = None

    def open(self) -> None:
        make_folder(self.path.parent)
        with explained(self.path):
            self._file = self.path.open(self._mode, encoding="utf-8", errors="backslashreplace")

    def write(self, record: dict[str, Any]) -> None:
        assert self._file is not None
        with explained(self.path):
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with explained(self.path):
                file.close()


class _LineSink:
    """Life cycle both line sinks share."""

    name = ""

    def __init__(self, folder: Path, live: bool) -> None:
        self._lines = JsonLines(folder / f"{self.name}.jsonl", append=live)

    def __enter__(self) -> Any:
        self._lines.open()
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()


class EventSink(_LineSink):
    """``events.jsonl``: what changed."""

    name = "events"

    def write(self, tagged: TaggedFrame) -> None:
        for event in tagged.events:
            self._lines.write(event_record(event))


class FrameSink(_LineSink):
    """``frames.jsonl``: everything known about every analysed frame."""

    name = "frames"

    def write(self, tagged: TaggedFrame) -> None:
        self._lines.write(frame_record(tagged))
