"""What a regression of lengths learns from: crops, where they were, and how long things are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engines.teach.lesson import Indices, TeachError
from engines.teach.splits import hash_share
from engines.teach.twins import Image

F32 = npt.NDArray[np.float32]
#: Groups that AutoFish's authors test on, and choose regressions by.
TEST = frozenset(map(str, (10, 14, 20, 21, 22)))
VALIDATION = frozenset(map(str, (1, 6, 11, 17, 25)))
#: Share of the groups of other collections that is held out for either.
HELD = 0.2
#: Objects to learn from, at least.
LEAST = 8
#: What becomes of an object.
LEARNT = 0
CHOSEN_BY = 1
TESTED = 2


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One object.

    Attributes:
        crop: RGB (side, side, 3).
        box: x, y, width, height, as shares of the picture's width and height.
        length: in cm.
        key: the same for what is never parted.
        identity: which object it is, in all pictures that show it.
    """

    crop: Image
    box: tuple[float, float, float, float]
    length: float
    key: str
    identity: str
    occluded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """Checked objects, row by row: crops, boxes (n, 4), lengths (n,), whether occluded (n,), and
    ``LEARNT``, ``CHOSEN_BY`` or ``TESTED`` (n,). ``masked``: crops are black around objects."""

    crops: Sequence[Image]
    boxes: F32
    lengths: F32
    occluded: npt.NDArray[np.bool_]
    part: Indices
    notes: tuple[str, ...] = field(default=())
    masked: bool = True

    def rows(self, part: int) -> Indices:
        return np.flatnonzero(self.part == part)


def parts_of(keys: Sequence[str]) -> Indices:
    """``LEARNT``, ``CHOSEN_BY`` or ``TESTED`` of each object, by the key of its group.

    AutoFish's groups are split as its authors did. Of other groups a fifth each is tested and
    chosen by, always the same ones.

    Raises:
        TeachError: there are fewer than three groups.
    """
    every = sorted(set(keys), key=lambda key: (hash_share(key), key))
    if len(every) < 3:
        raise TeachError(
            f"{len(every)} group(s): one to learn from, one to choose by and one to test on are "
            "needed; objects of one group are never parted"
        )
    tested = _held(every, TEST)
    rest = [key for key in every if key not in tested]
    chosen = _held(rest, VALIDATION)
    found = [TESTED if key in tested else CHOSEN_BY if key in chosen else LEARNT for key in keys]
    return np.array(found, np.int64)


def _held(keys: Sequence[str], published: frozenset[str]) -> set[str]:
    """Those of the published groups that are there, or, where that is none or all, a share."""
    found = published & set(keys)
    if found and len(found) < len(keys):
        return set(found)
    return set(keys[: max(round(HELD * len(keys)), 1)])


def make_lengths(
    objects: Iterable[Measured], notes: Iterable[str] = (), missing: Iterable[str] = ()
) -> Lengths:
    """Check objects and split them. An object of which other pictures are tested on is not learnt
    from, nor chosen by.

    Args:
        missing: further groups, of which no object may be there: they count for the split.

    Raises:
        TeachError: there are too few, or too few groups.
    """
    every = list(objects)
    told = list(notes)  # some are written while pictures are read
    if len(every) < LEAST:
        raise TeachError(
            f"{len(every)} object(s) with a picture and a length; the least is {LEAST}"
            f"{': ' + told[-1] if told else ''}"
        )
    part = parts_of([*(one.key for one in every), *missing])[: len(every)]
    tested = {one.identity for one, own in zip(every, part, strict=True) if own == TESTED}
    kept = [i for i, one in enumerate(every) if part[i] == TESTED or one.identity not in tested]
    if len(kept) < len(every):
        told.append(f"left out: {len(every) - len(kept)} looks at objects that are tested on, too")
    rows = [every[i] for i in kept]
    found = Lengths(
        [one.crop for one in rows],
        np.array([one.box for one in rows], np.float32),
        np.array([one.length for one in rows], np.float32),
        np.array([one.occluded for one in rows], bool),
        part[kept],
        tuple(told),
    )
    if min(len(found.rows(own)) for own in (LEARNT, CHOSEN_BY, TESTED)) < 2:
        raise TeachError(
            "too few objects to learn from, choose by and test on; add some groups"
            f"{': ' + told[-1] if told else ''}"
        )
    return found
