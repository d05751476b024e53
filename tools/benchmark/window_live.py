"""What the window's live view costs, and how true and how late it is.

Starts RTSP cameras that send pictures with their numbers painted in, a window on them, and headless
Chromium (playwright), and takes turns: nobody looks; the wall is open with every tile as filmed;
somebody reads the same tiles at 1 kB/s.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.numbers import BITS, CELL, painted, strip
from benchmark.streams import Server, free_port, material
from engines.packs import shipped
from pipeline.settings.schema import make_config
from pipeline.types import TaggedFrame
from pipeline.web import viewers
from pipeline.web.service import Asked, Service
from pipeline.web.serving import Address, Serving

VIDEO = Path(__file__).parents[2] / "tests" / "data" / "street.mp4"
HEIGHT = 360
PASSWORD = "correct horse battery"
#: Threads that work for viewers alone, by the beginning of their names.
SERVING = ("window", "drawing", "AnyIO", "asyncio")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

#: In the page: of every fifth picture of each tile, its time, that of the boxes on it, the number
#: painted into it, and when it was shown.
WATCH = f"""
() => {{
  window.seen = [];
  for (const tile of document.querySelectorAll("[data-camera]")) {{
    const video = tile.querySelector("video");
    if (!video || video.watched) continue;
    video.watched = true;
    const small = Object.assign(document.createElement("canvas"), {{ width: {BITS * CELL}, height: {CELL} }});
    const pen = small.getContext("2d", {{ willReadFrequently: true }});
    let count = 0;
    const look = (now, {{ mediaTime }}) => {{
      if (count++ % 5 === 0) {{
        const boxes = Number(tile.querySelector("canvas[data-live=video]").dataset.pts);
        pen.drawImage(video, 0, 0, {BITS * CELL}, {CELL}, 0, 0, {BITS * CELL}, {CELL});
        const row = pen.getImageData(0, {CELL // 2}, {BITS * CELL}, 1).data;
        let number = 0;
        for (let bit = 0; bit < {BITS}; bit++) number += (row[4 * ({CELL} * bit + {CELL // 2})] > 128) << bit;
        seen.push([tile.dataset.camera, mediaTime, boxes, number, Date.now() / 1000]);
      }}
      video.requestVideoFrameCallback(look);
    }};
    video.requestVideoFrameCallback(look);
  }}
  return document.querySelectorAll("video").length;
}}
"""  # noqa: E501


def thread_seconds() -> dict[str, float]:
    """User seconds of this process's threads so far, by name; native ones are not among them."""
    found: dict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        try:
            text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text(encoding="ascii")
        except OSError:
            continue
        found[thread.name] += int(text.rpartition(")")[2].split()[11]) * _TICK_S
    return found


def share(before: dict[str, float], after: dict[str, float], names: tuple[str, ...]) -> float:
    """Seconds between two measurements of threads whose names begin so."""
    chosen = [name for name in after if name.startswith(names)]
    return sum(after[name] - before.get(name, 0.0) for name in chosen)


class Notes:
    """What a window did: when each fragment was sent, which number analysis saw at which time, and
    how old results were."""

    def __init__(self, service: Service) -> None:
        self.sent: dict[tuple[str, int], float] = {}
        self.numbers: dict[str, dict[int, int]] = defaultdict(dict)
        self.ages: list[float] = []
        write, piece = service.live.write, viewers.Viewer._piece

        def written(tagged: TaggedFrame) -> None:
            frame = tagged.frame
            self.ages.append(time.monotonic() - frame.captured_at)
            self.numbers[frame.source][round(frame.pts * 1000)] = painted(frame.planes.y)
            write(tagged)

        async def sending(viewer: Any, camera: str, one: Any, begun: Any, part: bytes) -> None:
            self.sent.setdefault((camera, round(one.pts * 1000)), time.time())
            await piece(viewer, camera, one, begun, part)

        service.live.write = written  # type: ignore[method-assign]
        viewers.Viewer._piece = sending  # type: ignore[method-assign]


@contextmanager
def window(urls: list[str], out: Path) -> Iterator[tuple[Service, str]]:
    """A served window on cameras."""
    places = [list(map(list, strip(HEIGHT * 16 // 9, HEIGHT)))]
    cameras = [{"id": f"cam{i}", "url": url, "exclude": places} for i, url in enumerate(urls)]
    config = make_config(
        cameras=cameras, garments={"enabled": False}, logos={"enabled": False},
        person={"interval_s": 1.0}, outputs={"snapshots": False},
    )  # fmt: skip
    service = Service(Asked(config, out, shipped()))
    with service, Serving(service, Address(port=0)) as serving:
        service.accounts.add("anna", PASSWORD, "admin")
        service.start()
        serving.start()
        yield service, serving.url
        service.stop()
        service.close_store()
        serving.stop()
        service.runner.wait()


class SlowReader(threading.Thread):
    """A viewer of all cameras who reads a kilobyte a second."""

    def __init__(self, url: str, token: str, cameras: int) -> None:
        super().__init__(name="slow reader", daemon=True)
        self.read = 0
        self.over = threading.Event()
        host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((host, int(port)))
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._socket.sendall(
            f"GET /api/v1/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        tiles = [{"camera": f"cam{i}", "as": "video"} for i in range(cameras)]
        text = json.dumps({"tiles": tiles}).encode()
        head = struct.pack("!BBH", 0x81, 0x80 | 126, len(text))
        self._socket.sendall(head + bytes(4) + text)  # masked with zeros

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.read += len(self._socket.recv(100))
        self._socket.close()


def first_page(browser: Any, url: str) -> dict[str, float]:
    """Bytes, requests and milliseconds until the door can be used, of a browser that knows
    nothing."""
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda one: sizes.append(int(one.headers.get("content-length", 0))))
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_role("button", name="Log in").wait_for()
    took = 1000 * (time.perf_counter() - began)
    context.close()
    return {"kb": sum(sizes) / 1000, "requests": len(sizes), "ms": took}


def exact(seen: list[list[Any]], notes: Notes, rate: int) -> tuple[int, int]:
    """Of the pictures that were shown near one that was analysed: how many there are, and how many
    have boxes drawn for their time, and the number that analysis saw."""
    checked = right = 0
    for camera, media, boxes, number, _ in seen:
        near = [(ms, n) for ms, n in notes.numbers[camera].items() if abs(ms - 1000 * media) < 900]
        steps = [(round((1000 * media - ms) * rate / 1000), n) for ms, n in near]
        numbers = {n + step for step, n in steps}
        if not numbers:
            continue
        checked += 1
        right += number in numbers and abs(boxes - media) < 0.001
    return checked, right


def quantiles(values: list[float]) -> tuple[float, float]:
    """Median and 95th percentile; nothing: no number."""
    if not values:
        return float("nan"), float("nan")
    return float(np.quantile(values, 0.5)), float(np.quantile(values, 0.95))


def turn(service: Service, notes: Notes, seconds: float) -> dict[str, float]:
    """Processor time and ages of so many seconds."""
    notes.ages.clear()
    before, began = thread_seconds(), time.perf_counter()
    time.sleep(seconds)
    after, took = thread_seconds(), time.perf_counter() - began
    ages = quantiles(list(notes.ages))
    return {
        "serving": 100 * share(before, after, SERVING) / took,
        "capture": 100 * share(before, after, ("capture",)) / took,
        "age_p50": ages[0],
        "age_p95": ages[1],
    }


def measure(args: argparse.Namespace, browser: Any) -> dict[str, Any]:
    """Everything, by turns."""
    stream = material(VIDEO, ".h264", args.rate, HEIGHT)
    found: dict[str, Any] = {"nobody": [], "wall": [], "slow": []}
    with (
        Server(stream, args.cameras, args.rate, free_port()) as server,
        tempfile.TemporaryDirectory() as out,
        window(server.urls, Path(out)) as (service, url),
    ):
        notes = Notes(service)
        _, token = service.accounts.add_token("slow", "admin", ["live", "read"], None, 1)
        found["first"] = [first_page(browser, url) for _ in range(args.rounds + 1)][1:]
        page = browser.new_context(viewport={"width": 1920, "height": 1500}).new_page()
        page.goto(url)
        page.get_by_label("User").fill("anna")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="Wall").wait_for()
        seen: list[list[Any]] = []
        for _ in range(args.rounds):
            page.goto(f"{url}#/cameras")
            time.sleep(3)
            found["nobody"].append(turn(service, notes, args.seconds))
            page.goto(f"{url}#/wall?rest=no&as=filmed")
            deadline = time.monotonic() + 60
            while page.evaluate("document.querySelectorAll('video').length") < args.cameras:
                if time.monotonic() > deadline:
                    raise SystemExit("the wall does not show every camera's video")
                time.sleep(0.5)
            time.sleep(5)
            page.evaluate(WATCH)
            found["wall"].append(turn(service, notes, args.seconds))
            seen += page.evaluate("seen")
            page.goto(f"{url}#/cameras")
            slow = SlowReader(url, token, args.cameras)
            slow.start()
            time.sleep(3)
            found["slow"].append(turn(service, notes, args.seconds))
            slow.over.set()
            slow.join(5)
        found["checked"], found["right"] = exact(seen, notes, args.rate)
        sent = [shown - notes.sent[key] for camera, media, _, _, shown in seen
                if (key := (camera, round(1000 * media))) in notes.sent]  # fmt: skip
        found["sent_to_shown"] = quantiles(sent)
        found["pictures"] = len(sent)
        taken = [shown - server.taken(int(camera[3:]), number, shown)
                 for camera, _, _, number, shown in seen]  # fmt: skip
        found["taken_to_shown"] = quantiles(taken)
    return found


def told(found: dict[str, Any], cameras: int) -> None:
    """Print what was measured."""

    def mean(name: str, key: str) -> float:
        return statistics.fmean(one[key] for one in found[name])

    cost = mean("wall", "serving") - mean("nobody", "serving")
    print(f"{cameras} cameras, as filmed; means of {len(found['wall'])} turns")
    print("turn      serving  capture  age p50  age p95")
    for name in ("nobody", "wall", "slow"):
        keys = ("serving", "capture", "age_p50", "age_p95")
        a, b, c, d = (mean(name, key) for key in keys)
        print(f"{name:8}  {a:5.1f} %  {b:5.1f} %  {c:5.2f} s  {d:5.2f} s")
    print(f"the wall costs {cost:.1f} % of a core in the threads that serve")
    print(f"boxes of exactly the picture's time: {found['right']} of {found['checked']}")
    for name in ("sent_to_shown", "taken_to_shown"):
        median, late = found[name]
        print(f"{name.replace('_', ' ')}: median {median:.2f} s, 95 % {late:.2f} s")
    first = found["first"]
    print(
        f"first page: {first[0]['kb']:.1f} kB, {first[0]['requests']:.0f} requests, "
        f"{statistics.median(one['ms'] for one in first):.0f} ms (median of {len(first)})"
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print; the process ends then, whatever native code is still busy with."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--headless=new", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        found = measure(args, browser)
        browser.close()
    told(found, args.cameras)
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)
