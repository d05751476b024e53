"""Brand marks, recognised by a gallery of pictures."""

from __future__ import annotations

from pipeline.tagging.logos.tagger import LogoSettings, open_tagger
from pipeline.tagging.tagger import TaggerEntry

__all__ = ["ENTRY"]

ENTRY = TaggerEntry(LogoSettings, open_tagger)
