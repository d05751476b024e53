"""What goes on: server-sent events, and live cameras over a socket."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, WebSocket
from fastapi.responses import StreamingResponse

from pipeline.errors import ConfigError
from pipeline.web.access import Reader, Serving, Watcher
from pipeline.web.feed import NAMES, Feed
from pipeline.web.viewers import Viewer

router = APIRouter(tags=["streams"])


@router.get("/events", response_class=StreamingResponse)
async def events(
    who: Reader,
    service: Serving,
    wanted: Annotated[str, Query(alias="events", max_length=100)] = "",
    last: Annotated[str, Header(alias="Last-Event-ID", max_length=64)] = "",
) -> StreamingResponse:
    """What happens, as it happens."""
    names = frozenset(name for name in wanted.split(",") if name) or NAMES
    if names - NAMES:
        raise ConfigError(f"events: some of {', '.join(sorted(NAMES))}")
    feed = Feed(service, who, names, last)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(feed.lines(), media_type="text/event-stream", headers=headers)


@router.websocket("/live")
async def live(socket: WebSocket, who: Watcher, service: Serving) -> None:
    """All tiles of one viewer."""
    await socket.accept()
    await Viewer(socket, who, service).run()
