"""Which products would complete an outfit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.parts import COVERS, LOWER, UPPER
from pipeline.tagging.outfits.items import Item, items_of
from pipeline.tagging.outfits.products import Listed
from pipeline.tagging.outfits.scorer import Scorer
from pipeline.tagging.parsing import Parsing
from pipeline.types import Box, Frame

#: Worn over something else; of these, one is enough.
OVER = frozenset({"jacket", "coat", "cardigan", "vest", "cape"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product for an outfit.

    Attributes:
        better_than: share of the products of its category that go with the outfit worse.
    """

    product: Listed
    category: str
    better_than: float


def alone_on(parser: GarmentParser, frame: Frame) -> Parsing:
    """The only person of a picture, parsed twice: the first time shows where they are."""
    box: Box = (0.0, 0.0, float(frame.width), float(frame.height))
    parsing = parser.parse([(frame, box)])[0][0]
    if not parsing.labels.any():
        return parsing
    return parser.parse([(frame, parsing.box(parsing.labels > 0))])[0][0]


def worn_by(parser: GarmentParser, frame: Frame) -> list[Item]:
    """The garments of the only person of a picture."""
    return items_of(frame, alone_on(parser, frame))


def has_room(category: str, worn: Sequence[str]) -> bool:
    """Whether somebody can put on a garment of a category, too."""
    if category in worn:
        return False
    if category in OVER:
        return not OVER & set(worn)
    taken = {part for name in worn if name not in OVER for part in COVERS.get(name, ())}
    return not taken & set(COVERS.get(category, ())) & {UPPER, LOWER}


def suggestions(
    scorer: Scorer, worn: Sequence[Item], products: Sequence[tuple[Listed, Item]], top: int
) -> list[Suggestion]:
    """The best products of every category that the outfit has room for, best first in each.

    Categories the scorer does not know are left out: scores of different categories are not
    compared.
    """
    found = []
    names = [item.category for item in worn]
    offered = {item.category for _, item in products} & set(scorer.categories)
    for category in sorted(name for name in offered if has_room(name, names)):
        own = [(product, item) for product, item in products if item.category == category]
        scores = scorer.with_each(worn, [item for _, item in own])
        order = (-scores).argsort(kind="stable")
        found += [
            Suggestion(own[i][0], category, float((scores < scores[i]).mean())) for i in order[:top]
        ]
    return found
