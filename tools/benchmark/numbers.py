"""Frame numbers painted into pictures. Needs NumPy alone: the peers read them as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Bits of a number and the side of their cells in pixels, from the top left of the picture.
BITS, CELL = 12, 16


def paint(luma: npt.NDArray[np.uint8], number: int) -> None:
    """Write a number into the first cells of a picture, white for one, in place."""
    for bit in range(BITS):
        luma[:CELL, bit * CELL : (bit + 1) * CELL] = 235 if number >> bit & 1 else 16


def painted(luma: npt.NDArray[Any]) -> int:
    """The number painted into a picture (H, W): its luma or any of its colours."""
    row = luma[CELL // 2, CELL // 2 : BITS * CELL : CELL]
    return int(((row > 128) << np.arange(BITS)).sum())


def strip(width: int, height: int) -> tuple[tuple[float, float], ...]:
    """The painted cells of a picture of that size, for ``exclude``: corners as shares of it. They
    change with every frame, but nobody moves there."""
    right, low = BITS * CELL / width, CELL / height
    return ((0.0, 0.0), (right, 0.0), (right, low), (0.0, low))
