"""Pictures that lie turned or mirrored in memory, shown as they are meant: views, no copies."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy.typing as npt


class Turn(NamedTuple):
    """What is done to a stored picture to see it upright: first rows become columns, then left and
    right, and above and below, change places. These are all eight ways."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def __call__(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of an array (H, W) or (H, W, channels)."""
        if self.transposed:
            image = image.swapaxes(0, 1)
        return image[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a picture once it is turned."""
        return (height, width) if self.transposed else (width, height)


UPRIGHT = Turn()


def exif_turn(orientation: int) -> Turn:
    """By EXIF orientation, 1 to 8; others mean nothing."""
    orientation = orientation if 1 <= orientation <= 8 else 1
    return Turn(orientation >= 5, orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8))


def matrix_turn(matrix: bytes) -> Turn:
    """By a display matrix of MP4, as FFmpeg gives it: nine native int32; any other angle counts as
    the nearest quarter."""
    a, b, _, c, d = struct.unpack_from("=5i", matrix)  # x' = ax + cy, y' = bx + dy
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)


def quarter_turn(degrees: int, mirrored: bool = False, flipped: bool = False) -> Turn:
    """Clockwise by 0, 90, 180 or 270 degrees, then mirrored."""
    return Turn(
        degrees in (90, 270), (degrees in (90, 180)) != mirrored, (degrees in (180, 270)) != flipped
    )
