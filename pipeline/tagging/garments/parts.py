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
#: Layers that the garments of a category take: of those that share one, hardly anybody wears two.
#: On 1,698 street photos such pairs are at most a quarter as frequent as chance would have them
#: (shirt and top 0.14, top and sweater 0.17, jacket and coat 0.19, dress and trousers 0.22, shorts
#: and skirt 0.08); all others 0.3 and more (shirt and sweater 0.53).
LAYERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "shirt, blouse": ("inner",),
        "top, t-shirt, sweatshirt": ("inner", "middle"),
        **dict.fromkeys(("sweater", "cardigan"), ("middle",)),
        **dict.fromkeys(("jacket", "coat"), ("outer",)),
        **dict.fromkeys(("dress", "jumpsuit", "pants", "shorts", "skirt"), ("legs",)),
    }
)


def chances(names: Sequence[str], probabilities: Sequence[float]) -> dict[str, float]:
    """How likely each part is covered by anything, from the probabilities of categories."""
    bare = dict.fromkeys(PARTS, 1.0)
    for name, probability in zip(names, probabilities, strict=True):
        for part in COVERS.get(name, ()):
            bare[part] *= 1.0 - probability
    return {part: 1.0 - share for part, share in bare.items()}
