"""Times in a course: due dates as its people write them, moments as programs compare them.

A time without a zone is one on the course's own clock. Where that clock shows a time twice (the night on which
summer time ends) or never (the night on which it begins), the later reading counts: nobody is late by a change of
clocks.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["UTC", "add_days", "by_clock", "moment", "zone"]

UTC = timezone.utc


def zone(name: str) -> tzinfo:
    """The time zone called `name`, for instance ``Europe/Berlin``; raise `ValueError` where there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise ValueError(f"no time zone is called {name!r}; wanted: a name such as 'Europe/Berlin'") from None


def moment(value: object, here: tzinfo) -> datetime:
    """Read a point in time and return it on the clock of `here`.

    Parameters
    ----------
    value : datetime, date or str
        As TOML gives it, or as text: ``2026-10-01T23:59``, ``2026-10-01 23:59:00+02:00``. A date alone means the
        last second of that day. Without an offset it is a time in `here`.
    here : tzinfo
        The course's time zone.

    Raises
    ------
    ValueError
        For anything else.

    >>> moment("2026-10-01 23:59", zone("Europe/Berlin")).isoformat()
    '2026-10-01T23:59:00+02:00'
    >>> moment("2026-10-01T20:00Z", zone("Europe/Berlin")).isoformat()
    '2026-10-01T22:00:00+02:00'
    """
    read = _parsed(value.strip()) if isinstance(value, str) else value
    if isinstance(read, date) and not isinstance(read, datetime):
        read = datetime.combine(read, time(23, 59, 59))
    if not isinstance(read, datetime) or not 1900 < read.year < 9000:
        raise ValueError(f"{value!r} is no point in time; wanted: for instance 2026-10-01T23:59:00")
    return by_clock(read, here) if read.tzinfo is None else read.astimezone(here)


def _parsed(text: str) -> date | datetime | None:
    text = text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text  # Python 3.10 does not know the Z
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    return None


def by_clock(naive: datetime, here: tzinfo) -> datetime:
    """The latest moment at which the clock of `here` can be said to show `naive`.

    >>> by_clock(datetime(2026, 10, 25, 2, 30), zone("Europe/Berlin")).isoformat()  # shown twice
    '2026-10-25T02:30:00+01:00'
    >>> by_clock(datetime(2026, 3, 29, 2, 30), zone("Europe/Berlin")).isoformat()  # never shown
    '2026-03-29T03:30:00+02:00'
    """
    readings = [naive.replace(tzinfo=here, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return max(readings).astimezone(here)


def add_days(start: datetime, days: float) -> datetime:
    """`start` and so many days later by the clock of its zone: a day that has 23 or 25 hours is one day.

    >>> add_days(moment("2026-10-24 23:59", zone("Europe/Berlin")), 1).isoformat()
    '2026-10-25T23:59:00+01:00'
    """
    if start.tzinfo is None:
        raise ValueError(f"{start} has no time zone")
    later = start.replace(tzinfo=None) + timedelta(days=days)
    return by_clock(later, start.tzinfo) if days else start
