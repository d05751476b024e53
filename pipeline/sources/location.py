"""What a path or URL names, as far as it can be told without opening it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pipeline.errors import SourceRefusedError
from pipeline.files import LOCK, is_there, made_here
from pipeline.picture.header import read_header
from pipeline.picture.still import IMAGE_SUFFIXES, UNREAD_SUFFIXES, files_in, is_folder, told
from pipeline.sources.containers import holds_recording

RECORDING_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
        *(".flv", ".wmv", ".3gp", ".ogv", ".h264", ".264", ".h265", ".hevc", ".gif", ".y4m"),
        *(".asf", ".dav", ".vob", ".mxf", ".3g2", ".f4v", ".m2v", ".divx"),
    }
)
#: Files of a folder that are looked at; with more, another one is meant.
MOST_FILES = 20_000
#: Motion JPEG: a recording on a disk, a camera over HTTP.
MJPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})


def is_picture(location: str) -> bool:
    """Whether a path names a still picture."""
    return Path(location).suffix.lower() in IMAGE_SUFFIXES


def holds_picture(location: str) -> bool:
    """Whether a path names a still picture of any kind, also by what is in the file."""
    path = Path(location)
    suffix = path.suffix.lower()
    if "://" in location or suffix in RECORDING_SUFFIXES | MJPEG_SUFFIXES:
        return False
    if suffix in IMAGE_SUFFIXES | UNREAD_SUFFIXES:
        return True
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            header = read_header(file)
    except (OSError, ValueError):
        return False
    return header is not None and header.kind != "GIF"


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


def expand(location: str, left_out: Counter[str] | None = None) -> list[str]:
    """The videos and pictures of a folder and its sub-folders in order of name; anything else as it
    is. Recordings are known by their suffix, or by how they begin; results of runs are left out.

    Args:
        left_out: counts what else is in the folder, by kind.

    Raises:
        SourceRefusedError: the folder holds nothing readable, or too much.
    """
    path = Path(location)
    if "://" in location or not is_folder(path):
        return [location]
    known = RECORDING_SUFFIXES | MJPEG_SUFFIXES | IMAGE_SUFFIXES
    others, found = Counter[str](), []
    for number, (inside, suffix) in enumerate(files_in(path, others, _holds_results)):
        if number >= MOST_FILES:
            raise SourceRefusedError(
                f"{location}: more than {MOST_FILES} files; name a folder inside of it"
            )
        if suffix in known or holds_recording(inside):
            found.append(inside)
        else:
            others[suffix] += 1
    if not found:
        raise SourceRefusedError(
            f"{location}: no video or picture in this folder{told(others, '; ')}"
        )
    if left_out is not None:
        left_out.update(others)
    return [str(p) for p in sorted(found)]


def _holds_results(folder: Path) -> bool:
    return made_here(folder) or is_there(folder / LOCK)
