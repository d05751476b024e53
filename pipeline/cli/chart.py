"""A bar chart as a PNG, drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import ConfigError
from pipeline.files import replace_file

_WIDE = 1200
_HIGH = 400
_EDGE = 60
_INK = (60, 60, 60)
_BAR = (180, 110, 40)


def draw(values: Sequence[tuple[str, int]], path: Path, title: str) -> None:
    """Draw counts in their order, each with the beginning of its time.

    Raises:
        ConfigError: the name does not end in .png.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"--png {path}: must end in .png")
    picture = np.full((_HIGH, _WIDE, 3), 255, np.uint8)
    most = max((n for _, n in values), default=0) or 1
    width = (_WIDE - 2 * _EDGE) / max(len(values), 1)
    bottom = _HIGH - _EDGE
    for i, (_, n) in enumerate(values):
        left, right = round(_EDGE + i * width), round(_EDGE + (i + 1) * width - 0.2 * width)
        top = round(bottom - n / most * (_HIGH - 2 * _EDGE))
        if n:
            cv2.rectangle(picture, (left, top), (max(right, left), bottom), _BAR, -1)
    cv2.line(picture, (_EDGE, bottom), (_WIDE - _EDGE, bottom), _INK, 1)
    _write(picture, title, (_EDGE, 30))
    _write(picture, str(most), (10, _EDGE + 5))
    for i in range(0, len(values), max(-(-len(values) // 8), 1)):
        _write(
            picture, values[i][0][5:16].replace("T", " "), (round(_EDGE + i * width), bottom + 25)
        )
    _, packed = cv2.imencode(".png", picture)
    replace_file(path, packed.tobytes(), durable=False)


def _write(
    picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], text: str, at: tuple[int, int]
) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
