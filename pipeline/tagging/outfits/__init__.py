"""What goes with what: how well the garments of one person go together."""

from __future__ import annotations

from pipeline.tagging.outfits.tagger import OutfitSettings, open_tagger
from pipeline.tagging.tagger import TaggerEntry

__all__ = ["ENTRY"]

ENTRY = TaggerEntry(OutfitSettings, open_tagger)
