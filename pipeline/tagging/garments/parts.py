"""Where on the body garments are worn: what is still known when no category is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

UPPER = "upper garment"
LOWER = "lower garment"
#: Parts in the order of a model's outputs.
PARTS = (UPPER, LOWER)
#: Parts that the garments of a category cover. What is worn over or under others covers none.
COVERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("shirt, blouse", "top, t-shirt, sweatshirt", "sweater", "cardigan", "jacket"),
                *("coat", "vest", "cape"),
            ),
            (UPPER,),
        ),
        **dict.fromkeys(("pants", "shorts", "skirt"), (LOWER,)),
        **dict.fromkeys(("dress", "jumpsuit"), PARTS),
        **{part: (part,) for part in PARTS},
    }
)


def chances(names: Sequence[str], probabilities: Sequence[float]) -> dict[str, float]:
    """How likely each part is covered by anything, from the probabilities of categories."""
    bare = dict.fromkeys(PARTS, 1.0)
    for name, probability in zip(names, probabilities, strict=True):
        for part in COVERS.get(name, ()):
            bare[part] *= 1.0 - probability
    return {part: 1.0 - share for part, share in bare.items()}
