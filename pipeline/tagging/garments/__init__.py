"""Garments of people."""

from __future__ import annotations

from pipeline.tagging.garments.tagger import GarmentSettings, open_tagger
from pipeline.tagging.tagger import TaggerEntry

__all__ = ["ENTRY"]

ENTRY = TaggerEntry(GarmentSettings, open_tagger)
