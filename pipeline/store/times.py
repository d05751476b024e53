"""Times as people say them, in the store's time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from pipeline.errors import ConfigError
from pipeline.store.calendar import instant, local, midnight

DAYS_AGO = MappingProxyType({"today": 0, "heute": 0, "yesterday": 1, "gestern": 1, "vorgestern": 2})
WEEKDAYS = MappingProxyType(
    {
        name: number
        for number, names in enumerate(
            (
                ("monday", "montag"),
                ("tuesday", "dienstag"),
                ("wednesday", "mittwoch"),
                ("thursday", "donnerstag"),
                ("friday", "freitag"),
                ("saturday", "samstag"),
                ("sunday", "sonntag"),
            )
        )
        for name in names
    }
)
_UNITS = MappingProxyType({"m": 60_000, "h": 3_600_000, "d": 0, "w": 0})
_CLOCK = re.compile(r"(\d{1,2})(?:[:.](\d{2})(?::(\d{2}))?)? ?(am|pm|h|uhr)?")
_LENGTH = re.compile(r"(?:last |letzte )?(\d{1,5}) ?(m|min|h|d|w|days?|hours?|tage?|stunden?)")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[t ][\d:.]+(z|[+-]\d{2}:\d{2})", re.IGNORECASE)
_HINT = "such as 'yesterday 14:00', '16:00', '2026-11-25', '2026-11-25 14:00' or '7d'"


@dataclass(frozen=True, slots=True)
class Now:
    """The moment from which people count, and where.

    Attributes:
        ms: milliseconds since the epoch.
        zone: the store's.
    """

    ms: int
    zone: ZoneInfo

    @property
    def day(self) -> date:
        return local(self.ms, self.zone).date()


def length(text: str, now: Now) -> int | None:
    """When something began that lasts until now: ``7d``, ``last 24h``; days are whole ones, with
    today. ``None``: it says no length."""
    match = _LENGTH.fullmatch(text.strip().lower())
    if not match:
        return None
    n, unit = int(match[1]), match[2][0].replace("t", "d").replace("s", "h")
    if unit in "dw":
        days = n * (7 if unit == "w" else 1)
        return midnight(_back(now.day, max(days - 1, 0)), now.zone)
    return now.ms - n * _UNITS[unit]


def moment(text: str) -> int | None:
    """A time in ISO 8601 with its offset, whatever the zone: ``2026-11-25T14:00:00Z``. ``None``:
    it is none."""
    if not _MOMENT.fullmatch(text.strip()):
        return None
    try:  # in words that Python 3.10 knows
        found = datetime.strptime(_spelled(text.strip().upper()), "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return None
    return round(found.timestamp() * 1000)


def since(text: str, now: Now) -> int:
    """When a time begins.

    Raises:
        ConfigError: it is none.
    """
    found = length(text, now)
    found = moment(text) if found is None else found
    if found is not None:
        return found
    day, clock = _split(text, now)
    return _at(day or now.day, clock, now.zone, fold=0) if clock is not None else _begin(day, now)


def until(text: str, now: Now, begin: int | None = None) -> int:
    """When a time ends: a day with its last moment; a time of day that is told alone is of the day
    of ``begin``, or of the one after where that is earlier.

    Raises:
        ConfigError: it is none.
    """
    if text.strip().lower() in ("now", "jetzt"):
        return now.ms
    if (exact := moment(text)) is not None:
        return exact
    day, clock = _split(text, now)
    if clock is None:
        assert day is not None
        return midnight(day + timedelta(days=1), now.zone)
    if day is not None:
        return _at(day, clock, now.zone, fold=1)
    day = now.day if begin is None else local(begin, now.zone).date()
    found = _at(day, clock, now.zone, fold=1)
    if begin is not None and found <= begin:
        found = _at(day + timedelta(days=1), clock, now.zone, fold=1)
    return found


def _spelled(text: str) -> str:
    """An ISO time with seconds and a fraction of them."""
    when, zone = (text[:-1], "Z") if text.endswith("Z") else (text[:-6], text[-6:])
    when = when.replace(" ", "T") + (":00" if when.count(":") == 1 else "")
    return when + ("" if "." in when else ".0") + zone


def _begin(day: date | None, now: Now) -> int:
    return now.ms if day is None else midnight(day, now.zone)


def _back(day: date, days: int) -> date:
    try:
        return day - timedelta(days=days)
    except OverflowError:
        return date(1970, 1, 1)


def _split(text: str, now: Now) -> tuple[date | None, timedelta | None]:
    """A day and a time of day; either may be missing, but not both."""
    words = text.strip().lower().replace("t", " ", 1) if _iso(text) else text.strip().lower()
    first, _, rest = words.partition(" ")
    day = day_of(first, now)
    clock = clock_of(rest if day is not None else words)
    if (day is None and clock is None) or (day is not None and rest and clock is None):
        raise ConfigError(f"'{text}': no time that is understood, {_HINT}")
    return day, clock


def _iso(text: str) -> bool:
    return bool(re.match(r"\s*\d{4}-\d{2}-\d{2}T", text))


def day_of(word: str, now: Now) -> date | None:
    """A day by its name or date; of a weekday the last one, today included."""
    if word in DAYS_AGO:
        return now.day - timedelta(days=DAYS_AGO[word])
    if word in WEEKDAYS:
        return now.day - timedelta(days=(now.day.weekday() - WEEKDAYS[word]) % 7)
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            found = datetime.strptime(word, form).date()
        except ValueError:
            continue
        return found if 1970 <= found.year < 5000 else None
    return None


def clock_of(text: str) -> timedelta | None:
    """A time of day: ``14:00``, ``14h``, ``2pm``."""
    match = _CLOCK.fullmatch(text.strip().lower())
    if not match or not (match[2] or match[4]):
        return None
    hours, minutes, seconds = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if match[4] in ("am", "pm"):
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if match[4] == "pm" else 0)
    if hours > 24 or minutes > 59 or seconds > 59 or (hours == 24 and minutes + seconds):
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _at(day: date, clock: timedelta, zone: ZoneInfo, fold: int) -> int:
    """A time of the clock on the wall; ``fold``: which, where it was twice."""
    naive = datetime(day.year, day.month, day.day) + clock
    return instant(naive.replace(tzinfo=zone, fold=fold))
