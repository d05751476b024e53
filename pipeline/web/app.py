"""The app: every route there is, each with who may ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import Request
from starlette.responses import Response

from pipeline import __version__
from pipeline.web import mistakes
from pipeline.web.access import Reader, Serving
from pipeline.web.api import (
    brands,
    cameras,
    login,
    packs,
    search,
    statistics,
    streams,
    system,
    users,
    visits,
)
from pipeline.web.guard import Guard
from pipeline.web.metrics import text_for
from pipeline.web.service import Service
from pipeline.web.statics import INDEX, Pages

#: Requests that are worked on at a time, besides those that only wait: more would take the cores
#: from the cameras.
AT_ONCE = 6
PREFIX = "/api/v1"
#: What anybody may ask.
OPEN = frozenset(
    {
        f"{PREFIX}/setup",
        f"{PREFIX}/login",
        f"{PREFIX}/logout",
        PREFIX + "/notice/{camera}",
        "/healthz",
    }
)
outside = APIRouter(tags=["machines"])
_ROUTERS = (
    *(
        (PREFIX, one.router)
        for one in (
            login,
            cameras,
            search,
            visits,
            statistics,
            brands,
            packs,
            users,
            system,
            streams,
        )
    ),
    ("", outside),
)


def make_app(service: Service) -> FastAPI:
    """The app of a service that was entered; RuntimeError as of ``guarded``."""
    list(guarded())

    @asynccontextmanager
    async def bounded(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = AT_ONCE
        yield

    app = FastAPI(
        title="Threadline",
        version=__version__,
        lifespan=bounded,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    mistakes.install(app)
    for prefix, router in _ROUTERS:
        app.include_router(router, prefix=prefix)
    _pages(app, Pages())
    app.add_middleware(Guard)
    return app


@dataclass(frozen=True, slots=True)
class Guarded:
    """A route of the API, and who may ask it: roles and scopes, all of which are needed.

    Attributes:
        methods: empty for a socket.
    """

    path: str
    methods: frozenset[str]
    needed: tuple[tuple[str, str], ...]


def guarded() -> Iterator[Guarded]:
    """Every route there is but for the pages.

    Raises:
        RuntimeError: one does not say who may ask it.
    """
    for prefix, router in _ROUTERS:
        for route in router.routes:
            if not isinstance(route, APIRoute | APIWebSocketRoute):
                raise RuntimeError(f"{prefix}: holds what is no route of its own")
            methods = (route.methods or ()) if isinstance(route, APIRoute) else ()
            one = Guarded(prefix + route.path, frozenset(methods), tuple(_needed(route.dependant)))
            if not one.needed and one.path not in OPEN:
                raise RuntimeError(f"{one.path}: says not who may ask it")
            yield one


def _needed(dependant: Any) -> Iterator[tuple[str, str]]:
    role = getattr(dependant.call, "role", None)
    if role is not None:
        yield role, dependant.call.scope
    for inner in dependant.dependencies:
        yield from _needed(inner)


@outside.get("/healthz")
def healthz(service: Serving) -> JSONResponse:
    """Whether it is there."""
    ok = not service.stopping.is_set()
    return JSONResponse({"ok": ok}, 200 if ok else 503)


@outside.get("/metrics", response_class=Response)
def metrics(who: Reader, service: Serving) -> Response:
    """Counters for Prometheus."""
    return Response(text_for(service, who), media_type="text/plain; version=0.0.4")


def _pages(app: FastAPI, pages: Pages) -> None:
    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(path: str, request: Request) -> Response:
        """A file, or the page itself: what it shows is in its address. From memory: a thread for
        each of the first page's files would take longer than the answer."""
        found = pages.answer(path or INDEX, request)
        last = path.rpartition("/")[2]
        if found is None and not path.startswith("api/") and "." not in last:
            found = pages.answer(INDEX, request)
        if found is None:
            raise mistakes.missing()
        return found
