"""Thousands of requests at once: answered or refused, in bounded memory, and cameras go on."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmark.streams import Server, material
from benchmark.window_service import Served

_VIDEO = Path(__file__).parents[2] / "tests" / "data" / "aisle.mp4"
_RATE = 15
#: What is asked in turn.
PATHS = ("/api/v1/search/counts", "/api/v1/state", "/healthz", "/", "/api/v1/search?q=jeans")


async def flood(url: str, headers: dict[str, str], requests: int) -> Counter[str]:
    """Connect so many times at once, ask on each, and count the answers by their status."""
    parts, found = urlsplit(url), Counter[str]()
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def ask(number: int) -> None:
        path = PATHS[number % len(PATHS)]
        text = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n{more}\r\n"
        try:
            reading, writing = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writing.write(text.encode())
                line = await asyncio.wait_for(reading.readline(), 60)
                await asyncio.wait_for(reading.read(), 60)
                found[line.split()[1].decode() if line else "closed"] += 1
            finally:
                writing.close()
        except (OSError, asyncio.TimeoutError) as error:
            found[type(error).__name__] += 1

    await asyncio.gather(*(ask(number) for number in range(requests)))
    return found


def measure(requests: int) -> None:
    """Print what became of the requests, memory, and the camera before, during and after."""
    _allow_files(requests)
    stream = material(_VIDEO, ".h264", _RATE, 360)
    with tempfile.TemporaryDirectory() as folder, Server(stream, 1, _RATE) as server:
        cameras = f"cameras: [{{id: door, url: '{server.urls[0]}'}}]\n"
        with Served(Path(folder), cameras) as served:
            time.sleep(8)
            before, memory = _analysed(served), served.memory_mb()
            time.sleep(5)
            middle, began = _analysed(served), time.monotonic()
            found = asyncio.run(flood(served.url, served.headers, requests))
            took = time.monotonic() - began
            after, most = _analysed(served), served.memory_mb()
            print(f"load {os.getloadavg()[0]:.1f}; {requests} requests in {took:.1f} s: {found}")
            print(f"pictures analysed a second: {(middle - before) / 5:.1f} before")
            print(f"{(after - middle) / took:.1f} meanwhile; memory {memory:.0f} -> {most:.0f} MB")


def _analysed(served: Served) -> int:
    for _ in range(20):
        answer = httpx.get(f"{served.url}/api/v1/state", headers=served.headers, timeout=30)
        if answer.status_code == 200:
            return int(answer.json()["cameras"][0]["analysed"])
        time.sleep(0.1)
    raise SystemExit("the window does not answer any more")


def _allow_files(requests: int) -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(requests + 200, most), most))
