"""A second look at upper garments: polo, hoodie, blazer, undershirt, ...

One EfficientNet-Lite0 pass per garment: off by default, for boxes that can afford it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from engines.base import Engine
from engines.packs import Pack, labels
from engines.packs.tagger import Background
from pipeline.picture.background import treat_background
from pipeline.picture.crop import person_window
from pipeline.tagging.parsing import Parsing
from pipeline.types import Frame, Tag

#: Types a garment of each category can be; others get no second look.
REFINED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "top, t-shirt, sweatshirt": (
            "T-Shirt",
            "Longsleeve",
            "Polo",
            "Hoodie",
            "Undershirt",
            "Top",
        ),
        "shirt, blouse": ("Shirt", "Blouse", "Polo"),
        "sweater": ("Longsleeve", "Hoodie"),
        "jacket": ("Blazer", "Outwear", "Hoodie"),
    }
)
#: Probability among those a type needs to be reported.
LEAST = 0.6


class TypeRefiner:
    """Runs the garment classifier on the garments of a parsed person."""

    def __init__(self, engine: Engine, pack: Pack, background: Background) -> None:
        self._engine = engine
        self._pack = pack
        self._background = background
        self._types = [label.name for label in labels(pack)]

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
        window = person_window(tag.box, self._pack.size)
        crop = frame.crop(window, self._pack.size)
        if self._background != "keep":
            crop = treat_background(crop, parsing.person_through(window), self._background)
        scores = self._engine.infer({"images": crop[None]})["scores"][0]
        among = np.array([scores[self._types.index(name)] for name in choices])
        best = int(among.argmax())
        return choices[best].lower() if among[best] >= LEAST * among.sum() > 0 else None
