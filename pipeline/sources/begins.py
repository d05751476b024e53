"""When a recording began: as its file's name tells, or as somebody says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import PurePath
from zoneinfo import ZoneInfo

#: What a container tells, if it does.
FROM_METADATA = "from-metadata"
FROM_NAME = "from-name"
#: No recording began before this (2000-01-02), or later than a day from now: a clock never set.
EARLIEST = 946_684_800.0 + 86_400.0
_AHEAD_S = 86_400.0
#: Date and time of day with any of the usual signs between, or none; a zone may follow.
_STAMP = re.compile(
    r"(?<!\d)(?P<year>20\d\d)[-_.]?(?P<month>\d\d)[-_.]?(?P<day>\d\d)[-_. T]{0,3}"
    r"(?P<hour>\d\d)[-_.:h]?(?P<minute>\d\d)(?:[-_.:m]?(?P<second>\d\d))?(?!\d)"
    r"(?P<zone>Z|[+]\d\d:?\d\d)?"
)
#: Seconds or milliseconds since 1970.
_EPOCH = re.compile(r"(?<!\d)(?P<seconds>1\d{9})(?P<more>\d{3})?(?!\d)")
_EXAMPLES = "20261120_090000, 2026-11-20T09-00-00, 2026-11-20_09.00.00 or 1795166400"


def began(begins: str, location: str, zone: str = "") -> float | None:
    """When a recording began, in seconds since the epoch; ``None`` if its container is to tell.

    Args:
        begins: ``from-metadata``, ``from-name``, or a time in ISO 8601.
        zone: of times that have none: an IANA name; empty for this machine's.

    Raises:
        ValueError: there is no such time, or it cannot be; one line.
    """
    if begins == FROM_METADATA:
        return None
    if begins != FROM_NAME:
        return _given(begins, zone)
    found = next(_in_name(location, zone), None)
    if found is None:
        name = PurePath(location).name
        raise ValueError(
            f"no time in the name '{name}'; names such as {_EXAMPLES} are known: rename it, or "
            "give a time such as 2026-11-20T09:00"
        )
    return found[0]


def without_time(location: str) -> str:
    """The name of a file without its suffix and the time in it: what several files of one camera
    have in common; may be empty."""
    stem = PurePath(location).stem
    found = next(_in_name(location, ""), None)
    if found is None:
        return stem
    start, end = found[1]
    return (stem[:start].rstrip("-_. ") + stem[end:]).strip("-_. ")


def possible(seconds: float) -> bool:
    """Whether anything can have been recorded then."""
    return EARLIEST < seconds < time.time() + _AHEAD_S


def tz_of(zone: str) -> tzinfo | None:
    """A time zone by its IANA name; ``None``, which is this machine's, if it is empty.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return ZoneInfo(zone) if zone else None
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"no time zone is called '{zone}'; use one such as Europe/Berlin"
        ) from None


def _given(text: str, zone: str) -> float:
    try:
        at = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text.strip()))
        seconds = _seconds(at, zone)
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"'{text}' is no time; use {FROM_NAME}, {FROM_METADATA}, or a time such as "
            "2026-11-20T09:00"
        ) from None
    if not possible(seconds):
        raise ValueError(f"'{text}': nothing was recorded then; use a time from 2000 until today")
    return seconds


def _seconds(at: datetime, zone: str) -> float:
    return (at if at.tzinfo else at.replace(tzinfo=tz_of(zone))).timestamp()


def _in_name(location: str, zone: str) -> Iterator[tuple[float, tuple[int, int]]]:
    """Times in a file's name that can be, and where they stand in it."""
    stem = PurePath(location).stem
    for match in _STAMP.finditer(stem):
        parts = match.groupdict()
        day = "{year}-{month}-{day}T{hour}:{minute}".format(**parts)
        try:
            at = datetime.fromisoformat(f"{day}:{parts['second'] or '00'}")
            seconds = _seconds(at.replace(tzinfo=_offset(parts["zone"])), zone)
        except (ValueError, OverflowError, OSError):
            continue
        if possible(seconds):
            yield seconds, match.span()
    for match in _EPOCH.finditer(stem):
        seconds = int(match["seconds"]) + int(match["more"] or 0) / 1000
        if possible(seconds):
            yield seconds, match.span()


def _offset(text: str | None) -> timezone | None:
    """Of ``Z`` or ``+0100``; ``None`` where nothing is said."""
    if not text:
        return None
    if text == "Z":
        return timezone.utc
    digits = text[1:].replace(":", "")
    return timezone(timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))
