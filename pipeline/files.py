"""Files written whole or not at all, for their owner alone, and never over what is read; errors
that people understand."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engines import files
from pipeline.errors import ConfigError, SinkError

#: In folders that hold nothing but pictures this program made: by it they are known.
MARK = ".threadline"
#: In ``--out``, and in galleries: whoever has locked it writes there.
LOCK = ".threadline.lock"
#: What the system says where somebody else holds a lock; anything else: no locks on this disk.
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


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


def private(path: str | os.PathLike[str], flags: int) -> int:
    """An opener for ``open``: a file it creates is its owner's alone, whatever the umask; one that
    is there keeps its mode."""
    return os.open(path, flags, files.PRIVATE)


def private_file(path: Path) -> None:
    """Create an empty file, its owner's alone; one that is there stays as it is.

    Raises:
        SinkError: it cannot be written.
    """
    with explained(path):
        os.close(private(path, os.O_CREAT | os.O_RDWR))


def make_folder(path: Path, private: bool = False) -> None:
    """Create a folder and its parents; ``private``: for their owner alone. Those that are there
    keep their mode.

    Raises:
        SinkError: it cannot be created or is not writable.
    """
    with explained(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(0o700 if private else 0o777, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "Permission denied")


def make_pictures(path: Path) -> None:
    """Create a folder for pictures of people, its owner's alone, and mark it: ``made_here``. One
    that holds something already is left unmarked.

    Raises:
        SinkError: it cannot be created or is not writable.
    """
    make_folder(path, private=True)
    with explained(path):
        if not any(path.iterdir()):
            private_file(path / MARK)


def made_here(folder: Path) -> bool:
    """Whether all pictures in a folder are this program's."""
    return is_there(folder / MARK)


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keep a folder for results, made if missing, to this run. A process that dies lets go of it.

    Raises:
        SinkError: another run writes there, or it cannot be written.
    """
    make_folder(folder, private=True)
    with explained(folder):
        handle = private(folder / LOCK, os.O_CREAT | os.O_RDWR)
    try:
        if not locked(handle):
            raise SinkError(
                f"{folder}: another run writes there; wait until it has ended, or choose another "
                "--out"
            )
        yield
    finally:
        os.close(handle)


@contextmanager
def in_turn(folder: Path, seconds: float) -> Iterator[None]:
    """Change a folder, made if missing, while nobody else does, waiting so long for them. A process
    that dies lets go of it.

    Raises:
        SinkError: others do not let go of it, or it cannot be written.
    """
    make_folder(folder)
    with explained(folder):
        handle = private(folder / LOCK, os.O_CREAT | os.O_RDWR)
    try:
        until = time.monotonic() + seconds
        while not locked(handle):
            if time.monotonic() > until:
                raise SinkError(f"{folder}: another process is changing it; try again later")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold a file that several processes append to or replace, while nobody else does. Where there
    are no such locks, nobody waits."""
    while True:
        handle = os.open(path, os.O_RDWR)
        try:
            if sys.platform != "win32":
                import fcntl

                with suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_EX)
            if _same(path, handle):
                yield
                return
        finally:
            os.close(handle)


@contextmanager
def appending(path: Path, file: BinaryIO) -> Iterator[BinaryIO]:
    """An open file, or the one that took its place since, while nobody replaces it."""
    if sys.platform == "win32":  # there, nobody can
        yield file
        return
    import fcntl

    while True:
        with suppress(OSError):  # a disk without locks
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if _same(path, file.fileno()) or not is_there(path) or not path.is_file():
            break
        file.close()
        file = open(path, "ab", buffering=0, opener=private)  # noqa: SIM115
    try:
        yield file
    finally:
        with suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _same(path: Path, handle: int) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        there, here = path.stat(), os.fstat(handle)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def locked(handle: int) -> bool:
    """Lock an open file until it is closed; false if somebody else has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD
    return True


def refuse_overlap(outputs: Iterable[Path], inputs: Iterable[Path], option: str) -> None:
    """Make sure that nothing is written over what is read: neither the same path, however it is
    spelt, nor the same file by another name.

    Args:
        option: named as the remedy: ``--out``.

    Raises:
        ConfigError: something would be.
    """
    known = {key: path for path in inputs for key in _identities(path)}
    for path in outputs:
        for key in _identities(path):
            if key in known:
                there = "" if known[key] == path else f", as {known[key]}"
                raise ConfigError(
                    f"{path}: is read{there}, and would be overwritten; choose another {option}"
                )


def _identities(path: Path) -> Iterator[object]:
    """All by which a file is the same as another: where it really is; device and inode."""
    yield real(path)
    try:
        there = path.stat()
    except (OSError, ValueError):
        return
    if there.st_ino:  # some file systems number nothing
        yield there.st_dev, there.st_ino


def real(path: Path) -> Path:
    """Where a path leads, links followed as far as they do."""
    try:
        return Path(os.path.normcase(os.path.realpath(path)))
    except (OSError, ValueError):  # no path at all
        return path


def is_there(path: Path) -> bool:
    """Whether there is something; nothing is where no path can lead."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def replace_file(path: Path, content: bytes, durable: bool = True, private: bool = False) -> None:
    """Write a file whole or not at all.

    Args:
        durable: also across a power cut, for the price of waiting for the disk.
        private: nobody but its owner may read it, whatever the umask.

    Raises:
        SinkError: it cannot be written.
    """
    with explained(path):
        files.replace_file(path, content, durable, private)
