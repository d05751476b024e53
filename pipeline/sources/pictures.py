"""Pictures that a camera sends over HTTP: motion JPEG, however carelessly, and snapshots."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from http.client import HTTPResponse

from pipeline.sources.web import Web

#: Bytes read at once: whoever is behind finds several pictures in them.
_READ = 1 << 20
#: Bytes of text before the first picture, at most.
_MOST_TEXT = 4096
#: Bytes of a picture, at most.
_MOST_BYTES = 64_000_000
_BEGIN = b"\xff\xd8\xff"
#: With what a playlist begins.
_HLS = b"#EXTM3U"
#: A marker of JPEG within a picture's data, where stuffing and restarts are none.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_MARK = 0xFF
_LEAST = 0xC0
_START = 0xD8
_END = 0xD9
_SCAN = 0xDA
#: How pictures of other kinds begin, and FFmpeg's decoder for each.
_KINDS = ((_BEGIN, "mjpeg"), (b"\x89PNG", "png"), (b"RIFF", "webp"), (b"BM", "bmp"))


def codec_of(picture: bytes) -> str | None:
    """Name of FFmpeg's decoder for a picture; ``None`` if it is of no known kind."""
    return next((codec for begin, codec in _KINDS if picture.startswith(begin)), None)


class Cutter:
    """Cuts JPEG pictures out of bytes. Whatever stands between them, headers, boundaries or their
    remains, does not matter."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._inside = False
        #: Where to read on: at a marker, or, in a scan, anywhere in its data.
        self._at = 0
        self._scan = False

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that are complete with these bytes.

        Raises:
            ValueError: a picture does not end.
        """
        self._bytes += data
        found = []
        while self._begins() and (end := self._end()):
            found += [bytes(self._bytes[:end])] * (end > len(_BEGIN))
            del self._bytes[:end]
            self._inside = False
        if len(self._bytes) > _MOST_BYTES:
            raise ValueError("a picture of more than 64 MB")
        return found

    def rest(self) -> bytes:
        """A picture whose end is missing, if there is one."""
        return bytes(self._bytes) if self._inside and self._scan else b""

    def _begins(self) -> bool:
        if not self._inside:
            begin = self._bytes.find(_BEGIN)
            del self._bytes[: begin if begin >= 0 else -2]
            self._inside, self._scan, self._at = begin >= 0, False, 2
        return self._inside

    def _end(self) -> int:
        """Where the picture ends, 0 if that has not come yet."""
        data = self._bytes
        while True:
            if self._scan:
                marker = _MARKER.search(data, self._at)
                if marker is None:
                    self._at = max(self._at, len(data) - 1)
                    return 0
                self._at = marker.start()
            if len(data) < self._at + 4:
                return self._at + 2 if data[self._at :] == b"\xff\xd9" else 0
            mark, code = data[self._at : self._at + 2]
            if mark != _MARK or code < _LEAST:
                self._scan = True
            elif code == _END:
                return self._at + 2
            elif code == _START:  # of the next one; the end of this one is missing
                return self._at
            elif code == _MARK:
                self._at += 1
            else:
                self._scan = code == _SCAN
                self._at += 2 + int.from_bytes(data[self._at + 2 : self._at + 4], "big")


class Answers:
    """The pictures in what a camera answers: many in one answer, or one in each."""

    def __init__(self, web: Web, url: str, poll_s: float, wait_s: float) -> None:
        self._web = web
        self._url = url
        self._poll_s = poll_s
        self._wait_s = wait_s
        self._answer: HTTPResponse | None = None
        self._asked = 0.0
        #: What of the answer was read to see what it is.
        self.begun = b""

    def look(self) -> str:
        """Ask, and tell what comes: ``pictures``, ``hls``, or nothing if that is not known.

        Raises:
            OSError: the camera does not answer, or refuses.
            HTTPException: what it answers is not HTTP.
        """
        kind = self._ask()
        told = kind.startswith(("image/", "multipart/"))
        while True:
            more = self._read()
            self.begun += more
            text, found, _ = self.begun.partition(_BEGIN)
            plain = text.isascii() and b"\0" not in text
            if (found and (told or plain)) or (told and codec_of(self.begun)):
                return "pictures"
            if not more or len(self.begun) > _MOST_TEXT or not (told or plain):
                self.close()
                return "hls" if "mpegurl" in kind or text.lstrip().startswith(_HLS) else ""

    def __iter__(self) -> Iterator[bytes]:
        """Pictures as they come; of several that came at once, the newest.

        Raises:
            OSError: none comes in time, or the camera refuses.
            EOFError: an answer ended that was no single picture.
        """
        while True:
            count = 0
            for pictures in self._pictures():
                count += len(pictures)
                yield pictures[-1]
            if count != 1:
                raise EOFError
            time.sleep(max(self._asked + self._poll_s - time.monotonic(), 0.0))
            self._ask()
            self.begun = self._read()

    def _pictures(self) -> Iterator[list[bytes]]:
        """The pictures of one answer, those that came together at a time."""
        cutter, data = Cutter(), self.begun
        alone = codec_of(data) not in (None, "mjpeg")
        since = time.monotonic()
        while data:
            found = [] if alone else cutter.feed(data)
            if found:
                yield found
                since = time.monotonic()
            elif time.monotonic() - since > self._wait_s:
                raise TimeoutError
            data = self._read()
            self.begun += data if alone else b""
        last = self.begun if alone else cutter.rest()
        if last and self._answer is not None and not self._answer.length:
            yield [last]

    def _ask(self) -> str:
        """The kind of content that is answered."""
        self.close()
        self._asked = time.monotonic()
        self._answer = self._web.get(self._url)
        return self._answer.headers.get_content_type()

    def _read(self) -> bytes:
        return b"" if self._answer is None else self._answer.read1(_READ)

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None
