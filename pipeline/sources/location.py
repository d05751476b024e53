"""What a path or URL names, as far as it can be told without opening it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pipeline.errors import SourceRefusedError
from pipeline.picture.still import IMAGE_SUFFIXES

RECORDING_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
        *(".flv", ".wmv", ".3gp", ".ogv", ".h264", ".264", ".h265", ".hevc", ".gif", ".y4m"),
    }
)
#: Motion JPEG: a recording on a disk, a camera over HTTP.
MJPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})


def is_picture(location: str) -> bool:
    """Whether a path names a still picture."""
    return Path(location).suffix.lower() in IMAGE_SUFFIXES


def is_capture_device(location: str) -> bool:
    """Whether a path names a webcam or capture device under Linux."""
    return re.fullmatch(r"/dev/video\d+", location) is not None


def is_live_over_http(location: str) -> bool:
    """Whether a URL seems to be a camera's; only opening it tells for sure."""
    try:
        path = urlsplit(location).path
    except ValueError:
        return False
    return PurePosixPath(path).suffix.lower() not in RECORDING_SUFFIXES


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
