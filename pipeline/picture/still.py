"""Still pictures: found in folders and read from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import SourceRefusedError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
#: Larger picture files are refused (bytes).
MOST_BYTES = 200_000_000


def load_image(path: Path) -> npt.NDArray[np.uint8]:
    """BGR uint8 (H, W, 3), turned upright where EXIF says so.

    Raises:
        SourceRefusedError: missing, too large or not a picture.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceRefusedError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB")
        packed = np.frombuffer(path.read_bytes(), np.uint8)
    except SourceRefusedError:
        raise
    except OSError as error:
        raise SourceRefusedError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR) if packed.size else None
    except cv2.error:  # more pixels than OpenCV accepts
        image = None
    if image is None:
        raise SourceRefusedError(f"{path}: not a picture, or damaged")
    return np.asarray(image, np.uint8)


def find_photos(places: Sequence[Path]) -> Iterator[Path]:
    """Pictures named directly, and those in folders and their sub-folders, in order of name.

    Raises:
        SourceRefusedError: a folder holds no picture.
    """
    for place in places:
        if not place.is_dir():
            yield place
            continue
        inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not inside:
            raise SourceRefusedError(f"{place}: no picture in this folder")
        yield from inside
