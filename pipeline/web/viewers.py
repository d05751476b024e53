"""One viewer of live cameras: one socket for all tiles. What is slow here is only ever theirs:
nothing waits for them but the newest picture of each tile and a bounded number of packets."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipeline.types import TaggedFrame
from pipeline.web.access import client_of
from pipeline.web.live import WIDEST, boxes_of
from pipeline.web.service import Service
from pipeline.web.video import MOST_WAITING, Piece, Remux
from pipeline.web.who import Who

#: Kinds of binary messages.
JPEG = 1
BEGINNING = 2
FRAGMENT = 3
MOST_TILES = 32
#: Bytes of the longest message of a client.
MOST_ASKED = 16_384
#: Seconds after which it is looked again, whatever is told, also at what a tile may show; for which
#: what comes is gathered, since every round costs; and after which whether they may still look.
_LOOK_S = 0.5
_GATHER_S = 0.04
_CHECK_S = 15.0
#: Close codes: they may not look (any more); what they sent is no question; the service ends.
GONE = 4403
MALFORMED = 1008
ENDING = 1001


class Tile(BaseModel):
    """What a client asks for."""

    camera: str = Field(max_length=64)
    way: Literal["jpeg", "video", "boxes"] = Field("jpeg", alias="as")
    width: int = Field(480, ge=64, le=WIDEST)
    rate: float = Field(5, gt=0, le=10)


class Asked(BaseModel):
    """All that a client asks for now."""

    tiles: Annotated[list[Tile], Field(max_length=MOST_TILES)] = []


@dataclass(slots=True)
class _Showing:
    """A tile, and how far it is."""

    tile: Tile
    last: TaggedFrame | None = None
    drawn: TaggedFrame | None = None
    drawn_at: float = float("-inf")
    looked_at: float = float("-inf")
    there: bool = False
    remux: Remux | None = None
    refused: str = ""
    told: bool = False


class Viewer:
    """Serves one socket until it closes."""

    def __init__(self, socket: WebSocket, who: Who, service: Service) -> None:
        self._socket = socket
        self._who = who
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._tiles: dict[str, _Showing] = {}

    async def run(self) -> None:
        """Until the client leaves, may not look any more, or the service ends."""
        live = self._service.live
        live.listen(self._wake)
        receiving = asyncio.create_task(self._receive())
        sending = asyncio.create_task(self._send())
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            live.leave(self._wake)
            for task in (receiving, sending):
                task.cancel()
            await asyncio.gather(receiving, sending, return_exceptions=True)
            for showing in self._tiles.values():
                self._let_go(showing)

    def _wake(self) -> None:
        """Something is new; by any thread. Before the next look that is told once: it is cleared
        before tiles are looked at, so nothing is missed."""
        if self._news.is_set():
            return
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the loop has ended
            return

    async def _receive(self) -> None:
        try:
            while True:
                text = await self._socket.receive_text()
                if len(text) > MOST_ASKED:
                    raise ValueError("too long")
                self._ask(Asked.model_validate_json(text))
                self._news.set()
        except (WebSocketDisconnect, RuntimeError, KeyError):
            return
        except (ValidationError, ValueError):
            await self._socket.close(MALFORMED, "no question; see docs/api.md")

    def _ask(self, asked: Asked) -> None:
        """What is shown from now on; tiles that stay as they are go on."""
        before, self._tiles = self._tiles, {}
        for tile in asked.tiles:
            kept = before.pop(tile.camera, None)
            if kept is not None and kept.tile.way == tile.way:
                kept.tile = tile
                self._tiles[tile.camera] = kept
            else:
                if kept is not None:
                    self._let_go(kept)
                self._tiles[tile.camera] = _Showing(tile)
        for showing in before.values():
            self._let_go(showing)

    async def _send(self) -> None:
        checked = self._loop.time()
        try:
            while not self._service.stopping.is_set():
                self._news.clear()
                for showing in list(self._tiles.values()):
                    await self._show(showing)
                if self._loop.time() - checked > _CHECK_S:
                    checked = self._loop.time()
                    if not self._service.still(self._who):
                        await self._socket.close(GONE)
                        return
                await self._pause()
            await self._socket.close(ENDING)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return

    async def _pause(self) -> None:
        """Until something is new, or a tile is due."""
        now = self._loop.time()
        due = [one.drawn_at + 1 / one.tile.rate - now for one in self._tiles.values() if one.told]
        waiting = max(min([_LOOK_S, *due]), 0.01)
        try:
            await asyncio.wait_for(self._news.wait(), waiting)
        except asyncio.TimeoutError:
            return
        await asyncio.sleep(_GATHER_S)

    async def _show(self, showing: _Showing) -> None:
        camera, way, now = showing.tile.camera, showing.tile.way, self._loop.time()
        late = now - showing.looked_at >= _LOOK_S
        if late:
            showing.looked_at = now
            known = self._service.runner.stats.cameras
            showing.there = self._who.sees(camera) and camera in known
        if not showing.there:
            await self._refuse(showing, "missing")
            return
        newest = self._service.live.newest(camera)
        if newest is not None and newest is not showing.last:
            showing.last = newest
            await self._boxes(newest)
        if way == "jpeg":
            await self._jpeg(showing)
        elif way == "video":
            if late or showing.remux is None:
                await self._follow(showing)
            await self._pieces(showing)

    async def _refuse(self, showing: _Showing, why: str) -> None:
        if showing.refused != why:
            showing.refused = why
            await self._tell({"camera": showing.tile.camera, "error": why})

    async def _boxes(self, newest: TaggedFrame) -> None:
        stream = self._service.live.stream_of(newest)
        at = self._service.iso(1000 * newest.frame.utc)
        camera = newest.frame.source
        await self._tell({"camera": camera, "boxes": boxes_of(newest, stream, at)})

    async def _jpeg(self, showing: _Showing) -> None:
        newest, now = showing.last, self._loop.time()
        showing.told = newest is not None and newest is not showing.drawn
        if newest is None or not showing.told or now - showing.drawn_at < 1 / showing.tile.rate:
            return
        showing.drawn, showing.drawn_at, showing.told = newest, now, False
        live = self._service.live
        packed = await asyncio.wrap_future(live.jpeg(newest, showing.tile.width))
        stream = live.stream_of(newest)
        await self._packed(JPEG, showing.tile.camera, newest.frame.pts, stream, packed)

    async def _follow(self, showing: _Showing) -> None:
        """Follow a camera's own video, as long as it may be shown."""
        camera = showing.tile.camera
        if not self._who.may("operator", "live"):
            await self._refuse(showing, "role")
            return
        if why := self._service.live.masked(camera):
            self._let_go(showing)
            await self._refuse(showing, why)
            return
        video = self._service.live.video(camera)
        if video is None:
            self._let_go(showing)
            up = self._service.runner.stats.camera(camera).state == "up"
            if up:
                await self._refuse(showing, "codec")
            return
        showing.refused = ""
        if showing.remux is None or showing.remux.video is not video:
            asked = self._who.name, client_of(self._socket), "live.raw", camera
            await asyncio.to_thread(self._service.kept.note_seldom, *asked)
            self._let_go(showing)
            showing.remux = Remux(video)
            group = video.watch(self._taker(showing.remux))
            showing.remux.most = MOST_WAITING + len(group)
            for piece in group:
                showing.remux.offer(piece)

    async def _pieces(self, showing: _Showing) -> None:
        for _ in range(len(self._tiles) * 4 + 120):  # others have their turn as well
            found = showing.remux.next() if showing.remux is not None else None
            if found is None:
                break
            await self._piece(showing.tile.camera, *found)

    def _taker(self, remux: Remux) -> Any:
        """What the capture thread calls: it only leaves the packet with the loop."""

        def take(piece: Piece) -> None:
            try:
                self._loop.call_soon_threadsafe(self._offer, remux, piece)
            except RuntimeError:  # the loop has ended
                return

        remux.taker = take
        return take

    def _offer(self, remux: Remux, piece: Piece) -> None:
        remux.offer(piece)
        self._news.set()

    def _let_go(self, showing: _Showing) -> None:
        if showing.remux is not None:
            remux, showing.remux = showing.remux, None
            remux.close()

    async def _piece(self, camera: str, piece: Piece, begun: bytes | None, part: bytes) -> None:
        if begun is not None:
            video = self._service.live.video(camera)
            if video is not None and video.known is not None:
                size = video.size
                about = {"codec": video.known.codec, "width": size[0], "height": size[1]}
                await self._tell({"camera": camera, "video": {**about, "stream": piece.stream}})
            await self._packed(BEGINNING, camera, piece.pts, piece.stream, begun)
        await self._packed(FRAGMENT, camera, piece.pts, piece.stream, part)

    async def _tell(self, what: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(what, ensure_ascii=False))

    async def _packed(
        self, kind: int, camera: str, pts: float, stream: int, content: bytes
    ) -> None:
        name = camera.encode()
        head = struct.pack(">BB", kind, len(name)) + name + struct.pack(">dI", pts, stream)
        await self._socket.send_bytes(head + content)
