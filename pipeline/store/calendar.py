"""Hours and days as people in the store's time zone count them: a day has 23 to 25 hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

#: Milliseconds of a minute: buckets are counted in minutes since the epoch.
MINUTE = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def local(ms: int, zone: ZoneInfo) -> datetime:
    """A time as the clock on the wall showed it."""
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


def instant(when: datetime) -> int:
    """Milliseconds since the epoch. Times of a clock on the wall that never were are those before
    it was put forward; of those that were twice, the first."""
    return round((when - _EPOCH) / timedelta(milliseconds=1))


def midnight(day: date, zone: ZoneInfo) -> int:
    """When a day begins, milliseconds."""
    return instant(datetime(day.year, day.month, day.day, tzinfo=zone))


class Buckets:
    """Finds the hour and the day of a time, as the minute each begins with. Remembers the hours
    asked for last: most times are near each other."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._known: dict[int, tuple[int, int]] = {}

    def of(self, ms: int) -> tuple[int, int]:
        """First minute of the hour and of the day. No zone's clock has been set by less than a
        quarter of an hour since 1970, so all of a quarter share both."""
        quarter = ms // (15 * MINUTE)
        found = self._known.get(quarter)
        if found is None:
            if len(self._known) > 10_000:
                self._known.clear()
            found = self._known[quarter] = self._found(quarter * 15 * MINUTE)
        return found

    def _found(self, ms: int) -> tuple[int, int]:
        there = local(ms, self.zone)
        hour = ms // MINUTE - there.minute
        return hour, midnight(there.date(), self.zone) // MINUTE

    def next_day(self, ms: int) -> int:
        """The midnight after a time, milliseconds."""
        return midnight(local(ms, self.zone).date() + timedelta(days=1), self.zone)
