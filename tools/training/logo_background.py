"""What is no brand's mark, as the detector takes it for one: the background of every gallery."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.nets.logo_detector import SIZE
from engines.nets.logo_embedder import SIDE
from pipeline.tagging.logos.exemplars import views
from training.garment_data import Image
from training.logo_crops import crop, cut
from training.logo_detection import found
from training.logo_embedding import side_of
from training.logo_marks import Brand

#: Score from which something is taken for a mark, generously.
LEAST = 0.1
#: Fonts of letters.
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif-Bold", "DejaVuSansCondensed-Bold")
#: Most of one picture.
MOST = 3


def fitted(picture: Image) -> Image:
    """A picture in the middle of one of the detector's size, its proportions kept."""
    scale = min(SIZE[0] / picture.shape[1], SIZE[1] / picture.shape[0])
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.full((SIZE[1], SIZE[0], 3), 127, np.uint8)
    y, x = (SIZE[1] - size[1]) // 2, (SIZE[0] - size[0]) // 2
    out[y : y + size[1], x : x + size[0]] = cv2.resize(picture, size, interpolation=how)
    return out


def mistaken(detector: Engine, pictures: Sequence[Image]) -> Iterator[Image]:
    """Crops (SIDE, SIDE, 3) of what the detector finds in pictures that show hardly any marks."""
    for picture in pictures:
        small = fitted(picture)
        out = detector.infer({"images": small[None]})
        boxes, scores = (out[name][0].astype(np.float64) for name in ("boxes", "scores"))
        for box in found(boxes, scores, LEAST)[0][:MOST]:
            yield cut(small, box, SIDE)


def letters() -> list[Image]:
    """Every letter and digit of a few fonts (SIDE, SIDE, 3), black on white and white on black: of
    these words are made, and each may be taken for a mark.

    Raises:
        OSError: DejaVu's fonts are not installed.
    """
    from PIL import Image as Drawing
    from PIL import ImageDraw, ImageFont

    out = []
    for name in FONTS:
        font = ImageFont.truetype(f"{name}.ttf", 160)
        for letter in string.ascii_letters + string.digits:
            page = Drawing.new("L", (320, 320), 0)
            ImageDraw.Draw(page).text((60, 60), letter, fill=255, font=font)
            x0, y0, x1, y1 = page.getbbox() or (0, 0, 320, 320)
            cover = np.asarray(page, np.uint8)[y0:y1, x0:x1]
            mark = np.dstack([np.zeros((*cover.shape, 3), np.uint8), cover])
            out += views(mark, SIDE)[2:]
    return out


def composed(
    brands: Sequence[Brand], fabrics: list[Image], count: int, seed: int, rough: float
) -> tuple[list[Image], npt.NDArray[np.int64]]:
    """Crops of marks, and whose each is."""
    rng = np.random.default_rng(seed)
    whose = rng.integers(0, len(brands), count)
    return [crop(brands[i], fabrics, side_of(rng), SIDE, rng, rough) for i in whose], whose
