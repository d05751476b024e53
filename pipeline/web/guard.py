"""What every answer carries, and how much a request may hold: a layer around the app."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from anyio import move_on_after
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a request: of JSON, of pictures, and of a pack.
MOST_JSON = 256_000
MOST_FILES = 40_000_000
MOST_PACK = 500_000_000
#: Beginning of a path -> bytes that a request to it may hold.
_MOST = (("/api/v1/brands", MOST_FILES), ("/api/v1/packs", MOST_PACK))
#: Bytes of what is too large that are read all the same, and seconds for that: who is cut off while
#: sending often does not see the answer.
DRAINED = 1_000_000
DRAINED_S = 2.0
#: Nothing but what this very site serves, and pictures and videos made in the page.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)


class TooLargeError(Exception):
    """A request holds too much."""


class Guard:
    """Adds headers, and bounds requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sizes = (most for path, most in _MOST if scope["path"].startswith(path))
        most = next(sizes, MOST_JSON)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > most:
            await _refuse(receive, send)
            return
        bounded = _Bounded(receive, most)

        async def sent(message: Message) -> None:
            begins = message["type"] == "http.response.start"
            if bounded.over:  # whatever the app makes of that
                await _refuse(receive, send) if begins else None
                return
            if begins:
                _dress(message)
            await send(message)

        await self._app(scope, bounded, sent)


class _Bounded:
    """A request's body, up to so many bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most
        self.over = False

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            raise TooLargeError
        return message


def _dress(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS:
        headers[name] = value
    headers.setdefault("Content-Security-Policy", POLICY)
    headers.setdefault("Cache-Control", "no-store")


async def _refuse(receive: Receive, send: Send) -> None:
    left, more = DRAINED, True
    with move_on_after(DRAINED_S):
        while more and left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            more = message.get("more_body", False)
    body = b'{"error": "larger than is taken", "code": "large"}'
    start: Message = {
        "type": "http.response.start",
        "status": 413,
        "headers": [(b"content-type", b"application/json"), (b"connection", b"close")],
    }
    _dress(start)
    await send(start)
    await send({"type": "http.response.body", "body": body})
