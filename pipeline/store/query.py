"""What is searched. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.store.visits import Term, Visit


@dataclass(frozen=True, slots=True)
class Garment:
    """One thing somebody wears: what it may be (a label, category or brand; any of these), all of
    its colours and attributes."""

    names: tuple[Term, ...] = ()
    colours: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    @property
    def simple(self) -> bool:
        """Whether the index alone tells that one garment is all of it."""
        return (not self.attributes and len(self.colours) <= 1) or len(self.facets) == 1

    @property
    def facets(self) -> list[object]:
        return [*([self.names] if self.names else []), *self.colours, *self.attributes]

    def __str__(self) -> str:
        name = self.names[0][1] if self.names else "anything"
        values = [one.partition("=")[2] for one in self.attributes]
        return " ".join((*self.colours, *values, name))


@dataclass(frozen=True, slots=True)
class Query:
    """People with all garments of one of ``either`` (none: everybody) and no garment of
    ``without``, at any of the cameras, in any of the zones; who came from ``since`` on and before
    ``until``, milliseconds."""

    either: tuple[tuple[Garment, ...], ...] = ()
    without: tuple[Garment, ...] = ()
    cameras: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Visits, newest first.

    Attributes:
        next: the cursor of the next page; ``None``: there is none.
    """

    visits: Sequence[Visit]
    next: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many visits a query finds; with ``exact`` false at least so many."""

    n: int
    exact: bool


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """What the visits a query finds wear, and where they were: kind -> name -> visits.

    Attributes:
        of: the newest visits that were counted.
        exact: these are all.
    """

    counts: Mapping[str, Mapping[str, int]]
    of: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Series:
    """Counts by hour or day, in the order of time.

    Attributes:
        starts: when each begins, milliseconds.
    """

    starts: Sequence[int] = ()
    counts: Sequence[int] = field(default=())
