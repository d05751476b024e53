"""SIGTERM under load: events, viewers of live cameras, and one who reads nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from benchmark.streams import Server, material
from benchmark.window_child import TAKEN
from benchmark.window_service import Served

_VIDEO = Path(__file__).parents[2] / "tests" / "data" / "aisle.mp4"
_RATE = 15
_CAMERAS = 2
_VIEWERS = 3
#: Seconds for which it runs before it is told to end.
_RUN_S = 12.0


def measure(times: int, rate: float) -> None:
    """Print how long it took to end each time, and which of the events it took are not kept."""
    stream = material(_VIDEO, ".h264", _RATE, 360)
    print("| seconds to end | exit code | events taken | not in the store | not in events.jsonl |")
    print("|---|---|---|---|---|", flush=True)
    for _ in range(times):
        with tempfile.TemporaryDirectory() as name, Server(stream, _CAMERAS, _RATE) as server:
            places = ", ".join(f"{{id: cam{i}, url: '{url}'}}" for i, url in enumerate(server.urls))
            folder = Path(name)
            with Served(folder, f"cameras: [{places}]\n", rate) as served, ExitStack() as stack:
                for _ in range(_VIEWERS):
                    threading.Thread(target=_watch, args=(served,), daemon=True).start()
                stack.enter_context(closing(_slow(served)))
                time.sleep(_RUN_S)
                began = time.monotonic()
                served.process.send_signal(signal.SIGTERM)
                code = served.process.wait(30)
                took = time.monotonic() - began
            print(f"| {took:.2f} | {code} | {_kept(folder)} |", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


def _kept(folder: Path) -> str:
    taken = set(json.loads((folder / TAKEN).read_text()))
    lines = (folder / "events.jsonl").read_text().splitlines()
    written = {json.loads(line)["event_id"] for line in lines}
    with closing(sqlite3.connect(folder / "threadline.db")) as store:
        query = "SELECT count(*), sum(open) FROM visit JOIN term ON term.id = visit.camera "
        visits, open_ = store.execute(f"{query} WHERE term.name = 'fed'").fetchone()
    return f"{len(taken)} | {len(taken) - 2 * visits + (open_ or 0)} | {len(taken - written)}"


def _asked() -> str:
    return json.dumps({"tiles": [{"camera": f"cam{i}", "rate": 5} for i in range(_CAMERAS)]})


def _watch(served: Served) -> None:
    url = served.url.replace("http", "ws") + "/api/v1/live"
    try:
        with connect(url, additional_headers=served.headers, max_size=1 << 24) as viewer:
            viewer.send(_asked())
            for _ in viewer:
                pass
    except (OSError, WebSocketException):
        return


def _slow(served: Served) -> socket.socket:
    """A viewer of all cameras that reads nothing."""
    parts = urlsplit(served.url)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.connect((parts.hostname, parts.port))
    lines = [
        "GET /api/v1/live HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in served.headers.items()),
    ]
    asked = _asked().encode()
    head = bytes([0x81, 0x80 | 126]) + len(asked).to_bytes(2, "big") + bytes(4)
    frame = head if len(asked) > 125 else bytes([0x81, 0x80 | len(asked)]) + bytes(4)
    slow.sendall("\r\n".join([*lines, "", ""]).encode() + frame + asked)
    return slow
