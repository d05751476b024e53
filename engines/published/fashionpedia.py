"""The 46 categories of Fashionpedia (Jia et al., ECCV 2020), in the order of their ids."""

from __future__ import annotations

GARMENTS = (
    "shirt, blouse",
    "top, t-shirt, sweatshirt",
    "sweater",
    "cardigan",
    "jacket",
    "vest",
    "pants",
    "shorts",
    "skirt",
    "coat",
    "dress",
    "jumpsuit",
    "cape",
)
ACCESSORIES = (
    "glasses",
    "hat",
    "headband, head covering, hair accessory",
    "tie",
    "glove",
    "watch",
    "belt",
    "leg warmer",
    "tights, stockings",
    "sock",
    "shoe",
    "bag, wallet",
    "scarf",
    "umbrella",
)
#: Parts of garments, closures and decorations: never reported by themselves.
PARTS = (
    *("hood", "collar", "lapel", "epaulette", "sleeve", "pocket", "neckline"),
    *("buckle", "zipper"),
    *("applique", "bead", "bow", "flower", "fringe", "ribbon", "rivet", "ruffle", "sequin"),
    "tassel",
)
CATEGORIES = (*GARMENTS, *ACCESSORIES, *PARTS)
