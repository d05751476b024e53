"""What is taught: pictures, their labels, and what is wrong with them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engines.base import EngineError
from engines.teach.twins import Image, groups, twins

Indices = npt.NDArray[np.int64]
#: Pictures a class needs: one to learn from and one to tell whether it was learnt.
LEAST_PICTURES = 2
#: Letters of a label.
MOST_LETTERS = 60
#: Classes this many times as large as others are named.
UNBALANCED = 10
#: Cases of one kind that are named.
_MOST_TOLD = 5


class TeachError(EngineError):
    """What cannot be taught, in one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: RGB uint8 (H, W, 3), its label, and where it is from, for people."""

    rgb: Image
    label: str
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Checked pictures.

    Attributes:
        names: labels, in the order of class indices: alphabetical.
        classes: class index of each picture.
        together: pictures with the same number are nearly the same and never part.
        notes: what people should know about the pictures, a line each.
    """

    pictures: tuple[Picture, ...]
    names: tuple[str, ...]
    classes: Indices
    together: Indices
    notes: tuple[str, ...] = field(default=())

    @property
    def counts(self) -> Indices:
        """Pictures of each class."""
        return np.bincount(self.classes, minlength=len(self.names))


def label_of(text: str) -> str:
    """A label as it is kept: composed Unicode, single spaces.

    Raises:
        TeachError: nothing is left, it is too long, or cannot be printed.
    """
    label = " ".join(unicodedata.normalize("NFC", text).split())
    if not label or len(label) > MOST_LETTERS or not label.isprintable():
        raise TeachError(
            f"label {text[:80]!a}: must be 1 to {MOST_LETTERS} printable letters; rename it"
        )
    return label


def make_lesson(pictures: Iterable[Picture], notes: Iterable[str] = ()) -> Lesson:
    """Check pictures and find those that are nearly the same.

    Classes with a single picture are left out, and said so.

    Raises:
        TeachError: fewer than two classes are left.
    """
    every = list(pictures)
    told = list(notes)  # some are written while pictures are read
    counts = Counter(one.label for one in every)
    lone = sorted(name for name, count in counts.items() if count < LEAST_PICTURES)
    if lone:
        told.append(f"left out, with a single picture each: {_listed(lone)}")
    kept = tuple(one for one in every if one.label not in lone)
    names = tuple(sorted({one.label for one in kept}))
    if len(names) < 2:
        sizes = [f"{name}: {count}" for name, count in sorted(counts.items())]
        raise TeachError(
            f"{len(names)} class(es) with {LEAST_PICTURES} pictures or more"
            f"{' (' + _listed(sizes) + ')' if counts else ''}: a classifier needs two; add "
            "pictures of something else, such as a class 'other'"
        )
    index = {name: i for i, name in enumerate(names)}
    classes = np.array([index[one.label] for one in kept], np.int64)
    pairs = twins(one.rgb for one in kept)
    told += _about(names, classes, kept, pairs)
    return Lesson(kept, names, classes, groups(len(kept), pairs), tuple(told))


def _about(
    names: tuple[str, ...],
    classes: Indices,
    kept: tuple[Picture, ...],
    pairs: list[tuple[int, int]],
) -> list[str]:
    """What is odd about the pictures."""
    told = []
    across = [(a, b) for a, b in pairs if classes[a] != classes[b]]
    if across:
        some = [f"{kept[a].origin} and {kept[b].origin}" for a, b in across]
        told.append(
            f"{len(across)} pair(s) of nearly the same picture in two classes, of which at least "
            f"one label is wrong: {_listed(some)}"
        )
    if len(pairs) > len(across):
        told.append(
            f"{len(pairs) - len(across)} pair(s) of nearly the same picture in one class: they "
            "stay on one side of every split"
        )
    counts = np.bincount(classes)
    if counts.max() > UNBALANCED * counts.min():
        told.append(
            f"unbalanced: {counts.max()} pictures of '{names[int(counts.argmax())]}', "
            f"{counts.min()} of '{names[int(counts.argmin())]}'; rare ones count for more each"
        )
    folded = Counter(name.casefold() for name in names)
    same = [name for name in names if folded[name.casefold()] > 1]
    if same:
        told.append(f"labels that differ by capitals alone count as different: {_listed(same)}")
    return told


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _MOST_TOLD} more" if len(items) > _MOST_TOLD else ""
    return ", ".join(items[:_MOST_TOLD]) + more
