"""Why FFmpeg could not read something, in words, and whether it may work later."""

from __future__ import annotations

from pipeline.errors import SourceDeniedError, SourceError, SourceRefusedError, redact

#: FFmpeg error class -> (explanation, what it is for a live camera; recordings are not retried).
_REASONS: tuple[tuple[str, str, type[SourceError]], ...] = (
    (
        "HTTPUnauthorizedError",
        "user name or password refused (401); check the URL",
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
    ("TimeoutError", "no answer in time; is the camera on and reachable?", SourceError),
    ("ExitError", "no data in time; is the camera sending?", SourceError),
    ("EOFError", "the stream ended", SourceError),
    ("InvalidDataError", "not a readable video, or damaged", SourceError),
)


def explain(error: Exception, live: bool, remote: bool) -> tuple[str, type[SourceError]]:
    """Reason in words, and what it is for a live camera."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if live and "InvalidDataError" in names:
        return "no usable answer in time; is it a camera, and sending?", SourceError
    for name, reason, kind in _REASONS:
        if name in names:
            return reason, kind
    text = redact(str(getattr(error, "strerror", None) or error))
    if "Input/output error" in text and remote:
        return "cannot be reached; check the host name and the network", SourceError
    return text, SourceError
