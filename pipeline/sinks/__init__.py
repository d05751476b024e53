"""Where results go: one name, one sink."""

from pipeline.sinks.settings import Place, SinkSettings
from pipeline.sinks.table import SINKS, SinkEntry, open_sinks, output_settings, sink_entries

__all__ = [
    "SINKS",
    "Place",
    "SinkEntry",
    "SinkSettings",
    "open_sinks",
    "output_settings",
    "sink_entries",
]
