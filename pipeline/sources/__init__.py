"""Where frames come from: one location, one source."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pipeline.config import CameraConfig
from pipeline.errors import SourceRefusedError, redact
from pipeline.protocols import Source
from pipeline.sources.image import IMAGE_SUFFIXES, ImageSource
from pipeline.sources.stream import file_source, http_source, rtsp_source, v4l2_source

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
        *(".flv", ".wmv", ".3gp", ".ogv", ".h264", ".264", ".h265", ".hevc", ".mjpeg", ".mjpg"),
        *(".gif", ".y4m"),
    }
)

#: Scheme -> factory.
SOURCES: dict[str, Callable[[CameraConfig], Source]] = {
    "file": file_source,
    "image": ImageSource,
    "http": http_source,
    "https": http_source,
    "rtsp": rtsp_source,
    "rtsps": rtsp_source,
    "v4l2": v4l2_source,
}
_LIVE = frozenset({"rtsp", "rtsps", "v4l2"})


def scheme_of(location: str) -> str:
    """Key into ``SOURCES`` for a path or URL."""
    match = re.match(r"([A-Za-z][\w+.-]*)://", location)
    if match:
        return match.group(1).lower()
    if re.fullmatch(r"/dev/video\d+", location):
        return "v4l2"
    return "image" if Path(location).suffix.lower() in IMAGE_SUFFIXES else "file"


def is_live(location: str) -> bool:
    """Whether the location is a camera by its looks; HTTP shows only once it is open."""
    scheme = scheme_of(location)
    return scheme in _LIVE or (scheme.startswith("http") and ".m3u8" in location.lower())


def open_source(camera: CameraConfig) -> Source:
    """The source for a camera; entering it opens the connection.

    Raises:
        SourceRefusedError: nothing here reads this kind of location.
    """
    scheme = scheme_of(camera.url)
    if scheme not in SOURCES:
        raise SourceRefusedError(
            f"{redact(camera.url)}: cannot read '{scheme}://'; use a file, /dev/videoN or "
            f"{', '.join(s + '://' for s in ('rtsp', 'http', 'https'))}"
        )
    return SOURCES[scheme](camera)


def expand(location: str) -> list[str]:
    """A folder's videos and pictures in order of name; anything else as it is.

    Raises:
        SourceRefusedError: the folder holds nothing readable.
    """
    path = Path(location)
    if "://" in location or not path.is_dir():
        return [location]
    known = VIDEO_SUFFIXES | IMAGE_SUFFIXES
    files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in known)
    if not files:
        raise SourceRefusedError(f"{location}: no video or picture in this folder")
    return [str(p) for p in files]
