"""The records of a class. One that is damaged or of another version costs nobody else: it is named and passed over."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from .course import Course, CourseError
from .record import UNREADABLE, Result, record_path

__all__ = ["read_records", "readable_records", "some"]

log = logging.getLogger("autograder")
MOST_NAMED = 12


def read_records(course: Course, assignment: str, students: Iterable[str] | None = None) -> list[Result]:
    """Return the records of an assignment in alphabetical order; those that cannot be read are told to the log.

    Parameters
    ----------
    course : Course
        Its folder holds ``records/<assignment>/<student>.json``.
    assignment : str
        For example ``01_transposed_convolution``.
    students : iterable of str, optional
        Only theirs; all by default.

    Raises
    ------
    CourseError
        There is none that can be read.
    """
    results, unread = readable_records(course, assignment, students)
    if not results and not unread:
        raise CourseError(
            f"nothing of {assignment} has been graded yet in {course.folder}; run: autograder grade"
        )
    remark = in_words(unread)
    if not results:
        raise CourseError(f"there is no record of {assignment} that can be read: {remark}")
    if unread:
        log.warning("passed over: %s", remark)
    return results


def readable_records(
    course: Course, assignment: str, students: Iterable[str] | None = None
) -> tuple[list[Result], dict[str, str]]:
    """The records that can be read, and for each other student why that one cannot."""
    folder = record_path(course, assignment, "").parent
    there = sorted(path.stem for path in folder.glob("*.json"))
    wanted = there if students is None else sorted(set(students))
    results, unread = [], {}
    for student in wanted:
        try:
            text = record_path(course, assignment, student).read_text(encoding="utf-8")
            results.append(Result.from_json(text))
        except FileNotFoundError:
            unread[student] = "not graded yet"
        except UNREADABLE as error:
            unread[student] = _reason(error)
    return results, unread


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"its record cannot be opened ({error.strerror})"
    return f"its record is damaged or of another version ({str(error).partition(chr(10))[0]})"


def in_words(unread: Mapping[str, str]) -> str:
    """Who was passed over, and what mends it: students with the same reason stand together."""
    reasons: dict[str, list[str]] = {}
    for student, reason in unread.items():
        reasons.setdefault(reason, []).append(student)
    told = "; ".join(f"{some(students)}, {reason}" for reason, students in reasons.items())
    return f"{told}. The next `autograder grade` grades what is missing."


def some(names: Sequence[str], hint: str = "") -> str:
    """Names in a line, not too many of them; `hint` says where the others are to be found.

    >>> some(["ada", "bob"]), some([str(number) for number in range(40)])[-18:]
    ('ada, bob', '10, 11 and 28 more')
    """
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more{hint}" if more > 0 else "")
