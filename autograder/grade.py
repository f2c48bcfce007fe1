"""Grade the submissions of one assignment: the trusted side, from submitted folders to gradebook and pages.

This process reads what was handed in and is the only one that writes: files, and one transaction a submission into
the gradebook. In between, workers restore, examine and render one submission at a time and return texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .course import Course, CourseError
from .engine import Failed, cores
from .feedback import page_path
from .gradebook import Book
from .grader import Graded, Job, Plan, not_graded
from .local import ThisMachine
from .record import Result, record_path
from .release import read_release
from .sandbox import Limits
from .writing import write

__all__ = ["Progress", "grade"]

# Called after each submission: how many are done, of how many, and the one just done.
Progress = Callable[[int, int, Result], None]


def grade(
    course: Course,
    assignment: str,
    *,
    students: Iterable[str] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> list[Result]:
    """Grade submissions and write autograded notebooks, gradebook, records and feedback pages.

    Parameters
    ----------
    course : Course
        Its folder holds ``submitted/<student>/<assignment>/*.ipynb``.
    assignment : str
        For example ``01_transposed_convolution``.
    students : iterable of str, optional
        Only these; all by default.
    jobs : int, optional
        Submissions at the same time; one a core by default.
    progress : callable, optional
        Called with ``(done, total, result)`` as each submission is finished.
    limits : Limits, optional
        What one submission may use.

    Returns
    -------
    list of Result
        In alphabetical order of students.
    """
    course.make_importable()
    release = read_release(release_path(course, assignment))
    wanted = _chosen(course, assignment, students)
    with ThisMachine(release, limits, min(jobs or cores(), len(wanted))) as place:
        plan = Plan.of(course, release, place.limits)
        with Book(course.db_url, course.name) as book:
            book.register(assignment, _source_notebook(course, assignment))
            book.set_due(assignment, plan.deadlines.due)
            marks = book.marks(assignment)
            handed_in = (Job.of(course, assignment, student, marks.get(student, {})) for student in wanted)
            results = []
            for job, outcome in place.grade(plan, handed_in):
                graded = not_graded(plan, job, outcome.why) if isinstance(outcome, Failed) else outcome
                results.append(_keep(course, book, graded))
                if progress:
                    progress(len(results), len(wanted), results[-1])
    return sorted(results, key=lambda result: result.student)


def release_path(course: Course, assignment: str) -> Path:
    """The notebook that learners got: nbgrader's release where there is one, else the repository's."""
    released = course.release(assignment) / f"{assignment}.ipynb"
    return released if released.is_file() else course.notebook(course.chapter(assignment))


def _source_notebook(course: Course, assignment: str) -> Any:
    import nbformat

    path = course.source(assignment) / f"{assignment}.ipynb"
    if path.is_file():
        return nbformat.read(path, as_version=4)
    from .build import source_notebook

    return source_notebook(course, course.chapter(assignment), allow_missing_figures=True)


def _chosen(course: Course, assignment: str, students: Iterable[str] | None) -> list[str]:
    there = list(course.students(assignment))
    if not there:
        wanted = course.submitted("<student>", assignment) / f"{assignment}.ipynb"
        raise CourseError(f"nobody has handed in {assignment}; submissions are looked for as {wanted}")
    if students is None:
        return there
    chosen = list(dict.fromkeys(students))
    missing = [student for student in chosen if student not in there]
    if missing:
        raise CourseError(f"no submission of {assignment} by {', '.join(missing)}")
    return chosen


def _keep(course: Course, book: Book, graded: Graded) -> Result:
    """Write one submission's results. The record comes last: what has none is graded again."""
    result, assignment = graded.result, graded.result.assignment
    path = record_path(course, assignment, result.student)
    unchanged = _earlier(path).get("submission") == result.digests.get("submission", "")
    write(course.autograded(result.student, assignment) / f"{assignment}.ipynb", graded.notebook)
    result.points = book.save(
        result.student,
        assignment,
        graded.entries,
        timestamp=graded.timestamp,
        late=result.late,
        unchanged=unchanged,
    )
    write(page_path(course, result), graded.page)
    write(path, result.to_json())
    return result


def _earlier(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["digests"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
