"""Lateness: every edge of the policy, what files may say, and what it comes to in points."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from autograder.clock import UTC, moment, zone
from autograder.course import Course, CourseError
from autograder.late import Deadlines, Late, Policy, handed_in, read_extensions, read_timestamp

BERLIN = zone("Europe/Berlin")
DUE = moment("2026-10-01T23:59:00", BERLIN)
POLICY = Policy(grace=15, per_day=10, floor=55, cut_off=7)
COURSE = """\
name = "trial"
timezone = "Europe/Berlin"
{late}
[[chapters]]
number = 0
name = "free"
title = "Free"

[[chapters]]
number = 1
name = "paint"
title = "Paint"
due = 2026-10-01T23:59:00
{own}
"""


def course_with(folder: Path, late: str = "", own: str = "", extensions: str | bytes | None = None) -> Course:
    (folder / "course.toml").write_text(COURSE.format(late=late, own=own))
    if extensions is not None:
        (folder / "course").mkdir(exist_ok=True)
        content = extensions.encode() if isinstance(extensions, str) else extensions
        (folder / "course" / "extensions.csv").write_bytes(content)
    return Course.open(root=folder)


def late(stamp: str | None, policy: Policy = POLICY, due: datetime = DUE, student: str = "ada") -> Late:
    return Deadlines(due, policy, here=BERLIN).lateness(student, stamp)


# What a time of handing in costs. Due at 23:59, that is 21:59 UTC; grace ends at 22:14 UTC.


@pytest.mark.parametrize(
    ("stamp", "status", "days", "percent"),
    [
        ("2026-09-01 10:00:00 UTC", "on time", 0, 0),
        ("2026-10-01 21:59:00 UTC", "on time", 0, 0),  # to the second
        ("2026-10-01 21:59:00.000001 UTC", "within grace", 0, 0),
        ("2026-10-01 22:14:00 UTC", "within grace", 0, 0),  # its last second
        ("2026-10-01 22:14:00.000001 UTC", "late", 1, 10),
        ("2026-10-02 22:14:00 UTC", "late", 1, 10),  # the first day's last second
        ("2026-10-02 22:14:01 UTC", "late", 2, 20),
        ("2026-10-05 22:14:00 UTC", "late", 4, 40),
        ("2026-10-05 22:14:01 UTC", "late", 5, 45),  # 50 %, but 55 % remain
        ("2026-10-08 22:14:00 UTC", "late", 7, 45),  # the cut-off's last second
        ("2026-10-08 22:14:01 UTC", "too late", 8, 100),
        ("2031-01-01 00:00:00 UTC", "too late", None, 100),
    ],
)
def test_every_edge_of_the_policy(stamp, status, days, percent):
    found = late(stamp)
    assert (found.status, found.percent) == (status, percent)
    if days is not None:
        assert found.days == days
    assert found.doubt == ""


def test_without_a_cut_off_the_floor_holds_for_ever():
    assert late("2036-10-01 00:00:00 UTC", Policy(per_day=10, floor=30)).percent == 70


def test_a_cut_off_of_nothing_takes_everything_after_grace():
    strict = Policy(grace=15, cut_off=0)
    assert late("2026-10-01 22:14:00 UTC", strict).percent == 0
    assert late("2026-10-01 22:14:01 UTC", strict).percent == 100


def test_lateness_that_costs_nothing_is_noted_all_the_same():
    found = late("2026-10-03 10:00:00 UTC", Policy())
    assert found.is_late
    assert found.percent == 0
    assert found.why == "Handed in 1 day 12 hours after the due time. Nothing is taken off."


def test_the_reason_is_a_sentence_for_the_learner():
    assert late("2026-10-01 21:59:00 UTC").why == ""
    assert late("2026-10-01 22:09:00 UTC").why == (
        "Handed in 10 minutes after the due time, within the 15 minutes of grace: nothing is taken off."
    )
    assert late("2026-10-01 22:30:00 UTC").why == (
        "Handed in 31 minutes after the due time. For the first day, 10 % of your points are taken off."
    )
    assert late("2026-10-03 23:00:00 UTC").why == (
        "Handed in 2 days 1 hour after the due time. For 3 days begun, 10 % each, 30 % of your points are taken off."
    )
    assert "5 days begun would be 50 %; at most 45 % of your points" in late("2026-10-06 12:00:00 UTC").why
    assert late("2026-10-10 12:00:00 UTC").why.endswith("Nothing that comes more than 7 days late counts.")


# Clocks that change


def test_a_day_of_25_hours_is_one_day():
    due, policy = (
        moment("2026-10-24T12:00:00", BERLIN),
        Policy(per_day=10),
    )  # the clock goes back in the night
    assert late("2026-10-25 11:00:00 UTC", policy, due).days == 1  # noon by the clock, 25 hours on
    assert late("2026-10-25 11:00:01 UTC", policy, due).days == 2


def test_a_day_of_23_hours_is_one_day():
    due, policy = moment("2026-03-28T12:00:00", BERLIN), Policy(per_day=10)
    assert late("2026-03-29 10:00:00 UTC", policy, due).days == 1
    assert late("2026-03-29 10:00:01 UTC", policy, due).days == 2


def test_grace_is_real_time_over_a_change_of_clocks():
    due = moment("2026-10-25T00:55:00Z", BERLIN)  # 02:55, for the first time; at 03:00 it is 02:00 again
    hour = Policy(grace=60, per_day=10)
    assert late("2026-10-25 01:55:00 UTC", hour, due).status == "within grace"  # 02:55, the second time
    assert late("2026-10-25 01:55:01 UTC", hour, due).status == "late"
    assert (
        late("2026-10-25 01:10:00 UTC", Policy(per_day=10), due).status == "late"
    )  # 02:10 < 02:55 on its face


def test_a_due_time_that_the_clock_shows_twice_means_the_second():
    due = moment("2026-10-25T02:30:00", BERLIN)
    assert late("2026-10-25 01:30:00 UTC", due=due).status == "on time"


@given(
    start=some.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    seconds=some.integers(0, 40 * 86_400),
    more=some.integers(0, 3 * 86_400),
    grace=some.integers(0, 600),
    per_day=some.integers(0, 100),
    floor=some.integers(0, 100),
)
def test_coming_later_never_costs_less(start, seconds, more, grace, per_day, floor):
    due, policy = moment(start.isoformat(), BERLIN), Policy(grace, per_day, floor, cut_off=30)
    first = due.astimezone(UTC) + timedelta(seconds=seconds)
    costs = [
        late(time.strftime("%Y-%m-%d %H:%M:%S.%f UTC"), policy, due).percent
        for time in (first, first + timedelta(seconds=more))
    ]
    assert 0 <= costs[0] <= costs[1] <= 100


# What timestamp.txt may say


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01 12:00:00 UTC",
        "2026-10-01 12:00:00.000000 UTC",
        "2026-10-01T12:00:00Z",
        "2026-10-01T12:00Z",
        "2026-10-01T12:00:00.123456789Z",
        "2026-10-01 14:00:00 +0200",
        "2026-10-01T14:00:00+02:00",
        "2026-10-01 14:00:00 Europe/Berlin",
        "2026-10-01 05:00:00.5 America/Los_Angeles\n",
    ],
)
def test_a_timestamp_names_its_zone_in_many_ways(text):
    (found,) = read_timestamp(text, BERLIN)
    assert found.replace(microsecond=0).isoformat() == "2026-10-01T14:00:00+02:00"


def test_a_timestamp_without_a_zone_is_utc_as_nbgrader_takes_it():
    from nbgrader.utils import parse_utc

    text = "2026-10-01 12:00:00"
    assert handed_in(text, BERLIN).astimezone(UTC).replace(tzinfo=None) == parse_utc(text)


def test_a_timestamp_without_a_zone_counts_in_the_learners_favour():
    # 23:30 is half an hour early on the course's clock and an hour and a half late in UTC.
    found = late("2026-10-01 23:30:00")
    assert (found.status, found.percent) == ("on time", 0)
    assert "without a time zone: in UTC this is late, on the course's clock on time" in found.doubt
    west = Deadlines(
        moment("2026-10-01T23:59:00", zone("America/New_York")), POLICY, here=zone("America/New_York")
    )
    assert west.lateness("ada", "2026-10-02 02:00:00").status == "on time"  # UTC is the kinder reading here


def test_a_timestamp_without_a_zone_asks_nobody_where_it_makes_no_difference():
    assert late("2026-09-30 12:00:00").doubt == ""
    assert late("2026-10-03 12:00:00").doubt == ""


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01 12:00:00 UTC",
        "2026-10-01",
        "12:00",
        "2026-10-01 12:00:00 Mars",
        "\ufffd" * 99,
    ],
)
def test_what_is_no_time_costs_nothing_and_is_shown_to_a_human(text):
    found = late(text)
    assert (found.status, found.percent) == ("time unknown", 0)
    assert "which is no time: not counted as late" in found.doubt
    assert handed_in(text, BERLIN) is None


@pytest.mark.parametrize("text", [None, ""])
def test_a_missing_timestamp_costs_nothing(text):
    found = late(text)
    assert (found.status, found.percent, found.doubt) == ("time unknown", 0, "")


def test_where_nothing_is_due_nothing_is_late():
    assert Deadlines(None, POLICY).lateness("ada", "2026-10-01 12:00:00 UTC") is None


# Points


def test_a_penalty_is_a_share_of_what_was_earned():
    assert Late("late", "", percent=10).penalty(17.25) == 1.73  # to the hundredth
    assert Late("late", "", percent=10).penalty(0) == 0
    assert Late("late", "", percent=10).penalty(-1) == 0  # taken off by hand
    assert Late("too late", "", percent=100).penalty(7 / 3) == 7 / 3
    assert Late("late", "", percent=99.9).penalty(0.001) == 0


# course.toml


def test_a_chapter_changes_single_values_of_the_courses_policy(tmp_path):
    course = course_with(tmp_path, "[late]\ngrace = 5\nper_day = 10\ncut_off = 7", "late = { per_day = 25 }")
    assert Policy.of(course, course.chapter("paint")) == Policy(grace=5, per_day=25, floor=0, cut_off=7)
    assert Policy.of(course, course.chapter("free")) == Policy(grace=5, per_day=10, floor=0, cut_off=7)


def test_without_a_table_lateness_costs_nothing(tmp_path):
    course = course_with(tmp_path)
    assert Policy.of(course, course.chapter("paint")) == Policy(0, 0, 0, None)
    assert Deadlines.of(course, "01_paint").due == DUE


@pytest.mark.parametrize(
    ("late", "own", "message"),
    [
        ("[late]\ngraze = 5", "", r"late: unknown key 'graze'; it has grace, per_day, floor, cut_off"),
        ("[late]\nper_day = 101", "", r"per_day is 101; wanted: a number from 0 to 100"),
        ("[late]\nfloor = -1", "", "floor is -1"),
        ("[late]\ngrace = '15 minutes'", "", "grace is '15 minutes'"),
        ("[late]\ncut_off = true", "", "cut_off is True"),
        ("[late]\ncut_off = nan", "", "cut_off is nan"),
        ("late = 10", "", "late is 10; wanted: a table"),
        ("", "late = { per_day = inf }", "late of paint: per_day is inf"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(tmp_path, late, own, message):
    course = course_with(tmp_path, late, own)
    with pytest.raises(CourseError, match=message):
        Policy.of(course, course.chapter("paint"))


# extensions.csv


def test_extensions_hold_for_their_student_and_chapter(tmp_path):
    rows = (
        "student,assignment,due,days,reason\n"
        "ada,01_paint,2026-10-05 12:00,,ill\n"
        "bob,paint,,2,moved house\n"
        "cat,,,1.5,\n"
        "dan,*,2026-10-03T10:00Z,,\n"
        "eve,free,,9,\n"
        ",,,,\n"
    )
    course = course_with(tmp_path, extensions=rows)
    found = read_extensions(course, course.chapter("paint"))
    assert {student: due.isoformat() for student, due in found.items()} == {
        "ada": "2026-10-05T12:00:00+02:00",
        "bob": "2026-10-03T23:59:00+02:00",
        "cat": "2026-10-03T11:59:00+02:00",
        "dan": "2026-10-03T12:00:00+02:00",
    }
    assert read_extensions(course, course.chapter("free")) == {}


def test_an_extension_moves_everything(tmp_path):
    course = course_with(tmp_path, "[late]\nper_day = 10", extensions="student,assignment,days\nada,*,2\n")
    deadlines = Deadlines.of(course, "paint")
    for student, status, extended in (("ada", "on time", True), ("bob", "late", False)):
        found = deadlines.lateness(student, "2026-10-03 21:59:00 UTC")
        assert (found.status, found.extended) == (status, extended)
    assert deadlines.lateness("ada", "2026-10-03 22:00:00 UTC").days == 1


def test_of_two_extensions_the_later_counts(tmp_path):
    rows = "student,assignment,days\nada,*,1\nada,paint,3\nada,*,2\n"
    course = course_with(tmp_path, extensions=rows)
    assert Deadlines.of(course, "paint").due_of("ada").isoformat() == "2026-10-04T23:59:00+02:00"


def test_extensions_as_spreadsheets_write_them(tmp_path):
    rows = b"\xef\xbb\xbfStudent;Assignment;Days\r\nzo\xc3\xab;paint;1,5\r\n"
    course = course_with(tmp_path, extensions=rows)
    assert Deadlines.of(course, "paint").due_of("zoë").isoformat() == "2026-10-03T11:59:00+02:00"


def test_no_extensions_are_no_error(tmp_path):
    for content in (None, "", "student,assignment,due\n"):
        course = course_with(tmp_path, extensions=content)
        assert read_extensions(course, course.chapter("paint")) == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ada,paint,,", "line 2: one of due and days is wanted, and only one"),
        ("ada,paint,2026-10-05,2", "line 2: one of due and days is wanted, and only one"),
        ("ada,paint,soon,", "line 2: 'soon' is no point in time"),
        ("ada,paint,,two", "line 2: days is 'two'; wanted: a number such as 2"),
        ("ada,paint,,-2", "line 2: days is '-2'"),
        (
            "ada,paint,2026-09-01,",
            r"line 2: 2026-09-01 is before 01_paint is due \(2026-10-01T23:59:00\+02:00\)",
        ),
        ("ada,pain,,2", "line 2: no chapter is called 'pain'"),
        (",paint,,2", "line 2: the student is missing"),
        ('ada,"paint,,2\nbob,paint,,2', "is no CSV at line 3 or above: unexpected end of data"),
    ],
)
def test_what_is_wrong_with_an_extension_is_said_with_its_line(tmp_path, row, message):
    course = course_with(tmp_path, extensions=f"student,assignment,due,days\n{row}\n")
    with pytest.raises(CourseError, match=message):
        read_extensions(course, course.chapter("paint"))


def test_a_quotation_mark_in_the_first_line_is_said(tmp_path):
    course = course_with(tmp_path, extensions='"student,assignment,days\nada,paint,2\n')
    with pytest.raises(CourseError, match="is no CSV at line 2 or above"):
        read_extensions(course, course.chapter("paint"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "name,chapter\nada,paint\n",
            "its first line is 'name,chapter'; wanted: columns student, assignment and",
        ),
        ("student,assignment\nada,paint\n", "and due or days"),
        (b"student,assignment,due\n\xff\xfe,,\n", "cannot be read"),
    ],
)
def test_what_is_no_list_of_extensions_is_said(tmp_path, content, message):
    course = course_with(tmp_path, extensions=content)
    with pytest.raises(CourseError, match=message):
        read_extensions(course, course.chapter("paint"))
