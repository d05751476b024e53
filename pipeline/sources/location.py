"""What a path or URL names, judged by its looks alone."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pipeline.errors import SourceRefusedError
from pipeline.sources.image import IMAGE_SUFFIXES

RECORDING_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
        *(".flv", ".wmv", ".3gp", ".ogv", ".h264", ".264", ".h265", ".hevc", ".gif", ".y4m"),
    }
)
#: Motion JPEG: a recording on a disk, a camera over HTTP.
MJPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})


def scheme_of(location: str) -> str:
    """Key into ``SOURCES`` for a path or URL."""
    match = re.match(r"([A-Za-z][\w+.-]*)://", location)
    if match:
        return match.group(1).lower()
    if re.fullmatch(r"/dev/video\d+", location):
        return "v4l2"
    return "image" if Path(location).suffix.lower() in IMAGE_SUFFIXES else "file"


def is_live(location: str) -> bool:
    """Whether this is a camera by its looks. Over HTTP only opening tells for sure."""
    scheme = scheme_of(location)
    if scheme in ("http", "https"):
        try:
            path = urlsplit(location).path
        except ValueError:
            return False
        return PurePosixPath(path).suffix.lower() not in RECORDING_SUFFIXES
    return scheme not in ("file", "image")


def expand(location: str) -> list[str]:
    """A folder's videos and pictures in order of name; anything else as it is.

    Raises:
        SourceRefusedError: the folder holds nothing readable.
    """
    path = Path(location)
    if "://" in location or not path.is_dir():
        return [location]
    known = RECORDING_SUFFIXES | MJPEG_SUFFIXES | IMAGE_SUFFIXES
    files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in known)
    if not files:
        raise SourceRefusedError(f"{location}: no video or picture in this folder")
    return [str(p) for p in files]
