"""A person's garments, cell by cell: what a parsing model returns, and where its cells lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.heads import upper_part
from pipeline.picture.yuv import inside
from pipeline.types import Box, Window

Mask = npt.NDArray[np.bool_]
#: Most cells of a person, skin and hair among them, for one of clothes.
BARE = 5


@dataclass(frozen=True, slots=True, eq=False)
class Parsing:
    """Garment labels inside of one person's window.

    Attributes:
        window: where in the frame the crop was taken, xyxy in frame pixels.
        labels: label index per cell (h, w) uint8; 0 is background.
        scores: score of the winning label per cell (h, w) float32.
        categories: Fashionpedia category of each label, ``None`` where it has none.
        on_head: labels of what is on heads: hair, skin, glasses, hats.
    """

    window: Window
    labels: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    categories: tuple[str | None, ...] = ()
    on_head: tuple[int, ...] = ()

    @property
    def _scale(self) -> tuple[float, float]:
        """Cells per frame pixel, across and down."""
        height, width = self.labels.shape
        x0, y0, x1, y1 = self.window
        return width / max(x1 - x0, 1), height / max(y1 - y0, 1)

    @property
    def dressed(self) -> bool:
        """Whether clothes make up a fifth or more of what is not background. The parser knows
        people only: things and walls it mostly takes for skin and hair."""
        cells = np.bincount(self.labels.ravel(), minlength=len(self.categories))
        clothes = sum(int(cells[i]) for i, name in enumerate(self.categories) if name)
        return 0 < self.labels.size - int(cells[0]) <= BARE * clothes

    def box(self, mask: Mask) -> Box:
        """Box in frame pixels around the cells set in a mask (h, w); at least one must be."""
        rows, columns = around(mask, 0)
        height, width = mask.shape
        x0, y0, x1, y1 = self.window
        sx, sy = (x1 - x0) / width, (y1 - y0) / height
        return (
            float(x0 + columns.start * sx),
            float(y0 + rows.start * sy),
            float(x0 + columns.stop * sx),
            float(y0 + rows.stop * sy),
        )

    def head(self, person: Box) -> Box | None:
        """Box in frame pixels around hair and skin in the upper part of the person; ``None`` if
        there are none."""
        y0, (_, sy) = self.window[1], self._scale
        mask = cells_of(self.labels, self.on_head) if self.on_head else self.labels < 0
        mask[max(int((upper_part(person) - y0) * sy), 0) :] = False
        return self.box(large_pieces(mask)) if mask.any() else None

    def category_under(self, box: Box) -> str | None:
        """Category of the garment most of a box (frame pixels) lies on; ``None`` if none."""
        sx, sy = self._scale
        x0, y0 = self.window[:2]
        columns = slice(max(int((box[0] - x0) * sx), 0), max(int(np.ceil((box[2] - x0) * sx)), 0))
        rows = slice(max(int((box[1] - y0) * sy), 0), max(int(np.ceil((box[3] - y0) * sy)), 0))
        cells = self.labels[rows, columns]
        if not cells.size:
            return None
        counts: dict[str | None, int] = {}
        for index, count in zip(*np.unique(cells, return_counts=True), strict=True):
            name = self.categories[int(index)]
            counts[name] = counts.get(name, 0) + int(count)
        return max(counts, key=lambda name: counts[name])

    def person_through(self, window: Window, side: int = 64) -> Mask:
        """Where another window shows the person, as cells (side, side)."""
        height, width = self.labels.shape
        sx, sy = self._scale
        x0, y0 = self.window[:2]
        steps = (np.arange(side) + 0.5) / side
        columns = (steps * (window[2] - window[0]) + window[0] - x0) * sx
        rows = (steps * (window[3] - window[1]) + window[1] - y0) * sy
        within_x = (columns >= 0) & (columns < width)
        within_y = (rows >= 0) & (rows < height)
        i = np.clip(rows, 0, height - 1).astype(int)
        j = np.clip(columns, 0, width - 1).astype(int)
        return np.asarray((self.labels[np.ix_(i, j)] > 0) & within_y[:, None] & within_x[None])

    def paste(self, canvas: npt.NDArray[np.uint8]) -> None:
        """Write the garment labels, not the background, into a mask (H, W) of the whole picture, in
        place."""
        x0, y0, x1, y1 = inside(self.window, canvas.shape[1], canvas.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        sx, sy = self._scale
        wx0, wy0 = self.window[:2]
        # Pixel centre x + 0.5 of the picture lies in cell (x + 0.5 - wx0) * sx, rounded down.
        across, down = (x0 + 0.5 - wx0) * sx - 0.5, (y0 + 0.5 - wy0) * sy - 0.5
        part = cv2.warpAffine(
            self.labels,
            np.array([[sx, 0, across], [0, sy, down]]),
            (x1 - x0, y1 - y0),
            flags=cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE,
        )
        np.copyto(canvas[y0:y1, x0:x1], part.astype(np.uint8), where=part > 0)


def cells_of(labels: npt.NDArray[np.uint8], members: Sequence[int]) -> Mask:
    """Where labels (h, w) are one of ``members``."""
    if len(members) == 1:
        return np.asarray(labels == members[0])
    found = np.zeros(labels.shape, bool)
    for member in members:  # several times as fast as a table of all labels
        found |= labels == member
    return found


def around(mask: Mask, margin: int = 1) -> tuple[slice, slice]:
    """Rows and columns of a mask (h, w) around its set cells; at least one must be."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return (
        slice(max(y - margin, 0), y + height + margin),
        slice(max(x - margin, 0), x + width + margin),
    )


def large_pieces(mask: Mask, least: float = 0.25) -> Mask:
    """A mask (h, w) without connected pieces smaller than ``least`` of its largest: strays."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.concatenate([[False], areas >= least * areas.max()])
    found: Mask = keep[pieces]
    return found
