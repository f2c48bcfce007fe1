"""Late submissions: what course.toml says that they cost, and how late each one was.

`due` stands with a chapter; the table `[late]` holds for the course, a chapter's own `late` table changes it:

    timezone = "Europe/Berlin"

    [late]
    grace = 15      # minutes after the due time that cost nothing; days are counted from their end
    per_day = 10    # per cent of the points earned, for each day begun
    floor = 50      # per cent of the points earned that remain however many days it took
    cut_off = 7     # days after which nothing counts

    [[chapters]]
    due = 2026-10-01T23:59:00
    late = { per_day = 20 }

Without the table, lateness is noted and costs nothing. `extensions.csv` in the course folder gives single students
more time: columns `student`, `assignment` (empty or `*`: all), and `due` (a time) or `days`; other columns are notes.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from .clock import UTC, add_days, by_clock, moment, zone
from .course import Chapter, Course, CourseError
from .roster import to_the_end

__all__ = ["Deadlines", "Late", "Policy", "handed_in", "read_timestamp", "timestamp"]

EXTENSIONS = "extensions.csv"
ON_TIME, IN_GRACE, LATE, TOO_LATE, UNKNOWN = "on time", "within grace", "late", "too late", "time unknown"


@dataclass(frozen=True)
class Policy:
    """What lateness costs: `grace` in minutes, `per_day` and `floor` in per cent of the points earned, `cut_off` in
    days after the end of grace; None: there is no cut-off."""

    grace: float = 0.0
    per_day: float = 0.0
    floor: float = 0.0
    cut_off: float | None = None

    @classmethod
    def of(cls, course: Course, chapter: Chapter) -> Policy:
        """The course's policy with what the chapter changes in it."""
        path = course.root / "course.toml"
        (row,) = [row for row in course.settings.get("chapters", ()) if row.get("name") == chapter.name] or [
            {}
        ]
        tables = {"late": course.settings.get("late", {}), f"late of {chapter.name}": row.get("late", {})}
        merged: dict[str, float] = {}
        for name, table in tables.items():
            merged |= _checked(f"{path}, {name}", table)
        return cls(**merged)

    def percent(self, days: int) -> float:
        """What is taken off after so many days begun, in per cent of the points earned."""
        return min(self.per_day * days, 100.0 - self.floor)


