"""JSON lines: one object a line, flushed as soon as it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from pipeline.files import explained, make_folder, private
from pipeline.settings.section import PerSource
from pipeline.sinks.records import event_record, frame_record
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.types import Event, TaggedFrame


class EventsSettings(SinkSettings):
    """events.jsonl: what changed."""

    enabled: bool = True


class FramesSettings(SinkSettings):
    """frames.jsonl: one record per analysed frame."""

    enabled: bool = False


class JsonLines:
    """A file of JSON objects, its owner's alone, continued (``append``) or begun anew."""

    def __init__(self, path: Path, append: bool) -> None:
        self.path = path
        self._mode = "a" if append else "w"
        self._file: IO[str] | None = None

    def open(self) -> None:
        make_folder(self.path.parent, private=True)
        with explained(self.path):
            broken = self._mode == "a" and _cut_short(self.path)
            self._file = open(  # noqa: SIM115  # Path.open takes no opener
                self.path, self._mode, encoding="utf-8", errors="backslashreplace", opener=private
            )
            if broken:
                self._file.write("\n")

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


def _cut_short(path: Path) -> bool:
    """Whether a file's last line was cut short, as by a power cut."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


class _LineSink:
    """What both line sinks share."""

    name = ""

    def __init__(self, settings: PerSource[Any], place: Place) -> None:
        self._settings = settings
        self._live = place.live
        self._lines = JsonLines(place.folder / f"{self.name}.jsonl", append=place.live)

    def write(self, tagged: TaggedFrame) -> None:
        if self._settings.of(tagged.frame.source).wanted(self._live):
            for record in self._records(tagged):
                self._lines.write(record)

    def _records(self, tagged: TaggedFrame) -> Iterable[dict[str, Any]]:
        raise NotImplementedError

    def forget(self, source: str) -> None:
        """Nothing is kept for a source: every line is in the file already."""

    def __enter__(self) -> Any:
        self._lines.open()
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()


class EventSink(_LineSink):
    """``events.jsonl``: what changed."""

    name = "events"

    def _records(self, tagged: TaggedFrame) -> Iterable[dict[str, Any]]:
        return map(event_record, tagged.events)

    def late(self, events: Sequence[Event]) -> None:
        """Write events that no frame brings."""
        for event in events:
            if self._settings.of(event.source).wanted(self._live):
                self._lines.write(event_record(event))


class FrameSink(_LineSink):
    """``frames.jsonl``: everything known about every analysed frame."""

    name = "frames"

    def _records(self, tagged: TaggedFrame) -> Iterable[dict[str, Any]]:
        return [frame_record(tagged)]
