"""Marks made of simple shapes, and an embedding good enough for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.packs import Tensor, find
from pipeline.tagging.logos.gallery_edit import NewPicture, read_picture

SIDE = 48
#: Any pack whose embeddings are as long as those of ``pixels``.
MODEL = replace(find("garment-types-lite0"), outputs=(Tensor("embeddings", "float32", ("n", 144)),))
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
SHAPES = {
    "disc": '<circle cx="12" cy="12" r="9"/>',
    "bar": '<path d="M2 6h20v4H2zm0 8h20v4H2z"/>',
    "cross": '<path d="M9 2h6v7h7v6h-7v7H9v-7H2V9h7z"/>',
    "wedge": '<path d="M2 22L12 2l10 20z"/>',
    "ring": '<path d="M12 2a10 10 0 100 20a10 10 0 000-20zm0 4a6 6 0 110 12a6 6 0 010-12z"/>',
}


def write_shapes(folder: Path) -> Path:
    """One SVG for every shape."""
    folder.mkdir()
    for name, shape in SHAPES.items():
        (folder / f"{name}.svg").write_text(f"{HEAD}{shape}</svg>", encoding="utf-8")
    return folder


def pixels(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """An embedding good enough for shapes: edges of the small grey picture."""
    grey = np.stack([cv2.resize(c, (12, 12), interpolation=cv2.INTER_AREA) for c in crops]).mean(3)
    flat = np.abs(grey - grey[:, :1, :1]).reshape(len(crops), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return (flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def pictures(paths: Iterable[Path]) -> list[NewPicture]:
    """Pictures for a gallery, each of the brand its file is named like."""
    return [read_picture(path.stem, path, pixels, SIDE) for path in paths]
