"""What there is to grade: only what is missing, or depends on something that has changed since.

A verdict is kept when everything that it was made from is as it was: the submission, the release, the seed, the
limits, the checking engine, and the code of its own exercise. So a run that was killed is continued by the same
command, and a mended test costs one exercise, not the whole class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from .course import Course, CourseError
from .feedback import page_path
from .job import Job
from .mark import Mark
from .plan import Plan
from .record import Result, read_record

__all__ = ["Due", "Wanted", "what_is_due"]

Marks = Mapping[str, Mapping[str, Mark]]

FIRST, ASKED, WRITING = "not graded yet", "asked for again", "to be written again"
# What has changed, in words; the first that holds is told.
CHANGES = {
    "submission": "handed in anew",
    "release": "the release has changed",
    "seed": "the secret seed has changed",
    "limits": "the limits have changed",
    "engine": "the checking engine has changed",
    "check": "the check of {} has changed",
}


@dataclass(frozen=True)
class Wanted:
    """What the instructor asks for.

    Attributes
    ----------
    exercises : collection of str, optional
        Judge only these; all by default. A submission that has never been graded is graded as a whole.
    again : bool
        Judge also what has not changed.
    """

    exercises: Collection[str] | None = None
    again: bool = False

    def check(self, plan: Plan) -> None:
        """Raise `CourseError` for an exercise that the release does not test."""
        for name in self.exercises or ():
            if name not in plan.release.tests:
                by_hand = [slot.nbgrader["grade_id"] for slot in plan.release.essays]
                raise CourseError(
                    f"{name} is graded by hand, in nbgrader's formgrader"
                    if name in by_hand
                    else f"{plan.release.assignment} has no exercise {name!r}; it has {', '.join(plan.release.tests)}"
                )


@dataclass(frozen=True)
class Task:
    """One student for whom something is due: the exercises to judge (none: only to be written again), and why."""

    student: str
    digest: str
    exercises: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Due:
    """What is to be done, and the results that are kept."""

    tasks: list[Task]
    kept: list[Result]

    @property
    def exercises(self) -> tuple[str, ...]:
        """All exercises that somebody's submission is to be judged on."""
        return tuple(sorted({name for task in self.tasks for name in task.exercises}))

    def jobs(self, course: Course, assignment: str, marks: Marks) -> Iterable[Job]:
        """Yield the job of each task; files are read when it is asked for, so that few are held at a time."""
        for task in self.tasks:
            job = Job.of(course, assignment, task.student, marks.get(task.student, {}))
            same = job.digest == task.digest
            # Handed in anew this very moment: all that judges are there for.
            exercises = task.exercises if same else self.exercises
            earlier = read_record(course, assignment, task.student)
            yield replace(job, exercises=exercises if earlier else None, earlier=earlier)

    def in_words(self) -> str:
        """Why something is to be done: ``"3 to grade (2 not graded yet, 1 handed in anew), 33 kept"``."""
        reasons = Counter(task.why for task in self.tasks)
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        return f"{len(self.tasks)} to grade ({why}), {len(self.kept)} kept"


def what_is_due(
    course: Course, plan: Plan, students: Iterable[str], marks: Marks, wanted: Wanted | None = None
) -> Due:
    """Compare what there is with what was graded.

    Parameters
    ----------
    course : Course
        Where submissions and results lie.
    plan : Plan
        The assignment as it is now.
    students : iterable of str
        Whose submissions.
    marks : mapping
        What the gradebook holds, as from `Book.marks`.
    wanted : Wanted, optional
        What is asked for; by default everything that is missing or has changed.
    """
    wanted = wanted or Wanted()
    wanted.check(plan)
    assignment = plan.release.assignment
    tasks, kept = [], []
    for student in students:
        earlier = read_record(course, assignment, student)
        job = Job.of(course, assignment, student, marks.get(student, {}))
        exercises, why = _to_judge(plan, job, earlier, wanted)
        if exercises or not _is_written(course, plan, job, earlier):
            tasks.append(Task(student, job.digest, exercises, why or WRITING))
        else:
            earlier.points = sum(mark.score for mark in job.marks.values())
            kept.append(earlier)
    return Due(tasks, kept)


def _to_judge(plan: Plan, job: Job, earlier: Result | None, wanted: Wanted) -> tuple[tuple[str, ...], str]:
    """The exercises of one submission that want a verdict, and the reason in words."""
    if earlier is None:
        return tuple(plan.release.tests), FIRST
    reasons = {name: _reason(plan, job, earlier, name, wanted) for name in plan.release.tests}
    exercises = tuple(name for name, reason in reasons.items() if reason)
    return exercises, reasons[exercises[0]] if exercises else ""


def _reason(plan: Plan, job: Job, earlier: Result, name: str, wanted: Wanted) -> str:
    """Why one exercise wants a verdict; empty where the earlier one is kept."""
    verdict, before = earlier.verdicts.get(name), earlier.basis.get(name, {})
    if verdict is None:
        return FIRST
    if wanted.exercises is not None and name not in wanted.exercises:
        return ""
    if wanted.again:
        return ASKED
    now = plan.basis(name, job)
    changed = [part for part in CHANGES if before.get(part) != now[part]]
    if not before or verdict.kind == "engine error":
        return FIRST
    return CHANGES[changed[0]].format(name) if changed else ""


def _is_written(course: Course, plan: Plan, job: Job, earlier: Result) -> bool:
    """Do the gradebook and all files hold the earlier result?"""
    notebook = course.autograded(job.student, plan.release.assignment) / f"{plan.release.assignment}.ipynb"
    return (
        earlier.digests == job.digests(plan)
        and earlier.late == plan.deadlines.lateness(job.student, job.timestamp)
        and notebook.is_file()
        and page_path(course, earlier).is_file()
        and all(_is_booked(plan, job, earlier, name) for name in plan.release.tests)
        and all(essay.name in job.marks for essay in earlier.essays)
    )


def _is_booked(plan: Plan, job: Job, earlier: Result, name: str) -> bool:
    mark = job.marks.get(plan.release.tests[name].nbgrader["grade_id"])
    if mark is None or mark.auto_score is None:
        return False
    return abs(mark.auto_score - earlier.verdicts[name].points) < 1e-6
