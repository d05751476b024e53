"""The program's errors. Every message says what, where and the remedy, without credentials.

PipelineError
├── ConfigError      a setting is wrong
├── SourceError      a camera or recording cannot be read (now)
│   ├── SourceDeniedError    a camera refuses for now: it is tried again, slowly
│   └── SourceRefusedError   and trying again will not help
├── SinkError        a result cannot be written
│   └── StoreError           nor found: the store cannot be used
│       └── StoreAwayError       its server does not answer now
└── GalleryError     a gallery of brands cannot be used (``pipeline.tagging.logos.gallery``)

Engines have errors of their own: ``engines.base``.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pipeline.address import without_login


class PipelineError(Exception):
    """Base of everything this program raises on purpose."""


class ConfigError(PipelineError, ValueError):
    """A setting is unknown, of the wrong type or impossible."""


class SourceError(PipelineError, OSError):
    """A source cannot be opened or read. A live source may come back."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SourceDeniedError(SourceError):
    """A camera that refuses for now: wrong password, nothing at its address. It may be booting, or
    somebody may mend it; but trying often can lock its account."""


class SourceRefusedError(SourceError):
    """A source that trying again will not bring back: a missing file, no decoder for its codec."""


class SinkError(PipelineError, OSError):
    """A result cannot be written."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class StoreError(SinkError):
    """The store cannot be opened, read or written."""


class StoreInUseError(StoreError):
    """Another process writes the store."""


class StoreAwayError(StoreError):
    """A database does not answer now; it may later."""


_SECRET_QUERY = re.compile(
    r"(?i)([?&/;](?:[\w.-]*(?:pas|pwd|token|secret|key|auth|sig|access|login|user|usr)[\w.-]*"
    r"|[pu])=)[^&\s]*"
)


#: Characters of a name made of a location: camera settings allow as many.
_NAME = 64


def redact(text: str) -> str:
    """The same text without user names, passwords and tokens of any URL inside."""
    return _SECRET_QUERY.sub(r"\1***", without_login(text))


def source_name(location: str) -> str:
    """An id of at most 64 characters for a path or URL, safe in file names, without credentials."""
    if "://" in location:
        shown = redact(location)
        try:
            parts = urlsplit(shown)
            base = f"{parts.hostname or ''}{parts.path}"
        except ValueError:  # no valid URL; opening it will say so
            base = shown
    else:
        base = re.split(r"[/\\]", location.rstrip("/\\"))[-1]
        base = re.sub(r"\.\w{1,5}$", "", base) or base
    # Letters and decimal digits: what Python calls a word character besides, such as a superscript
    # two, an id may not hold.
    safe = "".join(c if c.isalpha() or c.isdecimal() or c in "_.-" else "-" for c in base)
    return re.sub(r"-+", "-", safe).strip("-.")[:_NAME].rstrip("-.") or "source"
