"""The words of the search box."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.store.calendar import instant
from pipeline.store.language import Vocabulary, either_of, joined, understood
from pipeline.store.query import Garment
from pipeline.store.times import Now

BERLIN = ZoneInfo("Europe/Berlin")
NOW = Now(instant(datetime(2026, 11, 26, 15, 30, tzinfo=BERLIN)), BERLIN)
NAMES = [
    ("camera", "entrance"),
    ("camera", "Eingang Süd"),
    ("zone", "till"),
    ("label", "jacket"),
    ("category", "jacket"),
    ("label", "jeans"),
    ("category", "bag, wallet"),
    ("category", "upper garment"),
    ("colour", "red"),
    ("colour", "blue"),
    ("brand", "nike"),
    ("brand", "O'Neill"),
]
WORDS = Vocabulary(NAMES)


def asked(text: str):
    return understood(text, WORDS, NOW)


def told(text: str) -> list[list[str]]:
    return [[str(garment) for garment in garments] for garments in asked(text).either]


@pytest.mark.parametrize(
    ("text", "garments"),
    [
        ("red jacket", [["red jacket"]]),
        ("rote Jacke", [["red jacket"]]),
        ("ROTE JACKEN", [["red jacket"]]),
        ("eine Person mit roter Jacke und blauer Jeans", [["red jacket", "blue jeans"]]),
        ("red jacket, blue jeans", [["red jacket", "blue jeans"]]),
        ("jacket or jeans", [["jacket"], ["jeans"]]),
        ("jacke oder blaue jeans", [["jacket"], ["blue jeans"]]),
        ("red", [["red anything"]]),
        ("red blue jacket", [["red blue jacket"]]),
        ("striped red jacket", [["red striped jacket"]]),
        ("gestreifte jacke", [["striped jacket"]]),
        ("long sleeved jacket", [["long jacket"]]),
        ("nike jacket", [["nike", "jacket"]]),
        ("o'neill", [["O'Neill"]]),
        ("wallet", [["bag, wallet"]]),
        ("sweater", [["sweater"]]),
    ],
)
def test_clothes_in_english_and_german(text, garments):
    assert told(text) == garments


def test_a_word_may_mean_a_label_and_a_category():
    [[jacket]] = asked("jacke").either
    assert set(jacket.names) == {("label", "jacket"), ("category", "jacket")}
    [[bag]] = asked("bag").either
    assert set(bag.names) == {("label", "bag"), ("category", "bag, wallet")}


def test_places_times_and_what_is_not_wanted():
    found = asked("red jacket entrance yesterday 2pm-4pm without jeans")
    assert found.cameras == ("entrance",)
    assert [str(one) for one in found.without] == ["jeans"]
    assert found.since == instant(datetime(2026, 11, 25, 14, tzinfo=BERLIN))
    assert found.until == instant(datetime(2026, 11, 25, 16, tzinfo=BERLIN))
    assert asked("rote jacke eingang süd gestern 14 - 16 uhr").cameras == ("Eingang Süd",)
    assert asked("jacke till").zones == ("till",)
    german = asked("jacke gestern 14-16 uhr ohne jeans")
    assert (german.since, german.until, len(german.without)) == (found.since, found.until, 1)
    whole = asked("jacket yesterday")
    assert whole.until - whole.since == 24 * 3_600_000


@pytest.mark.parametrize("text", ["red jaket", "frobnicate", "rote jacke xyzzy"])
def test_words_that_mean_nothing_are_reported(text):
    with pytest.raises(ConfigError, match="not understood") as error:
        asked(text)
    if text == "red jaket":
        assert "jacket or" in str(error.value)


def test_queries_are_joined():
    red, blue, hat = (asked(text) for text in ("red jacket", "blue jeans", "hat"))
    both = joined(red, blue)
    assert [[str(g) for g in gs] for gs in both.either] == [["red jacket", "blue jeans"]]
    assert len(either_of(both, hat).either) == 2
    later = joined(asked("yesterday"), asked("today"))
    assert later.since > later.until - 1, "no time is both"


@given(st.text(max_size=60))
def test_whatever_is_typed_is_answered_or_reported(text):
    try:
        found = asked(text)
    except ConfigError:
        return
    assert all(isinstance(g, Garment) for gs in found.either for g in gs)
