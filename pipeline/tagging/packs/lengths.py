"""A pack that was taught how long objects are (``threadline teach --target length``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.packs import Pack, PackError
from engines.packs.pack import MASKED
from pipeline.picture.resample import squared
from pipeline.types import Rgb

Mask = npt.NDArray[np.uint8]
#: Objects in one run of the model.
MOST_BATCH = 8


class TaughtLengths:
    """Tells lengths in cm from objects' crops and the places of their boxes, as they were taught
    (arXiv 2501.03767).

    Raises:
        PackError: the pack tells no lengths.
    """

    def __init__(self, engine: Engine, pack: Pack) -> None:
        if pack.tagger is None or pack.tagger.kind != "length":
            raise PackError(
                f"model '{pack.name}' tells no lengths: its [tagger] is of another kind"
            )
        self.name = pack.name
        self._engine, self._side, self._masked = engine, pack.size[0], pack.pre == MASKED
        self._told(np.zeros((1, self._side, self._side, 3), np.uint8), np.zeros((1, 4), np.float32))

    def tell(self, picture: Rgb, found: Sequence[tuple[tuple[int, int], Mask]]) -> list[float]:
        """Lengths in cm of objects in a picture (H, W, 3); of each where its mask (h, w) of 0 and 1
        begins, x and y, and the mask.

        Raises:
            EngineError: the engine cannot run it, or its outputs are no lengths.
        """
        told: list[float] = []
        for start in range(0, len(found), MOST_BATCH):
            part = found[start : start + MOST_BATCH]
            crops = [self._crop(picture, at, mask) for at, mask in part]
            height, width = picture.shape[:2]
            boxes = [
                (at[0] / width, at[1] / height, mask.shape[1] / width, mask.shape[0] / height)
                for at, mask in part
            ]
            told += self._told(np.stack(crops), np.array(boxes, np.float32)).tolist()
        return told

    def _crop(self, picture: Rgb, at: tuple[int, int], mask: Mask) -> Rgb:
        (x, y), (h, w) = at, mask.shape
        shown = picture[y : y + h, x : x + w]
        return squared(shown * mask[..., None] if self._masked else shown, self._side)

    def _told(self, images: Rgb, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        outputs = self._engine.infer({"images": images, "boxes": boxes})
        found = np.asarray(outputs.get("length", ()), float)
        if found.shape != (len(images),):
            raise PackError(f"pack '{self.name}' has no output length (n,)")
        return found
