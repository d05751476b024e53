"""The kinds of results, and what writes each. A new one is a module and a line in ``SINKS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import create_model

from pipeline.plugins import additions
from pipeline.protocols import EventSink, Sink
from pipeline.settings.section import PerSource, Section
from pipeline.sinks.jsonl import EventLines, EventsSettings, FrameLines, FramesSettings
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.sinks.snapshots import SnapshotSink, SnapshotsSettings
from pipeline.sinks.video import VideoSettings, VideoSink

AnySink = Sink | EventSink


@dataclass(frozen=True, slots=True)
class SinkEntry:
    """One kind of sink.

    Attributes:
        settings: its section of ``outputs``; all fields have defaults.
        make: the sink, given its settings as they stand for each camera. It writes nothing of a
            camera whose settings do not want it.
        file: which file in its place it writes for a source, if it may be there already: one that
            is read is never written.
    """

    settings: type[SinkSettings]
    make: Callable[[PerSource[Any], Place], AnySink]
    file: Callable[[Place, str], Path | None] = lambda place, source: None


#: Name under ``outputs`` -> sink, in the order in which they are written.
SINKS: Mapping[str, SinkEntry] = MappingProxyType(
    {
        "events": SinkEntry(
            EventsSettings, EventLines, lambda place, _: place.folder / "events.jsonl"
        ),
        "frames": SinkEntry(
            FramesSettings, FrameLines, lambda place, _: place.folder / "frames.jsonl"
        ),
        "video": SinkEntry(
            VideoSettings,
            VideoSink,
            lambda place, source: None if place.live else place.folder / f"{source}.mp4",
        ),
        "snapshots": SinkEntry(SnapshotsSettings, SnapshotSink),
    }
)


@cache
def sink_entries() -> Mapping[str, SinkEntry]:
    """``SINKS`` and what other packages add under ``threadline.sinks``, which replaces none."""
    more = additions("threadline.sinks", SinkEntry)
    return MappingProxyType({**SINKS, **{n: entry for n, entry in more.items() if n not in SINKS}})


@cache
def output_settings() -> type[Section]:
    """The section ``outputs``: one field for every sink there is."""
    fields: dict[str, Any] = {
        name: (entry.settings, entry.settings()) for name, entry in sink_entries().items()
    }
    doc = "What is written into the output folder."
    return create_model("OutputSettings", __base__=Section, __doc__=doc, **fields)


class _Part:
    """One sink's part of the outputs of each camera."""

    def __init__(self, outputs: PerSource[Section], name: str) -> None:
        self._outputs = outputs
        self._name = name

    def of(self, source: str) -> SinkSettings:
        part: SinkSettings = getattr(self._outputs.of(source), self._name)
        return part


def open_sinks(
    folder: Path, outputs: PerSource[Section], live: bool, sources: Iterable[str] = ()
) -> list[AnySink]:
    """The sinks that the run or any of its ``sources`` wants, not yet entered.

    Args:
        folder: of the results.
        outputs: a section made by ``output_settings`` for each camera. What it gives for ``""``
            holds for cameras that are added later.
        live: the run has live cameras.
        sources: names of the cameras known so far.
    """
    asked = ["", *sources]
    parts = {name: _Part(outputs, name) for name in sink_entries()}
    return [
        sink_entries()[name].make(part, Place(folder, live))
        for name, part in parts.items()
        if any(part.of(source).wanted(live) for source in asked)
    ]


def files_written(
    folder: Path, outputs: PerSource[Section], live: bool, sources: Iterable[str]
) -> list[Path]:
    """The files that sinks will open for these sources; arguments as for ``open_sinks``."""
    place = Place(folder, live)
    found = [
        entry.file(place, source)
        for source in sources
        for name, entry in sink_entries().items()
        if _Part(outputs, name).of(source).wanted(live)
    ]
    return [path for path in found if path is not None]
