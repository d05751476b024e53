"""A second look at upper garments: polo, hoodie, blazer, undershirt, ...

One EfficientNet-Lite0 pass per garment: off by default, for boxes that can afford it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engines.base import Engine
from engines.zoo import ModelSpec, labels
from pipeline.picture.background import Background, treat_background
from pipeline.picture.crop import person_window
from pipeline.picture.yuv import Window
from pipeline.types import Frame, Parsing, Tag

#: Types a garment of each category can be; others are not looked at.
REFINED: Mapping[str, tuple[str, ...]] = {
    "top, t-shirt, sweatshirt": ("T-Shirt", "Longsleeve", "Polo", "Hoodie", "Undershirt", "Top"),
    "shirt, blouse": ("Shirt", "Blouse", "Polo"),
    "sweater": ("Longsleeve", "Hoodie"),
    "jacket": ("Blazer", "Outwear", "Hoodie"),
}
#: Probability among those a type needs to be said.
LEAST = 0.6


class TypeRefiner:
    """Runs the garment classifier on the garments of a parsed person."""

    def __init__(self, engine: Engine, spec: ModelSpec, background: Background) -> None:
        self._engine = engine
        self._spec = spec
        self._background = background
        self._types = [label.name for label in labels(spec.name)]

    def refine(self, frame: Frame, parsing: Parsing, tags: tuple[Tag, ...]) -> tuple[Tag, ...]:
        """The tags with the attribute ``type`` on those of refined categories it is sure of."""
        known: dict[str, str | None] = {}
        out = []
        for tag in tags:
            category = tag.category or ""
            if category in REFINED and category not in known:
                known[category] = self._look(frame, parsing, tag, REFINED[category])
            kind = known.get(category)
            more = (*tag.attributes, ("type", kind)) if kind else tag.attributes
            out.append(replace(tag, attributes=more))
        return tuple(out)

    def _look(
        self, frame: Frame, parsing: Parsing, tag: Tag, choices: tuple[str, ...]
    ) -> str | None:
        window = person_window(tag.box, self._spec.size)
        crop = frame.crop(window, self._spec.size)
        if self._background != "keep":
            crop = treat_background(crop, _person_in(parsing, window), self._background)
        scores = self._engine.infer({"images": crop[None]})["scores"][0]
        among = np.array([scores[self._types.index(name)] for name in choices])
        best = int(among.argmax())
        return choices[best].lower() if among[best] >= LEAST * among.sum() > 0 else None


def _person_in(parsing: Parsing, window: Window) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """The person's cells of a parsing, as seen through another window."""
    height, width = parsing.labels.shape
    x0, y0, x1, y1 = parsing.window
    sx, sy = width / (x1 - x0), height / (y1 - y0)
    columns = ((np.arange(64) + 0.5) / 64 * (window[2] - window[0]) + window[0] - x0) * sx
    rows = ((np.arange(64) + 0.5) / 64 * (window[3] - window[1]) + window[1] - y0) * sy
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
    i = np.clip(rows, 0, height - 1).astype(int)
    j = np.clip(columns, 0, width - 1).astype(int)
    return np.asarray((parsing.labels[np.ix_(i, j)] > 0) & inside)
