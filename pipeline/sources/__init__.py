"""Where frames come from: one location, one source."""

from pipeline.sources.location import expand
from pipeline.sources.table import SOURCES, Scheme, is_live, open_source, scheme_of, schemes

__all__ = ["SOURCES", "Scheme", "expand", "is_live", "open_source", "scheme_of", "schemes"]
