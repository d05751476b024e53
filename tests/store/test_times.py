"""Hours, days and times as people say them, in the store's zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.store import times
from pipeline.store.calendar import MINUTE, Buckets, instant, local, midnight
from pipeline.store.times import Now

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 60 * MINUTE
#: A Thursday, 15:30 in Berlin.
NOW = Now(instant(datetime(2026, 11, 26, 15, 30, tzinfo=BERLIN)), BERLIN)


def at(*parts: int, fold: int = 0) -> int:
    return instant(datetime(*parts, tzinfo=BERLIN, fold=fold))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("yesterday 14:00", at(2026, 11, 25, 14)),
        ("gestern 14 uhr", at(2026, 11, 25, 14)),
        ("vorgestern", at(2026, 11, 24)),
        ("today", at(2026, 11, 26)),
        ("16:00", at(2026, 11, 26, 16)),
        ("2pm", at(2026, 11, 26, 14)),
        ("12am", at(2026, 11, 26)),
        ("monday", at(2026, 11, 23)),
        ("donnerstag 8h", at(2026, 11, 26, 8)),
        ("2026-11-20", at(2026, 11, 20)),
        ("2026-11-20 9:30", at(2026, 11, 20, 9, 30)),
        ("2026-11-20T09:30", at(2026, 11, 20, 9, 30)),
        ("2026-11-20T09:30+02:00", at(2026, 11, 20, 8, 30)),
        ("2026-11-20T08:30:00.250Z", at(2026, 11, 20, 9, 30) + 250),
        ("20.11.2026 09:30", at(2026, 11, 20, 9, 30)),
        ("2h", NOW.ms - 2 * HOUR),
        ("last 30m", NOW.ms - 30 * MINUTE),
        ("7d", at(2026, 11, 20)),
        ("last 2w", at(2026, 11, 13)),
    ],
)
def test_times_as_people_say_them(said, meant):
    assert times.since(said, NOW) == meant


def test_the_end_of_a_time():
    begin = at(2026, 11, 25, 14)
    assert times.until("16:00", NOW, begin) == at(2026, 11, 25, 16), "of the day it began"
    assert times.until("02:00", NOW, begin) == at(2026, 11, 26, 2), "of the day after"
    assert times.until("yesterday", NOW) == at(2026, 11, 26), "with all of the day"
    assert times.until("2026-11-20", NOW) == at(2026, 11, 21)
    assert times.until("now", NOW) == NOW.ms
    assert times.until("2026-11-20T23:00:00Z", NOW) == at(2026, 11, 21)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "soon",
        "25:00",
        "14:61",
        "13pm",
        "yesterday soon",
        "2026-13-01",
        "0001-01-01",
        "14",
        "2026-13-01T00:00Z",
    ],
)
def test_what_is_no_time_is_said(said):
    with pytest.raises(ConfigError, match="no time that is understood"):
        times.since(said, NOW)


def hours_of(zone: ZoneInfo, year: int, month: int, day: int) -> list[int]:
    """First minutes of the hours of 48 hours from a midnight on, asked for every five minutes."""
    begin = midnight(datetime(year, month, day).date(), zone)
    buckets = Buckets(zone)
    found = {buckets.of(begin + i * 5 * MINUTE) for i in range(48 * 12)}
    days = sorted({day for _, day in found})
    return [sum(d == day for _, d in found) for day in days]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), [23, 24, 1]),
        ("Europe/Berlin", (2026, 10, 25), [25, 23]),
        ("Europe/Berlin", (2026, 6, 1), [24, 24]),
        ("America/New_York", (2026, 3, 8), [23, 24, 1]),
        ("America/New_York", (2026, 11, 1), [25, 23]),
        ("America/Santiago", (2026, 9, 6), [23, 24, 1]),
        ("Asia/Kolkata", (2026, 3, 29), [24, 24]),
        ("UTC", (2026, 10, 25), [24, 24]),
    ],
)
def test_two_days_have_the_hours_that_clocks_there_show(zone, day, hours):
    assert hours_of(ZoneInfo(zone), *day) == hours


ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/Santiago", "Asia/Tehran"]


@given(st.integers(0, 2**41), st.sampled_from(ZONES))
def test_a_time_lies_in_its_hour_and_day(ms, name):
    zone = ZoneInfo(name)
    hour, day = Buckets(zone).of(ms)
    assert hour * MINUTE <= ms < hour * MINUTE + HOUR
    assert day <= hour + 60
    begin = local(day * MINUTE, zone)
    assert begin.date() == local(ms, zone).date()
    assert local(day * MINUTE - 1, zone).date() < begin.date()


def test_an_hour_that_was_twice_is_asked_for_whole():
    autumn = Now(instant(datetime(2026, 10, 26, 12, tzinfo=BERLIN)), BERLIN)
    since = times.since("2026-10-25 02:00", autumn)
    until = times.until("2026-10-25 03:00", autumn)
    assert until - since == 2 * HOUR
    spring = Now(instant(datetime(2026, 3, 30, 12, tzinfo=BERLIN)), BERLIN)
    never = times.since("2026-03-29 02:30", spring)
    assert never == instant(datetime(2026, 3, 29, 1, 30, tzinfo=timezone.utc))
    day = times.until("2026-03-29", spring) - times.since("2026-03-29", spring)
    assert day == 23 * HOUR
    assert timedelta(milliseconds=day) < timedelta(days=1)
