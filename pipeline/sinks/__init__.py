"""Where results go: one name, one sink."""

from pipeline.sinks.settings import Place, SinkSettings
from pipeline.sinks.table import (
    SINKS,
    AnySink,
    SinkEntry,
    files_written,
    open_sinks,
    output_settings,
    sink_entries,
)

__all__ = [
    "SINKS",
    "AnySink",
    "Place",
    "SinkEntry",
    "SinkSettings",
    "files_written",
    "open_sinks",
    "output_settings",
    "sink_entries",
]
