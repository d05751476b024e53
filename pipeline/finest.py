"""One name for one thing. Of a garment and its category, whichever taggers report them, the finest
is shown; and a category is counted as the label that says no more than it: a shoe as shoes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol, TypeVar

from engines.packs import find, labels

#: The parser whose labels and categories are those of every store.
_PARSER = "garments-lite0-int8"


class Named(Protocol):
    """A tag, wherever it comes from."""

    @property
    def label(self) -> str: ...

    @property
    def category(self) -> str | None: ...

    @property
    def level(self) -> str: ...


N = TypeVar("N", bound=Named)


def finest(tags: Iterable[N]) -> tuple[N, ...]:
    """Tags without those that say no more than another of the same category does. What has no
    category stays."""
    every = tuple(tags)
    best: dict[str, N] = {}
    for tag in every:
        if tag.category and (tag.category not in best or _rank(tag) > _rank(best[tag.category])):
            best[tag.category] = tag
    return tuple(tag for tag in every if not tag.category or _stays(tag, best[tag.category]))


def _stays(tag: N, best: N) -> bool:
    """Whether a tag says something beside the finest of its category."""
    as_fine = 0 < _rank(tag) == _rank(best)
    return tag is best or (as_fine and not _same(tag.label, best.label))


@dataclass(frozen=True, slots=True)
class _Name:
    label: str
    category: str | None
    level: str


def finest_names(names: Iterable[str]) -> list[str]:
    """The same of one person's garments by their names alone, labels and categories."""
    known = frozenset(categories().values())
    tags = [
        _Name(name, name if name in known else None, "category")
        if name not in categories()
        else _Name(name, categories()[name], "fine")
        for name in names
    ]
    return [tag.label for tag in finest(tags)]


def _rank(tag: Named) -> int:
    """How fine a tag is: 2 for a label that says more than its category, 1 for one that is called
    like it, 0 for a category or less."""
    if tag.level != "fine" or tag.label == tag.category:
        return 0
    return 1 if _says_no_more(tag.label, tag.category or "") else 2


def _says_no_more(label: str, category: str) -> bool:
    return any(_same(label, name) for name in category.split(","))


def _same(first: str, second: str) -> bool:
    """Whether two names are one, but for the plural."""
    return first.strip().removesuffix("s") == second.strip().removesuffix("s")


@lru_cache(1)
def categories() -> Mapping[str, str]:
    """Label -> category."""
    known = labels(find(_PARSER))
    return MappingProxyType({one.name: one.category for one in known if one.category})


@lru_cache(1)
def _generic() -> Mapping[str, str]:
    """Category -> the label that says no more."""
    found: dict[str, str] = {}
    for category in dict.fromkeys(categories().values()):
        own = [label for label, its in categories().items() if its == category]
        for name in category.split(","):
            for label in own:
                if _same(label, name):
                    found.setdefault(category, label)
    return MappingProxyType(found)


def called(category: str) -> str:
    """What a category is called beside labels: its own name where no label says just that."""
    return _generic().get(category, category)


def uncovered(names: Mapping[str, int], finer: Iterable[str]) -> dict[str, int]:
    """Counts of categories, without those of which a label is among ``finer``."""
    covered = {categories().get(label) for label in finer}
    return {name: n for name, n in names.items() if name not in covered}
