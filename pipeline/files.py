"""Files written whole or not at all, with errors people understand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines import files
from pipeline.errors import SinkError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError about ``path`` into a SinkError that names the remedy."""
    try:
        yield
    except SinkError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SinkError(
            f"{path}: cannot be written: {reason}; free space or choose another --out"
        ) from None


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        SinkError: it cannot be created or is not writable.
    """
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")


def replace_file(path: Path, content: bytes, durable: bool = True) -> None:
    """Write a file whole or not at all; ``durable``: also across a power cut, for the price of
    waiting for the disk.

    Raises:
        SinkError: it cannot be written.
    """
    with explained(path):
        files.replace_file(path, content, durable)
