"""Who may ask what: each route names one of these, and the app does not start if one does not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import HTTPConnection

from pipeline.web.accounts import PREFIX
from pipeline.web.mistakes import RefusedError
from pipeline.web.service import Service
from pipeline.web.who import Role, Scope, Who

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
Check = Callable[[HTTPConnection], Coroutine[Any, Any, Who]]


def service_of(connection: HTTPConnection) -> Service:
    """The service behind a connection."""
    service: Service = connection.app.state.service
    return service


def cookie_name(connection: HTTPConnection) -> str:
    """The cookie of a session; over TLS, browsers let no other site set it."""
    secure = connection.url.scheme in ("https", "wss")
    return "__Host-threadline" if secure else "threadline"


def client_of(connection: HTTPConnection) -> str:
    """The address somebody asks from."""
    return connection.client.host if connection.client else ""


def of_this_site(connection: HTTPConnection) -> bool | None:
    """Whether a browser says that a page of this very site asks; ``None`` if nothing is said."""
    origin = connection.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == connection.headers.get("host", "") != ""
    site = connection.headers.get("sec-fetch-site")
    return None if site is None else site in ("same-origin", "none")


def who_asks(connection: HTTPConnection) -> Who | None:
    """Who is logged in on a connection.

    Raises:
        RefusedError: another site's page asks in their name.
    """
    accounts = service_of(connection).accounts
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return accounts.of_token(secret) if secret.startswith(PREFIX) else None
    cookie = connection.cookies.get(cookie_name(connection))
    who = accounts.of_session(cookie) if cookie else None
    changes = connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE
    if who is not None and changes and not of_this_site(connection):
        raise RefusedError(403, "origin", "asked by a page of another site; nothing was done")
    return who


def needs(role: Role, scope: Scope) -> Check:
    """A dependency: who asks, if they may."""

    async def check(connection: HTTPConnection) -> Who:
        who = who_asks(connection)
        if who is None:
            if service_of(connection).accounts.empty:
                raise RefusedError(401, "setup", "nobody is set up yet; choose a password")
            raise RefusedError(401, "login", "log in, or send a token")
        if not who.may(role, scope):
            raise RefusedError(403, "role", f"needs the role {role} and the scope {scope}")
        return who

    check.role, check.scope = role, scope  # type: ignore[attr-defined]  # read by tests and the app
    return check


Reader = Annotated[Who, Depends(needs("viewer", "read"))]
#: Sees pictures of people.
Seer = Annotated[Who, Depends(needs("viewer", "pictures"))]
Watcher = Annotated[Who, Depends(needs("viewer", "live"))]
#: Changes what is their own.
Writer = Annotated[Who, Depends(needs("viewer", "write"))]
Operator = Annotated[Who, Depends(needs("operator", "write"))]
Admin = Annotated[Who, Depends(needs("admin", "admin"))]
Serving = Annotated[Service, Depends(service_of)]
