"""Grade the submissions of one assignment: the trusted side, from submitted folders to gradebook and pages.

Only what is missing or has changed is graded. References, cases and expected values are made once and shared with
the workers by fork. Each worker restores, examines and renders one submission at a time and returns texts; this
process alone writes: files, and one transaction a submission into the gradebook. It holds the course's lock, and
whatever kills it, the same command goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from .course import Course, CourseError
from .course_limits import course_limits
from .due import Wanted, what_is_due
from .engine import Failed, cores
from .exchange import let_through, put_beside
from .feedback import page_path
from .gradebook import Book
from .graded import Graded, not_graded
from .local import ThisMachine
from .lock import only_grader
from .people import names_in_class
from .plan import Plan
from .record import Result, read_record, record_path
from .release import Release, read_release, release_path
from .sandbox import Limits
from .writing import CannotWrite, check_folders, remove_drafts, write

__all__ = ["Progress", "grade"]

# Called for each submission: how many are done, of how many, and the one just done or kept.
Progress = Callable[[int, int, Result], None]
log = logging.getLogger("autograder")
# What grading writes into.
FOLDERS = ("autograded", "feedback", "records")


def grade(
    course: Course,
    assignment: str,
    *,
    students: Iterable[str] | None = None,
    exercises: Collection[str] | None = None,
    again: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
    wait: bool = False,
    unsafe: bool = False,
    cluster: str | None = None,
) -> list[Result]:
    """Grade submissions and write autograded notebooks, gradebook, records and feedback pages.

    What has not changed since it was graded is kept: its result is returned with status "kept".

    Parameters
    ----------
    course : Course
        Its folder holds ``submitted/<student>/<assignment>/*.ipynb``.
    assignment : str
        For example ``01_transposed_convolution``.
    students : iterable of str, optional
        Only these; all by default.
    exercises : collection of str, optional
        Judge only these, the others keep their points; all by default.
    again : bool
        Judge also what has not changed.
    jobs : int, optional
        Submissions at the same time; one a core by default.
    progress : callable, optional
        Called with ``(done, total, result)`` as each submission is finished.
    limits : Limits, optional
        What one submission may use, instead of what course.toml says.
    wait : bool
        Wait while another grader is at work on this course instead of raising `CourseError`.
    unsafe : bool
        Run learners' code although a necessary wall around it is missing on this machine.
    cluster : str, optional
        Address of a Dask scheduler whose workers do the work; this machine's cores by default.

    Returns
    -------
    list of Result
        In alphabetical order of students. `Result.failure` says where a submission could not be graded or written.

    Raises
    ------
    Unwalled
        A wall is missing; the message says which and how to get it. Nothing was run or written.
    CourseError
        Where nothing more can be done: the course is not right, the disk is full, the gradebook out of reach. What
        was graded before stays.
    """
    course.make_importable()
    release = read_release(release_path(course, assignment))
    chosen = _chosen(course, assignment, students)
    limits = limits or course_limits(course, course.chapter(release.chapter), release.tests)
    private = (course.folder, course.root / "solutions")
    with only_grader(course.folder, f"grading {assignment}", wait=wait):
        check_folders([course.folder / name for name in FOLDERS])
        _remove_drafts(course, assignment, chosen)
        told = _Told(len(chosen), progress)
        wanted = Wanted(exercises, again)
        # Something is sure to be run, so the interpreter may get warm meanwhile.
        early = again or not all(record_path(course, assignment, student).is_file() for student in chosen)
        with (
            _place(
                cluster, release, limits, jobs or cores(), early=early, private=private, unsafe=unsafe
            ) as place,
            Book(course.db_url, course.name) as book,
        ):
            plan = Plan.of(course, release, limits)
            book.register(assignment, _source_notebook(course, assignment))
            book.set_due(assignment, plan.deadlines.due)
            book.introduce(chosen, names_in_class(course, assignment))
            marks = book.marks(assignment)
            due = what_is_due(course, plan, chosen, marks, wanted)
            for result in due.kept:
                told(result)
            if due.tasks and (due.kept or again):
                log.info(due.in_words())
            plan = replace(plan, judged=due.exercises)
            for job, outcome in place.grade(plan, due.jobs(course, assignment, marks)):
                graded = not_graded(plan, job, outcome.why) if isinstance(outcome, Failed) else outcome
                told(_kept_safe(course, book, graded, told))
    let_through(course, assignment)
    return sorted(told.results, key=lambda result: result.student)


def _place(address: str | None, release: Release, limits: Limits, workers: int, **options: Any) -> Any:
    """Where the work is done: on this machine, or by the workers of the cluster at `address`."""
    if address is None:
        return ThisMachine(release, limits, workers, **options)
    from .cluster import Cluster

    return Cluster(address, private=options["private"], unsafe=options["unsafe"])


class _Told:
    """The results so far; whoever watches is told of each."""

    def __init__(self, total: int, progress: Progress | None):
        self.total, self.progress = total, progress
        self.results: list[Result] = []

    def __call__(self, result: Result) -> None:
        self.results.append(result)
        if self.progress:
            self.progress(len(self.results), self.total, result)


def _source_notebook(course: Course, assignment: str) -> Any:
    import nbformat

    path = course.source(assignment) / f"{assignment}.ipynb"
    if path.is_file():
        try:
            return nbformat.read(path, as_version=4)
        except (ValueError, nbformat.ValidationError) as error:
            reason = str(error).partition("\n")[0]
            raise CourseError(
                f"{path} is not a notebook ({reason}); build it again: autograder build"
            ) from None
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


def _remove_drafts(course: Course, assignment: str, students: Iterable[str]) -> None:
    """Remove what a killed run had only begun to write."""
    remove_drafts([record_path(course, assignment, "").parent])
    for student in students:
        remove_drafts([course.autograded(student, assignment), course.feedback(student, assignment)])


def _kept_safe(course: Course, book: Book, graded: Graded, told: _Told) -> Result:
    """Write one submission's results; where that is impossible for all, say how far this run got, and end it."""
    try:
        return _keep(course, book, graded)
    except CannotWrite as error:
        if not error.for_all:
            graded.result.failure = str(error)
            return graded.result
        reason = error
    except CourseError as error:
        reason = error
    done = sum(not result.failure for result in told.results)
    raise CourseError(
        f"{reason}\n{done} of {told.total} submissions are graded and stay so; the same command goes on from there."
    ) from reason


def _keep(course: Course, book: Book, graded: Graded) -> Result:
    """Write one submission's results. The record comes last: what has none is graded again."""
    result, assignment = graded.result, graded.result.assignment
    if graded.notebook is not None:
        earlier = read_record(course, assignment, result.student)
        before = earlier.digests.get("submission") if earlier else None
        write(course.autograded(result.student, assignment) / f"{assignment}.ipynb", graded.notebook)
        result.points = book.save(
            result.student,
            assignment,
            graded.entries,
            timestamp=graded.timestamp,
            late=result.late,
            unchanged=before == result.digests.get("submission", ""),
        )
    write(page_path(course, result), graded.page)
    put_beside(course, result.student, assignment)
    write(record_path(course, assignment, result.student), result.to_json())
    return result
