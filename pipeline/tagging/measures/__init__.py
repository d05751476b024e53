"""Sizes in cm: of objects on a plane, and of people who stand on it."""

from __future__ import annotations

from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.measures.tagger import open_tagger
from pipeline.tagging.tagger import TaggerEntry

__all__ = ["ENTRY"]

ENTRY = TaggerEntry(MeasureSettings, open_tagger)
