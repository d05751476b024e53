"""Why something could not be read, by FFmpeg or over HTTP, in words, and whether it may later."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from urllib.error import HTTPError, URLError

from pipeline.errors import SourceDeniedError, SourceError, SourceRefusedError, redact
from pipeline.sources.tls import untrusted

#: Error class, FFmpeg's or Python's -> (explanation, what it is for a live camera; recordings are
#: not retried).
_REASONS: tuple[tuple[str, str, type[SourceError]], ...] = (
    (
        "HTTPUnauthorizedError",
        "user name or password refused (401); check them",
        SourceDeniedError,
    ),
    (
        "HTTPForbiddenError",
        "access forbidden (403); check the user's rights",
        SourceDeniedError,
    ),
    ("HTTPNotFoundError", "nothing at this address (404); check the path", SourceDeniedError),
    ("FileNotFoundError", "no such file or device; check the path", SourceDeniedError),
    ("PermissionError", "no permission to read it", SourceDeniedError),
    ("IsADirectoryError", "is a folder", SourceRefusedError),
    ("ProtocolNotFoundError", "this kind of address is not supported", SourceRefusedError),
    ("DecoderNotFoundError", "no decoder for this codec", SourceRefusedError),
    (
        "ConnectionRefusedError",
        "connection refused; is the camera on and the port right?",
        SourceError,
    ),
    ("gaierror", "cannot be reached; check the host name and the network", SourceError),
    ("TimeoutError", "no answer in time; is the camera on and reachable?", SourceError),
    ("ExitError", "no data in time; is the camera sending?", SourceError),
    ("EOFError", "the stream ended", SourceError),
    ("InvalidDataError", "not a readable video, or damaged", SourceError),
    ("HTTPException", "its answer is not HTTP; check the port", SourceError),
)
#: HTTP status -> FFmpeg's class for it.
_STATUS: Mapping[int, str] = MappingProxyType(
    {401: "HTTPUnauthorizedError", 403: "HTTPForbiddenError", 404: "HTTPNotFoundError"}
)


def explain(error: Exception, live: bool, remote: bool) -> tuple[str, type[SourceError]]:
    """Reason in words, and what it is for a live camera."""
    if isinstance(error, HTTPError) and error.code not in _STATUS:
        kind = SourceDeniedError if error.code < 500 else SourceError
        return f"it answers {error.code} {redact(str(error.reason))}; check its settings", kind
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(error), SourceDeniedError
    names = {cls.__name__ for cls in type(error).__mro__}
    if isinstance(error, HTTPError):
        names = {_STATUS[error.code]}
    if live and "InvalidDataError" in names:
        return "no usable answer in time; is it a camera, and sending?", SourceError
    for name, reason, kind in _REASONS:
        if name in names:
            return reason, kind
    text = redact(str(getattr(error, "strerror", None) or error))
    if "Input/output error" in text and remote:
        return "cannot be reached; check the host name and the network", SourceError
    return text, SourceError
