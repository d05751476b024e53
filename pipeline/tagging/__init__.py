"""What people wear and what lies around: taggers, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType

from pipeline.plugins import additions
from pipeline.tagging.tagger import TaggerEntry

#: Name -> where its entry is, in the order in which they look: what one gives, later ones may use.
TAGGERS: Mapping[str, str] = MappingProxyType(
    {
        "garments": "pipeline.tagging.garments:ENTRY",
        "logos": "pipeline.tagging.logos:ENTRY",
        "measures": "pipeline.tagging.measures:ENTRY",
        "outfits": "pipeline.tagging.outfits:ENTRY",
    }
)


@lru_cache(maxsize=1)
def known_taggers() -> Mapping[str, TaggerEntry]:
    """``TAGGERS`` and what other packages add under ``threadline.taggers``, which replaces none."""
    found: dict[str, TaggerEntry] = {}
    for name, place in TAGGERS.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(import_module(module), attribute)
    more = additions("threadline.taggers", TaggerEntry)
    return MappingProxyType({**found, **{n: e for n, e in more.items() if n not in found}})
