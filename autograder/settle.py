"""Lateness brought up to date: due dates, extensions and scores may have changed since a submission was graded."""

from __future__ import annotations

from collections.abc import Iterable

from .course import Course
from .gradebook import Book
from .late import Deadlines, timestamp
from .record import Result, record_path
from .writing import write

__all__ = ["settle"]


def settle(course: Course, book: Book, assignment: str, results: Iterable[Result]) -> list[Result]:
    """Judge the lateness of graded submissions by what course.toml, extensions and timestamps say now.

    The gradebook's penalties follow, also those of scores that a human has changed; nobody's code is run.

    Parameters
    ----------
    course : Course
        Where the submissions lie.
    book : Book
        Its gradebook.
    assignment : str
        For example ``01_transposed_convolution``.
    results : iterable of Result
        Whose lateness is wanted; `Result.late` is changed in them and in their records.

    Returns
    -------
    list of Result
        Those whose lateness is another than before.
    """
    deadlines, changed, lateness = Deadlines.of(course, assignment), [], {}
    for result in results:
        stamp = timestamp(course.submitted(result.student, assignment))
        late = lateness[result.student] = deadlines.lateness(result.student, stamp)
        if late != result.late:
            result.late = late
            write(record_path(course, assignment, result.student), result.to_json())
            changed.append(result)
    book.set_due(assignment, deadlines.due)
    book.settle(assignment, lateness)
    return changed
