"""The newest result of every camera, for those who watch now: never waited for, never kept."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import cv2

from pipeline.finest import finest
from pipeline.picture.still import jpeg
from pipeline.protocols import Connection
from pipeline.sinks.annotate import annotated, tag_text
from pipeline.sinks.privacy import shown
from pipeline.sinks.records import box_share
from pipeline.types import TaggedFrame
from pipeline.web.drawing import Drawing
from pipeline.web.video import Video

#: Quality of JPEG pictures, of 100.
_QUALITY = 70
#: Drawn pictures that are kept for further viewers of the same.
_DRAWN = 64
#: Streams of one camera of which is remembered when they began.
_MOST_STREAMS = 8
#: Widest picture that is drawn, in pixels.
WIDEST = 1920


class Live:
    """A sink for frames that keeps the newest of each camera, and tells who waits for it.

    Attributes:
        masked: why a camera's own video may be shown to nobody; empty if it may.
    """

    name = "window"

    def __init__(self) -> None:
        self.masked: Callable[[str], str] = lambda camera: ""
        self._newest: dict[str, TaggedFrame] = {}
        self._began: dict[str, tuple[int, tuple[float, ...]]] = {}
        self._videos: dict[str, Video] = {}
        self._listeners: list[Callable[[], None]] = []
        self._drawn: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._drawing = Drawing()

    # Called by the run.

    def write(self, tagged: TaggedFrame) -> None:
        with self._lock:
            self._newest[tagged.frame.source] = tagged
        self._tell()

    def forget(self, source: str) -> None:
        with self._lock:
            self._newest.pop(source, None)
            self._began.pop(source, None)
            self._videos.pop(source, None)
        self._tell()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._drawing.end()

    def opened(self, source: Connection) -> None:
        """A camera was opened, maybe again: its time begins anew, and its packets are wanted if
        anybody may see them. On its capture thread."""
        with self._lock:
            number, began = self._began.get(source.id, (0, ()))
            stream = number + 1
            self._began[source.id] = stream, (*began, time.monotonic())[-_MOST_STREAMS:]
        context = getattr(source, "context", None)
        hidden = not source.live or bool(self.masked(source.id))
        if hidden or context is None or context.name != "h264":
            self._videos.pop(source.id, None)
            return
        video = self._videos.setdefault(source.id, Video())
        video.begin(stream, context)
        source.tap = video.take  # type: ignore[attr-defined]  # who has a context has one

    # Called by viewers.

    def stop(self) -> None:
        """Have everybody who waits look again: it is over."""
        self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Be told that something is new, by the thread that brings it: come back at once."""
        with self._lock:
            self._listeners.append(listener)

    def leave(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.remove(listener)

    @property
    def viewers(self) -> int:
        return len(self._listeners)

    def newest(self, camera: str) -> TaggedFrame | None:
        """The newest result of a camera."""
        with self._lock:
            return self._newest.get(camera)

    def video(self, camera: str) -> Video | None:
        """A camera's packets, if they can be shown."""
        return None if self.masked(camera) else self._videos.get(camera)

    def stream_of(self, tagged: TaggedFrame) -> int:
        """Which of a camera's streams a result is of: the last that began before it was taken."""
        with self._lock:
            number, began = self._began.get(tagged.frame.source, (1, ()))
        return number - sum(at > tagged.frame.captured_at for at in began[1:])

    def jpeg(self, tagged: TaggedFrame, width: int, boxes: bool = False) -> Future[bytes]:
        """A result's picture as JPEG, heads hidden, at most ``width`` pixels wide; drawn beside
        everything else, and once for all who want the same.

        Raises:
            RuntimeError: the run has ended.
        """
        return self._drawing.ask(lambda: self._draw(tagged, width, boxes))

    def _draw(self, tagged: TaggedFrame, width: int, boxes: bool) -> bytes:
        frame = tagged.frame
        key = (frame.source, self.stream_of(tagged), frame.index, width, boxes)
        with self._lock:
            found = self._drawn.get(key)
        if found is None:
            found = _drawn(tagged, width, boxes)
            with self._lock:
                self._drawn[key] = found
                while len(self._drawn) > _DRAWN:
                    self._drawn.popitem(last=False)
        return found

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


def _drawn(tagged: TaggedFrame, width: int, boxes: bool) -> bytes:
    frame = tagged.frame
    wide = max(min(width, frame.width, WIDEST), 1)
    size = (wide, max(round(frame.height * wide / frame.width), 1))
    if boxes:
        image = cv2.resize(annotated(tagged), size, interpolation=cv2.INTER_AREA)
    else:
        image = shown(tagged, size=size)
    return jpeg(image, _QUALITY)


def boxes_of(tagged: TaggedFrame, stream: int, at: str) -> dict[str, Any]:
    """Who and what is where in a result, in shares of the picture."""
    size = (tagged.frame.width, tagged.frame.height)
    return {
        "stream": stream,
        "pts": tagged.frame.pts,
        "at": at,
        "people": [
            {
                "id": track.id,
                "visit": track.visit or None,
                "box": box_share(track.box, size),
                "predicted": track.predicted,
                "tags": [tag_text(tag) for tag in finest(track.tags)[:5]],
            }
            for track in tagged.tracks
        ],
        "marks": [{"box": box_share(tag.box, size), "text": tag_text(tag)} for tag in tagged.tags],
    }