def _checked(where: str, table: object) -> dict[str, float]:
    """A `late` table's values; raise `CourseError` for a key or a value that it cannot have."""
    if not isinstance(table, Mapping):
        raise CourseError(
            f"{where} is {table!r}; wanted: a table, for instance {{ grace = 15, per_day = 10 }}"
        )
    known = [field.name for field in fields(Policy)]
    for key, value in table.items():
        if key not in known:
            raise CourseError(f"{where}: unknown key {key!r}; it has {', '.join(known)}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        most = 100 if key in ("per_day", "floor") else 10_000
        if not number or not 0 <= value <= most:
            raise CourseError(f"{where}: {key} is {value!r}; wanted: a number from 0 to {most}")
    return {key: float(value) for key, value in table.items()}


@dataclass(frozen=True)
class Late:
    """How late one submission was and what that costs.

    `due` is this student's own, `extended` says whether that is later than the class's. `days` are days begun,
    `percent` is what is taken off the points earned. `why` is a sentence for the learner, `doubt` one for the
    instructor where a human should look.
    """

    status: str
    due: str
    submitted: str = ""
    extended: bool = False
    days: int = 0
    percent: float = 0.0
    why: str = ""
    doubt: str = ""

    @property
    def is_late(self) -> bool:
        return self.status in (LATE, TOO_LATE)

    def penalty(self, points: float) -> float:
        """The points that are taken off `points` earned, to the hundredth; everything after the cut-off.

        >>> Late("late", "2026-10-01", percent=20.0).penalty(17.5)
        3.5
        """
        if points <= 0:
            return 0.0
        return points if self.percent == 100 else min(points, round(points * self.percent / 100, 2))


@dataclass(frozen=True)
class Deadlines:
    """When one assignment is due, for whom, and what being late costs; `here` is the course's time zone."""

    due: datetime | None
    policy: Policy = Policy()
    extensions: Mapping[str, datetime] = field(default_factory=dict)
    here: tzinfo = UTC

    @classmethod
    def of(cls, course: Course, assignment: str) -> Deadlines:
        """Read course.toml and the extensions; raise `CourseError`, in words, for what cannot be read."""
        chapter = course.chapter(assignment)
        policy, extensions = Policy.of(course, chapter), read_extensions(course, chapter)
        return cls(chapter.due, policy, extensions, course.timezone)

    def due_of(self, student: str) -> datetime | None:
        """When this student is to hand in: the extension where there is one."""
        return self.extensions.get(student, self.due)

    def lateness(self, student: str, timestamp: str | None) -> Late | None:
        """How late a submission with this text in its `timestamp.txt` is; None where nothing is due."""
        due = self.due_of(student)
        if due is None:
            return None
        given = {"due": due.isoformat(), "extended": due != self.due}
        if not timestamp:
            why = "Nothing says when this was handed in, so nothing was taken off."
            return Late(UNKNOWN, why=why, **given)
        try:
            readings = read_timestamp(timestamp, self.here)
        except ValueError:
            why = "The time of handing in is not known, so nothing was taken off."
            doubt = f"timestamp.txt says {timestamp[:60]!r}, which is no time: not counted as late"
            return Late(UNKNOWN, why=why, doubt=doubt, **given)
        found = [self._judged(due, reading) for reading in readings]
        doubt = ""
        if len({late.percent for late in found}) > 1:
            doubt = (
                f"timestamp.txt says {timestamp[:60]!r} without a time zone: in UTC this is {found[0].status}, "
                f"on the course's clock {found[1].status}; counted in the learner's favour"
            )
        best = min(found, key=lambda late: late.percent)
        return Late(**{**vars(best), **given, "submitted": readings[0].isoformat(), "doubt": doubt})

    def _judged(self, due: datetime, handed_in: datetime) -> Late:
        policy = self.policy
        # In UTC: two times of one zone are compared by the clock's face, which goes back once a year.
        by, at = due.astimezone(UTC), handed_in.astimezone(UTC)
        grace_ends = (by + timedelta(minutes=policy.grace)).astimezone(due.tzinfo)
        if at <= by:
            return Late(ON_TIME, "")
        after = f"Handed in {_span(at - by)} after the due time"
        if at <= grace_ends.astimezone(UTC):
            why = f"{after}, within the {policy.grace:g} minutes of grace: nothing is taken off."
            return Late(IN_GRACE, "", why=why)
        days = _days_begun(grace_ends, at)
        if policy.cut_off is not None and at > add_days(grace_ends, policy.cut_off).astimezone(UTC):
            why = f"{after}. Nothing that comes more than {_days(policy.cut_off)} late counts."
            return Late(TOO_LATE, "", days=days, percent=100.0, why=why)
        percent = policy.percent(days)
        return Late(LATE, "", days=days, percent=percent, why=f"{after}. {self._cost(days, percent)}")

    def _cost(self, days: int, percent: float) -> str:
        if not percent:
            return "Nothing is taken off."
        whole = self.policy.per_day * days
        if percent < whole:
            return f"{_days(days)} begun would be {whole:g} %; at most {percent:g} % of your points are taken off."
        counted = f"{days} days begun, {self.policy.per_day:g} % each" if days > 1 else "the first day"
        return f"For {counted}, {percent:g} % of your points are taken off."


def _days_begun(start: datetime, at: datetime) -> int:
    """How many days by the clock have begun between `start` and `at`, which is later."""
    days = max(0, (at - start.astimezone(UTC)).days - 1)
    while at > add_days(start, days).astimezone(UTC):
        days += 1
    return days


def _days(number: float) -> str:
    return f"{number:g} day" + ("" if number == 1 else "s")


def _span(late: timedelta) -> str:
    """A time span in words, in its two largest units.

    >>> _span(timedelta(days=1, hours=3, minutes=20))
    '1 day 3 hours'
    >>> _span(timedelta(seconds=20))
    '20 seconds'
    """
    minutes, seconds = divmod(math.ceil(late.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    counts = [(days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second")]
    first = next(place for place, (count, _) in enumerate(counts) if count)
    shown = [
        f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counts[first : first + 2] if count
    ]
    return " ".join(shown)


# What the files say


def timestamp(folder: Path) -> str | None:
    """The text of `timestamp.txt` in a submission's folder; None where there is none."""
    try:
        content = (folder / "timestamp.txt").read_bytes()[:100]
    except OSError:
        return None
    return content.decode("utf-8", "replace").strip() or None


def handed_in(text: str | None, here: tzinfo) -> datetime | None:
    """The time that a timestamp says; None where it says none."""
    try:
        return read_timestamp(text, here)[0] if text else None
    except ValueError:
        return None


_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?\s*(\S*)")


def read_timestamp(text: str, here: tzinfo) -> list[datetime]:
    """Read what `timestamp.txt` says, in nbgrader's form or as ISO 8601.

    Parameters
    ----------
    text : str
        For instance ``2026-10-01 12:00:00.25 UTC``.
    here : tzinfo
        The course's time zone.

    Returns
    -------
    list of datetime
        What the text can mean, on the clock of `here`. The first is what nbgrader takes it for: a time without a
        zone is UTC. It may have been meant as a time on the course's own clock, which is the second.

    Raises
    ------
    ValueError
        It is no time, or its time zone is unknown.

    >>> read_timestamp("2026-10-01 12:00:00.25 UTC", zone("Europe/Berlin"))[0].isoformat()
    '2026-10-01T14:00:00.250000+02:00'
    """
    found = _STAMP.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no time; wanted: for instance 2026-10-01 23:59:00 UTC")
    day, clock, fraction, place = found.groups()
    naive = datetime.fromisoformat(f"{day}T{clock}").replace(
        microsecond=int((fraction or "0")[:6].ljust(6, "0"))
    )
    if place:
        return [moment(naive.replace(tzinfo=_offset(place)), here)]
    return [moment(naive.replace(tzinfo=UTC), here), by_clock(naive, here)]


def _offset(place: str) -> tzinfo:
    """The time zone of a timestamp: its name, Z, or an offset such as +0200."""
    if place in ("Z", "GMT"):
        return UTC
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", place):
        sign, hours, minutes = offset.groups()
        return datetime.strptime(f"{sign}{hours}{minutes}", "%z").tzinfo
    return zone(place)


def read_extensions(course: Course, chapter: Chapter) -> dict[str, datetime]:
    """Return the due time of each student who was given more time for a chapter; of several rows the latest."""
    path = course.folder / EXTENSIONS
    found: dict[str, datetime] = {}
    for line, row in _rows(path):
        student, which = row["student"], row["assignment"]
        if not student:
            raise CourseError(f"{path}, line {line}: the student is missing")
        try:
            if which not in ("", "*") and course.chapter(which) != chapter:
                continue
            due = _extended(row, chapter, course)
        except (ValueError, CourseError) as error:
            raise CourseError(f"{path}, line {line}: {error}") from None
        if due is not None:
            found[student] = max(due, found.get(student, due), key=lambda time: time.astimezone(UTC))
    return found


def _extended(row: Mapping[str, str], chapter: Chapter, course: Course) -> datetime | None:
    if bool(row["due"]) == bool(row["days"]):
        raise ValueError("one of due and days is wanted, and only one")
    if chapter.due is None:  # nothing to be extended
        return None
    if row["days"]:
        number = re.fullmatch(r"\d{1,4}([.,]\d+)?", row["days"])
        if not number:
            raise ValueError(f"days is {row['days']!r}; wanted: a number such as 2")
        return add_days(chapter.due, float(row["days"].replace(",", ".")))
    due = moment(row["due"], course.timezone)
    if due.astimezone(UTC) < chapter.due.astimezone(UTC):
        raise ValueError(f"{row['due']} is before {chapter.folder} is due ({chapter.due.isoformat()})")
    return due


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers; columns by comma or semicolon, as spreadsheets write them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None
    head = text.partition("\n")[0]
    separator = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(text.splitlines(), delimiter=separator, strict=True)
    lines = to_the_end(path, reader)
    columns = [name.strip().lower() for name in next(lines, ())]
    if not columns:
        return []
    missing = [name for name in ("student", "assignment") if name not in columns]
    if missing or not {"due", "days"} & set(columns):
        raise CourseError(
            f"{path}: its first line is {head!r}; wanted: columns student, assignment and due or days"
        )
    rows = []
    for cells in lines:
        row = dict(zip(columns, cells, strict=False))
        values = {name: row.get(name, "").strip() for name in ("student", "assignment", "due", "days")}
        if any(values.values()):
            rows.append((reader.line_num, values))
    return rows
