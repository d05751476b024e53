"""The words of the search box into facets: ``red jacket entrance yesterday 2pm-4pm``. What is not
understood is reported, never left out silently."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.errors import ConfigError
from pipeline.store import times
from pipeline.store.query import Garment, Query
from pipeline.store.times import Now
from pipeline.store.visits import Term
from pipeline.store.words import AND, ATTRIBUTES, COLOURS, FILLING, GARMENTS, LABELS, NOT, OR

#: Words a name may have.
_LONGEST = 4
_SPAN = re.compile(r"(.+?)\s*[-–]\s*(.+)")  # noqa: RUF001  # people type both
_ENDINGS = ("", "s", "es", "e", "en", "er", "em", "n")


class UnknownWordsError(ConfigError):
    """Words of a search that mean nothing here.

    Attributes:
        words: each with known words like it.
    """

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self.words = words
        told = [
            f"'{word}'" + (f" ({' or '.join(near)}?)" if near else "")
            for word, near in words.items()
        ]
        super().__init__(f"not understood: {', '.join(told)}; see threadline search --names")


class Vocabulary:
    """All words that mean something: the store's names, and what else they are called."""

    def __init__(self, names: Iterable[Term]) -> None:
        self._known: dict[str, list[Term]] = {}
        for kind, name in names:
            for word in {name, *(name.split(",") if kind == "category" else ())}:
                self._add(word, (kind, name))
        for word, colour in COLOURS.items():
            self._add(word, ("colour", colour))
        for colour in set(COLOURS.values()):
            self._add(colour, ("colour", colour))
        for word, value in ATTRIBUTES.items():
            self._add(word, ("attribute", value))
        for word, meant in GARMENTS.items():
            for name in meant:
                for term in [*self._known.get(name, ()), ("label", name)]:
                    if term[0] in ("label", "category"):
                        self._add(word, term)
                        self._add(name, term)
        for name in LABELS:
            self._add(name, ("label", name))

    def _add(self, word: str, term: Term) -> None:
        known = self._known.setdefault(_plain(word), [])
        if term not in known:
            known.append(term)

    def find(self, words: Sequence[str]) -> list[Term]:
        """What words mean together, as they are or without an ending."""
        text = " ".join(words)
        for ending in _ENDINGS:
            stem = text.removesuffix(ending) if ending else text
            if len(stem) >= 2 and text.endswith(ending) and stem in self._known:
                return self._known[stem]
        for ending in ("s", "es"):  # trouser, jean
            if text + ending in self._known:
                return self._known[text + ending]
        return []

    def near(self, word: str) -> list[str]:
        """Known words like one that is unknown."""
        return difflib.get_close_matches(word, self._known, 2, 0.75)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


@dataclass(slots=True)
class _Found:
    """What was understood so far."""

    either: list[list[Garment]] = field(default_factory=lambda: [[]])
    without: list[Garment] = field(default_factory=list)
    places: dict[str, list[str]] = field(default_factory=lambda: {"camera": [], "zone": []})
    day: str = ""
    clocks: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    open: Garment = field(
        default_factory=Garment
    )  # colours and attributes whose garment is still to come
    negated: bool = False

    def close(self) -> None:
        """A garment is told in full."""
        if self.open != Garment():
            (self.without if self.negated else self.either[-1]).append(self.open)
            self.open, self.negated = Garment(), False


def understood(text: str, vocabulary: Vocabulary, now: Now) -> Query:
    """What a text asks for.

    Raises:
        UnknownWordsError: it has words that mean nothing here.
        ConfigError: a time is none.
    """
    words = _words(text)
    found, at = _Found(), 0
    while at < len(words):
        at += _step(words, at, vocabulary, now, found)
    found.close()
    if found.unknown:
        raise UnknownWordsError({word: vocabulary.near(word) for word in found.unknown})
    since, until = _span(found, now)
    either = tuple(tuple(garments) for garments in found.either if garments)
    return Query(
        either,
        tuple(found.without),
        tuple(found.places["camera"]),
        tuple(found.places["zone"]),
        since,
        until,
    )


def _words(text: str) -> list[str]:
    joined = re.sub(r"(\d)\s*[-–]\s*(\d)", r"\1-\2", text.casefold())  # noqa: RUF001
    joined = re.sub(r"(\d) (uhr|am|pm|h)\b", r"\1\2", joined)
    return re.findall(r"[,+&]|[^\s,+&]+", joined)


def _step(words: list[str], at: int, vocabulary: Vocabulary, now: Now, found: _Found) -> int:
    """Understand what stands at a place; how many words that were."""
    for count in range(min(_LONGEST, len(words) - at), 0, -1):
        if terms := vocabulary.find(words[at : at + count]):
            _take(terms, found)
            return count
    word = words[at]
    if word in AND:
        found.close()
    elif word in OR:
        found.close()
        found.either.append([])
    elif word in NOT:
        found.close()
        found.negated = True
    elif times.day_of(word, now) or times.length(word, now) is not None:
        found.day = word
    elif _clocks(word):
        found.clocks += _clocks(word)
    elif word not in FILLING:
        found.unknown.append(word)
    return 1


def _take(terms: Sequence[Term], found: _Found) -> None:
    kind, name = terms[0]
    kinds = {kind for kind, _ in terms}
    if kinds & {"label", "category", "brand"}:
        # A brand and a garment of one name would both be meant; names stand after their colours.
        garment = tuple(term for term in terms if term[0] in ("label", "category", "brand"))
        found.open = replace(found.open, names=garment)
        found.close()
    elif kind == "colour":
        found.open = replace(found.open, colours=(*found.open.colours, name))
    elif kind == "attribute":
        found.open = replace(found.open, attributes=(*found.open.attributes, name))
    else:
        found.close()
        found.places[kind].append(name)


def _clocks(word: str) -> list[str]:
    """A time of day or two: ``14:00``, ``2pm-4pm``, ``14-16h``."""
    if times.clock_of(word) is not None:
        return [word]
    match = _SPAN.fullmatch(word)
    if not match:
        return []
    first, second = match.groups()
    unit = re.sub(r"[\d:.]+", "", second)
    if times.clock_of(first) is None:
        first = f"{first}{unit}" if unit else f"{first}:00"
    second = second if times.clock_of(second) is not None else f"{second}:00"
    both = [first, second]
    return both if all(times.clock_of(one) is not None for one in both) else []


def _span(found: _Found, now: Now) -> tuple[int | None, int | None]:
    if not found.day and not found.clocks:
        return None, None
    if found.day and (start := times.length(found.day, now)) is not None:
        return start, None
    day = found.day or "today"
    if not found.clocks:
        return times.since(day, now), times.until(day, now)
    since = times.since(f"{day} {found.clocks[0]}", now)
    if len(found.clocks) == 1:
        return since, times.until(day, now)
    return since, times.until(found.clocks[1], now, since)


def joined(first: Query, second: Query) -> Query:
    """People who are of both queries."""
    either = tuple(
        (*one, *other) for one in first.either or ((),) for other in second.either or ((),)
    )
    sinces = [at for at in (first.since, second.since) if at is not None]
    untils = [at for at in (first.until, second.until) if at is not None]
    return Query(
        tuple(one for one in either if one),
        first.without + second.without,
        first.cameras + second.cameras,
        first.zones + second.zones,
        max(sinces, default=None),
        min(untils, default=None),
    )


def either_of(first: Query, second: Query) -> Query:
    """People who wear what one of two queries asks for."""
    return replace(first, either=first.either + second.either)
