"""The pages: files of one folder, read once, compressed once, known again by their hash."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
#: Bytes under which compressing gains nothing; files larger than that are none of ours.
_LEAST = 500
_MOST = 5_000_000
#: What is compressed already.
_PACKED = frozenset({".png", ".jpg", ".woff2", ".gz", ".webp"})


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it is sent."""

    content: bytes
    packed: bytes | None
    kind: str
    tag: str


class Pages:
    """All files of a folder, by their paths in it: nothing else can be asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._known: dict[str, tuple[float, Page]] = {}
        self._paths = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= _MOST
        }
        for name in self._paths:  # read before the first one asks
            self.find(name)

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def find(self, name: str) -> Page | None:
        """A file by its path; ``None`` if there is none. One that was changed is read again."""
        path = self._paths.get(name)
        if path is None or not path.is_file():
            return None
        changed = path.stat().st_mtime
        known = self._known.get(name)
        if known is None or known[0] != changed:
            known = self._known[name] = changed, _read(path)
        return known[1]

    def answer(self, name: str, request: Request) -> Response | None:
        """A file as the answer to a request, ``None`` if there is none."""
        page = self.find(name)
        if page is None:
            return None
        # Named with its hash, it never changes; else browsers ask whether it did.
        fixed = request.query_params.get("v") == page.tag
        headers = {
            "ETag": f'"{page.tag}"',
            "Cache-Control": "public, max-age=31536000, immutable" if fixed else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if f'"{page.tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = page.content
        if page.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content = page.packed
            headers["Content-Encoding"] = "gzip"
        return Response(content, media_type=page.kind, headers=headers)


def _read(path: Path) -> Page:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if path.suffix in (".js", ".mjs"):  # some systems say otherwise, and browsers refuse that
        kind = "text/javascript"
    packed = None
    if path.suffix not in _PACKED and len(content) >= _LEAST:
        packed = gzip.compress(content, 9, mtime=0)
    return Page(content, packed, kind, hashlib.sha256(content).hexdigest()[:16])
