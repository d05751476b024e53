"""What a parsing mask shows besides labels: sleeve and garment length.

Both are read from where things lie on the body: no further model runs. Proportions of a standing
adult are from Drillis and Contini, "Body Segment Parameters" (1966): the knee stands at 0.285 of
the height, the hip at 0.53, the ankle at 0.04.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.packs import Label
from pipeline.tagging.parsing import Mask, cells_of

#: Categories with sleeves.
SLEEVED = frozenset(
    {
        *("shirt, blouse", "top, t-shirt, sweatshirt", "sweater", "cardigan", "jacket", "coat"),
        *("dress", "jumpsuit", "upper garment"),
    }
)
#: Categories whose hem falls somewhere between hip and floor.
HEMMED = frozenset({"skirt", "dress", "coat"})
#: Hem as a share of the body from the crown, and Fashionpedia's word for it.
HEMS = ((0.54, "hip"), (0.66, "mini"), (0.78, "knee"), (0.90, "midi"), (2.0, "maxi"))
#: Bare arm cells against garment cells beside the trunk, from which sleeves count as short.
BARE = 0.12
#: Fewer cells than this tell nothing.
LEAST_CELLS = 40


@dataclass(frozen=True, slots=True)
class Body:
    """The person of one parsing: label indices (h, w), skin, garments with sleeves, and the rows
    of crown and soles."""

    labels: npt.NDArray[np.uint8]
    skin: Mask
    sleeved: Mask
    crown: int
    soles: int | None


def body_of(labels: npt.NDArray[np.uint8], known: tuple[Label, ...]) -> Body | None:
    """The body of a parsing; soles are ``None`` unless shoes are in view. ``None`` if empty."""
    rows = np.flatnonzero((labels > 0).any(axis=1))
    if not len(rows):
        return None
    names = [label.name for label in known]
    shoes = [i for i, label in enumerate(known) if label.category == "shoe"]
    shod = np.flatnonzero(cells_of(labels, shoes).any(axis=1))
    skin = labels == names.index("skin") if "skin" in names else np.zeros(labels.shape, bool)
    upper = [i for i, label in enumerate(known) if label.category in SLEEVED]
    soles = int(shod[-1]) if len(shod) else None
    return Body(labels, skin, cells_of(labels, upper), int(rows[0]), soles)


def hem(body: Body, garment: Mask) -> str | None:
    """How far down a garment reaches, if the body is in view from crown to shoes."""
    if body.soles is None or body.soles - body.crown < 40:
        return None
    cells = garment.sum(axis=1)
    rows = np.flatnonzero(cells >= max(2, 0.15 * cells.max()))
    if not len(rows):
        return None
    share = (rows[-1] + 1 - body.crown) / (body.soles + 1 - body.crown)
    return next((name for limit, name in HEMS if share <= limit), HEMS[-1][1])


def sleeve(body: Body, garment: Mask) -> str | None:
    """``long``, or ``short`` (or none), by the skin beside a garment from shoulder to hip.

    What is worn under another garment with sleeves shows none of its own.
    """
    rows = np.flatnonzero(garment.any(axis=1))
    if len(rows) < 10 or garment.sum() < LEAST_CELLS:
        return None
    height = (body.soles if body.soles is not None else body.labels.shape[0]) - body.crown
    top = int(rows[0] + 0.04 * height)
    bottom = min(int(rows[0] + 0.34 * height), int(body.crown + 0.56 * height))
    if bottom - top < 8:
        return None
    cloth, bare = garment[top:bottom], body.skin[top:bottom]
    if cloth.sum() < max(0.6 * body.sleeved[top:bottom].sum(), 1):
        return None
    # A neckline is skin with the garment on both sides; an arm has it on one side at most.
    left, right = np.cumsum(cloth, axis=1) > 0, np.cumsum(cloth[:, ::-1], axis=1)[:, ::-1] > 0
    arms = bare & ~(left & right)
    return "short" if arms.sum() >= BARE * cloth.sum() else "long"


def asked_of(category: str | None) -> tuple[bool, bool]:
    """Whether a category's sleeves and its hem are looked at."""
    return category in SLEEVED, category in HEMMED


def attributes(body: Body, garment: Mask, category: str | None) -> tuple[tuple[str, str], ...]:
    """Name and value of what is known about a garment's cells (h, w)."""
    sleeved, hemmed = asked_of(category)
    known = (
        ("sleeve", sleeve(body, garment) if sleeved else None),
        ("length", hem(body, garment) if hemmed else None),
    )
    return tuple((name, value) for name, value in known if value)
