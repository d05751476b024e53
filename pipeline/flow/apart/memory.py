"""Pictures in memory that two processes share: one copies them there, the other looks at them where
they lie, and tells by a byte of each when it is done."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import weakref
from dataclasses import dataclass

import numpy as np

from pipeline.picture.light import Light
from pipeline.picture.yuv import Planes
from pipeline.types import Plane

#: Bytes that may be taken up; only what was written to takes any.
SIZE = 1 << 32
#: How many pictures may lie there; a byte each, at the beginning, is not 0 while one is looked at.
MOST = 4096
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture that lies in the memory: which byte is its, where it begins, the shapes (H, W) of
    its planes, one or three, and the rest as of ``Planes``."""

    index: int
    offset: int
    shapes: tuple[tuple[int, int], ...]
    matrix: str
    full_range: bool
    light: Light

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(height * width for height, width in self.shapes)


class Memory:
    """What both processes see. ``fd`` is handed to the other one.

    Raises:
        OSError: there is no such memory on this system.
    """

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            if not hasattr(os, "memfd_create"):
                raise OSError("no memory can be shared without a file on this system")
            fd = os.memfd_create("threadline-pictures")
            os.ftruncate(fd, SIZE)
        self.fd = fd
        self.map = mmap.mmap(fd, SIZE)

    def close(self) -> None:
        """Close the file; the memory stays for as long as somebody looks at a picture in it."""
        os.close(self.fd)

    def picture(self, placed: Placed) -> Planes:
        """A picture, not copied. Its room is free again once nothing of it is held any more."""
        block = (ctypes.c_ubyte * placed.size).from_buffer(self.map, placed.offset)
        weakref.finalize(block, self._let_go, placed.index).atexit = False
        flat, planes, at = np.frombuffer(memoryview(block), np.uint8), list[Plane](), 0
        for height, width in placed.shapes:
            planes.append(flat[at : at + height * width].reshape(height, width))
            at += height * width
        u, v = planes[1:] or (None, None)
        return Planes(planes[0], u, v, placed.matrix, placed.full_range, placed.light)

    def _let_go(self, index: int) -> None:
        self.map[index] = 0


@dataclass(slots=True)
class _Room:
    index: int
    offset: int
    size: int
    owner: int


class Shelves:
    """Where the writer puts pictures; from any thread."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._rooms: list[_Room] = []
        self._end = MOST
        self._lock = threading.Lock()

    def put(self, owner: int, picture: Planes, most: int) -> Placed | None:
        """Copy a picture; ``None`` if ``most`` of the same owner are looked at, or all is full."""
        planes = [plane for plane in (picture.y, picture.u, picture.v) if plane is not None]
        shapes = tuple((int(plane.shape[0]), int(plane.shape[1])) for plane in planes)
        size = sum(height * width for height, width in shapes)
        with self._lock:
            room = self._claim(owner, _rounded(size), most)
        if room is None:
            return None
        flat, at = np.frombuffer(self._memory.map, np.uint8, size, room.offset), 0
        for plane, (height, width) in zip(planes, shapes, strict=True):
            np.copyto(flat[at : at + height * width].reshape(height, width), plane)
            at += height * width
        return Placed(
            room.index, room.offset, shapes, picture.matrix, picture.full_range, picture.light
        )

    def _claim(self, owner: int, size: int, most: int) -> _Room | None:
        held = self._memory.map
        if sum(room.owner == owner and held[room.index] != 0 for room in self._rooms) >= most:
            return None
        fits = (room for room in self._rooms if room.size == size and not held[room.index])
        room = next(fits, None)
        if room is None:
            if len(self._rooms) == MOST or self._end + size > SIZE:
                return None
            room = _Room(len(self._rooms), self._end, size, owner)
            self._rooms.append(room)
            self._end += size
        room.owner = owner
        held[room.index] = 1
        return room


def _rounded(size: int) -> int:
    """Bytes of the room for a picture: few sizes, so that rooms serve again when pictures change
    theirs; at most a quarter more than is needed."""
    step = max(1 << max(size.bit_length() - 3, 0), _PAGE)
    return -(-size // step) * step
