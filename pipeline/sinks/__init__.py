"""Where results go: one name, one sink."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.protocols import Sink
from pipeline.settings.schema import OutputConfig
from pipeline.sinks.jsonl import EventSink, FrameSink
from pipeline.sinks.snapshots import SnapshotSink
from pipeline.sinks.video import VideoSink

#: Name in the configuration -> factory, given the output folder and whether the run is live:
#: what a live run writes is kept by the next one, a recording is simply done again.
SINKS: dict[str, Callable[[Path, bool], Sink]] = {
    "events": EventSink,
    "frames": FrameSink,
    "snapshots": SnapshotSink,
    "video": VideoSink,
}


def open_sinks(folder: Path, outputs: OutputConfig, live: bool) -> list[Sink]:
    """The sinks a configuration asks for; ``auto`` video means recordings only."""
    wanted = outputs.model_dump()
    wanted["video"] = (not live) if outputs.video == "auto" else outputs.video
    return [make(folder, live) for name, make in SINKS.items() if wanted[name]]
