"""Cameras over HTTP, as careless as real ones, in threads of this process."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import re
import threading
import time
from collections.abc import Callable
from typing import Any

#: The way to log in that most cameras offer.
DIGEST = 'Digest realm="camera", nonce="1", qop="auth"'
#: How a camera may send motion JPEG -> its Content-Type, and what is before and after a picture.
WAYS: dict[str, tuple[str, Callable[[bytes], bytes], bytes]] = {
    "right": (
        "multipart/x-mixed-replace; boundary=cam",
        lambda p: b"--cam\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(p),
        b"\r\n",
    ),
    "no length": (
        "multipart/x-mixed-replace; boundary=cam",
        lambda p: b"--cam\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
    "no boundary told": (
        "multipart/x-mixed-replace",
        lambda p: b"--cam\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
    "another boundary told": (
        "multipart/x-mixed-replace; boundary=other",
        lambda p: b"--cam\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
    "no dashes": (
        "multipart/x-mixed-replace; boundary=cam",
        lambda p: b"cam\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    ),
    "no line ends": ("multipart/x-mixed-replace; boundary=cam", lambda p: b"--cam\n\n", b""),
    "boundary last": (
        "multipart/x-mixed-replace; boundary=cam",
        lambda p: b"Content-Type: image/jpeg\r\n\r\n",
        b"\r\n--cam\r\n",
    ),
    "wrong part type": (
        "multipart/x-mixed-replace; boundary=cam",
        lambda p: b"--cam\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n",
        b"\r\n",
    ),
    "wrong type": ("text/html", lambda p: b"--cam\r\nContent-Type: image/jpg\r\n\r\n", b"\r\n"),
    "no type": ("", lambda p: b"--cam\r\n\r\n", b"\r\n"),
    "one after another": ("application/octet-stream", lambda p: b"", b""),
    "as one picture": ("image/jpeg", lambda p: b"", b""),
}


class WebCamera:
    """Sends pictures: an endless stream at ``/WAY``, one at ``/snapshot``, other things as told.

    Attributes:
        step_s: seconds between two pictures of a stream.
        login: user and password to ask for.
        offers: the ways to log in that it offers; it knows MD5 digest and basic.
        asked: paths of all requests, and whether each had a login.
    """

    def __init__(self, pictures: list[bytes], step_s: float = 0.02) -> None:
        self.pictures = pictures
        self.step_s = step_s
        self.login: tuple[str, str] | None = None
        self.offers = [DIGEST]
        self.other: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, bool]] = []
        camera = self

        class Handler(_Handler):
            owner = camera

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path.replace(' ', '%20')}"

    def __enter__(self) -> WebCamera:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: WebCamera

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path[1:].replace("%20", " ")
        self.owner.asked.append((path, "Authorization" in self.headers))
        with contextlib.suppress(OSError):
            if self.owner.login and not self._known(*self.owner.login):
                self.send_response(401)
                for way in self.owner.offers:
                    self.send_header("WWW-Authenticate", way)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path in self.owner.other:
                self._answer(*self.owner.other[path])
            elif path == "snapshot":
                number = sum(asked == (path, bool(self.owner.login)) for asked in self.owner.asked)
                shown = self.owner.pictures[(number - 1) % len(self.owner.pictures)]
                self._answer(200, {"Content-Type": "image/jpeg"}, shown)
            else:
                self._stream(*WAYS[path])

    def _answer(self, status: int, heads: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**heads, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, kind: str, before: Callable[[bytes], bytes], after: bytes) -> None:
        self.send_response(200)
        if kind:
            self.send_header("Content-Type", kind)
        self.end_headers()
        while True:
            for picture in self.owner.pictures:
                self.wfile.write(before(picture) + picture + after)
                time.sleep(self.owner.step_s)

    def _known(self, user: str, password: str) -> bool:
        told = self.headers.get("Authorization", "")
        if told.startswith("Basic"):
            return told == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', told))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        secret = md5(f"{user}:camera:{password}")
        asked = md5(f"GET:{said.get('uri')}")
        tokens = [said.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
        return said.get("response") == md5(":".join((secret, *tokens, asked)))
