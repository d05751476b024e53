"""A server that speaks as much of the Hugging Face hub's protocol as loading files takes:
revisions, redirects to where large files are, ETags, ranges, logins, and its errors."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "1234567890abcdef1234567890abcdef12345678"
#: Files from this size on are kept elsewhere, and called by their SHA-256.
LARGE = 4096


class Hub:
    """Serves ``files`` (path "owner/name/file" -> content) on a port of this machine.

    Attributes:
        token: what a login must be; empty: none is asked for.
        gated: repositories whose terms nobody has accepted.
        breaks: how many transfers of large files break off in the middle.
        damaged: large files are served with another content than their ETag says.
        asked: method, path and range of every request.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.token = ""
        self.gated: set[str] = set()
        self.breaks = 0
        self.damaged = False
        self.asked: list[tuple[str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            hub.asked.append((self.command, self.path, self.headers.get("Range", "")))
            if self.path.startswith("/elsewhere/"):
                return self._large(hub.files[self.path.removeprefix("/elsewhere/")], body)
            match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
            if match is None:
                return self._refuse(404, "")
            repository, revision, name = match.groups()
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self._refuse(401, "RepoNotFound")
            if repository in hub.gated:
                return self._refuse(403, "GatedRepo")
            if not any(path.startswith(f"{repository}/") for path in hub.files):
                return self._refuse(404, "RepoNotFound")
            if revision not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            content = hub.files.get(f"{repository}/{name}")
            if content is None:
                return self._refuse(404, "EntryNotFound")
            if len(content) < LARGE:
                return self._send(200, content, body, {"ETag": f'"{_sha1(content)}"'})
            return self._send(
                302,
                b"",
                body,
                {
                    "Location": f"{hub.url}/elsewhere/{repository}/{name}",
                    "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                    "X-Linked-Size": str(len(content)),
                },
            )

        def _large(self, content: bytes, body: bool) -> None:
            first, code = 0, 200
            if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                first, code = int(wanted[1]), 206
            if hub.damaged:
                content = bytes(len(content))
            part = content[first:]
            if body and hub.breaks:
                hub.breaks -= 1
                self._send(code, part, False, {"Content-Length": str(len(part))})
                self.wfile.write(part[: len(part) // 2])
                self.close_connection = True
                return None
            more = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            return self._send(code, part, body, more if code == 206 else {})

        def _refuse(self, code: int, reason: str) -> None:
            more = {"X-Error-Code": reason, "X-Error-Message": reason} if reason else {}
            self._send(code, b"", True, more)

        def _send(self, code: int, content: bytes, body: bool, headers: Mapping[str, str]) -> None:
            self.send_response(code)
            every = {"Content-Length": str(len(content)), "X-Repo-Commit": COMMIT, **headers}
            for name, value in every.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

    return Handler


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
