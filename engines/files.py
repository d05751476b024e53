"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

#: Mode of what only its owner may read.
PRIVATE = 0o600


def replace_file(path: Path, content: bytes, durable: bool = True, private: bool = False) -> None:
    """Write a file whole or not at all.

    A link at ``path`` is replaced, never followed, and what it leads to stays as it is. What is no
    file, such as ``/dev/stdout``, is written to.

    Args:
        durable: also across a power cut, for the price of waiting for the disk.
        private: nobody but its owner may read it, whatever the umask.

    Raises:
        OSError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    # A name of its own: two processes may write the same file, and names may be as long as allowed.
    partial = path.with_name(f".{os.urandom(6).hex()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(partial, flags, PRIVATE if private else 0o666), "wb") as file:
            file.write(content)
            if durable:  # else the new name may be left without its content
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
