"""The app: every route there is, each with who may ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
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
_ROUTERS = (
    login.router,
    cameras.router,
    search.router,
    visits.router,
    statistics.router,
    brands.router,
    users.router,
    system.router,
    streams.router,
)


def make_app(service: Service) -> FastAPI:
    """The app of a service that was entered.

    Raises:
        RuntimeError: a route does not say who may ask it.
    """

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
    api = APIRouter(prefix=PREFIX)
    for router in _ROUTERS:
        api.include_router(router)
    app.include_router(api)
    _rest(app, Pages())
    app.add_middleware(Guard)
    for route, roles in guarded(app):
        if not roles and route.path not in OPEN:
            raise RuntimeError(f"{route.path}: says not who may ask it")
    return app


def guarded(app: FastAPI) -> Iterator[tuple[APIRoute | APIWebSocketRoute, list[tuple[str, str]]]]:
    """Every route of the API, and the roles and scopes it needs."""
    for route in app.routes:
        if isinstance(route, APIRoute | APIWebSocketRoute) and route.path != "/{path:path}":
            yield route, list(_needed(route.dependant))


def _needed(dependant: Any) -> Iterator[tuple[str, str]]:
    role = getattr(dependant.call, "role", None)
    if role is not None:
        yield role, dependant.call.scope
    for inner in dependant.dependencies:
        yield from _needed(inner)


def _rest(app: FastAPI, pages: Pages) -> None:
    """What is not of the API."""

    @app.get("/healthz", include_in_schema=False)
    def healthz(service: Serving) -> JSONResponse:
        ok = not service.stopping.is_set()
        return JSONResponse({"ok": ok}, 200 if ok else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics(who: Reader, service: Serving) -> Response:
        return Response(text_for(service, who), media_type="text/plain; version=0.0.4")

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def page(path: str, request: Request) -> Response:
        """A file, or the page itself: what it shows is in its address."""
        found = pages.answer(path or INDEX, request)
        last = path.rpartition("/")[2]
        if found is None and not path.startswith("api/") and "." not in last:
            found = pages.answer(INDEX, request)
        if found is None:
            raise mistakes.missing()
        return found
