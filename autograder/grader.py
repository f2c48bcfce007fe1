"""One submission graded: the trusted side of it, from the bytes that came in to the texts that go out.

A `Plan` is what the whole class has in common, a `Job` one submission, `Graded` what is to be written for it: plain
data without paths or open files, so all three can go to another process or another machine. `Grader` makes the one
from the others and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .course import Course, CourseError
from .feedback import Titles, feedback_page
from .gradebook import Entries, Mark
from .grants import Grants
from .late import Deadlines, handed_in, timestamp
from .record import Essay, Result, digest
from .release import Release
from .sandbox import Limits, Sandbox
from .seeds import Seeds
from .submission import HandedIn, Submission, fetch, open_submission
from .wire import Gone

if TYPE_CHECKING:
    from .restore import Restored

__all__ = ["Graded", "Grader", "Job", "Plan", "not_graded"]

NOT_GRADED = "NOT GRADED"


@dataclass(frozen=True)
class Plan:
    """What is the same for all submissions of one assignment; `seeds` holds the secret seed.

    `digests` and `checks` are fingerprints of what verdicts depend on: `checks` of the code of each exercise. `judged`
    names the exercises that jobs may ask for; None: all.
    """

    release: Release = field(repr=False)
    seeds: Seeds
    titles: Titles
    limits: Limits
    digests: Mapping[str, str]
    deadlines: Deadlines
    checks: Mapping[str, str]
    judged: tuple[str, ...] | None = None

    @classmethod
    def of(cls, course: Course, release: Release, limits: Limits) -> Plan:
        from .fingerprint import engine_digest, exercise_digest

        digests = {
            "release": release.digest[:32],
            "engine": engine_digest(),
        }
        checks = {name: exercise_digest(exercise) for name, exercise in _tested(release, limits).items()}
        titles, deadlines = Titles.of(course, release.chapter), Deadlines.of(course, release.assignment)
        return cls(release, Seeds.of_course(course), titles, limits, digests, deadlines, checks)

    def basis(self, exercise: str, job: Job) -> dict[str, str]:
        """What a verdict on one exercise of one submission depends on: equal digests, equal verdict."""
        seed = digest(f"seed of {self.release.assignment}: {self.seeds.of(job.student)}")
        # What a course allows another exercise is of no concern here.
        everybody, own = (replace(each, exercises={}) for each in (self.limits, self.limits.of(exercise)))
        return {
            "submission": job.digest,
            **self.digests,
            "seed": seed,
            "limits": digest(repr((everybody, own))),
            "check": self.checks[exercise],
        }

    @property
    def exercises(self) -> dict[str, Any]:
        """The exercises that the release tests, by name."""
        return _tested(self.release, self.limits)


def _tested(release: Release, limits: Limits) -> dict[str, Any]:
    """The exercises that a release tests, each with the seconds that the course gives one call of its answer."""
    from dlcv.checking import load_exercises

    known = load_exercises(release.chapter)
    unknown = [name for name in release.tests if name not in known]
    if unknown:
        raise CourseError(
            f"{release.assignment} tests {', '.join(unknown)}, which dlcv.{release.chapter} has not"
        )
    timed = {name: limits.of(name).case or known[name].limit for name in release.tests}
    return {name: replace(known[name], limit=seconds) for name, seconds in timed.items()}


@dataclass(frozen=True)
class Job:
    """One submission to grade: what was handed in, when, and what the gradebook holds for this student.

    `exercises` are the ones to judge, None means all; verdicts on the others are taken from `earlier`, the record of
    the last grading.
    """

    student: str
    handed_in: HandedIn
    marks: Mapping[str, Mark] = field(default_factory=dict, repr=False)
    timestamp: str | None = None
    exercises: tuple[str, ...] | None = None
    earlier: Result | None = field(default=None, repr=False)

    @classmethod
    def of(cls, course: Course, assignment: str, student: str, marks: Mapping[str, Mark]) -> Job:
        folder = course.submitted(student, assignment)
        return cls(student, fetch(folder, assignment), marks, timestamp(folder))

    @property
    def digest(self) -> str:
        """The fingerprint of what was handed in."""
        return self.handed_in.digest

    def asks_for(self, exercise: str) -> bool:
        """Is a verdict on this exercise wanted?"""
        return self.exercises is None or exercise in self.exercises

    def digests(self, plan: Plan) -> dict[str, str]:
        """Fingerprints of what is written for this job besides verdicts."""
        around = (self.handed_in.file, self.handed_in.flags, self.timestamp)
        by_hand = [
            (name, mark.manual_score, mark.extra_credit, mark.comment)
            for name, mark in sorted(self.marks.items())
            if (mark.manual_score, mark.extra_credit, mark.comment) != (None, None, None)
        ]
        return {
            "submission": self.digest,
            "release": plan.digests["release"],
            "around": digest(repr(around)),
            "by hand": digest(repr(by_hand)),
        }


@dataclass
class Graded:
    """All that is to be written for one submission."""

    result: Result
    notebook: str | None  # None: the one that there is stays, and so do its entries
    entries: Entries | None
    page: str
    timestamp: datetime | None = None


class Grader:
    """Grades one submission at a time. It may be made before workers are forked, so that they share what it holds.

    Parameters
    ----------
    plan : Plan
        What all submissions have in common.
    judges : dict
        The judge of each exercise that a job may ask for, with the course's own seed.
    sandbox : Sandbox, optional
        Where learners' code runs; not needed for jobs that judge nothing.
    """

    def __init__(self, plan: Plan, judges: dict, sandbox: Sandbox | None):
        self.plan, self.release, self.judges, self.sandbox = plan, plan.release, judges, sandbox
        self.grants = Grants.of(judges)

    @classmethod
    def prepare(cls, plan: Plan, sandbox: Sandbox | None) -> Grader:
        """Make the judges: all cases, expected values and slip outputs, once for the whole class.

        With a seed a student these only show that cases can be made; see `judges_of`.
        """
        import torch

        from dlcv.checking import EngineError, Judge

        torch.set_num_threads(1)  # workers may be forked from this process
        judges = {}
        for name, exercise in plan.exercises.items():
            if plan.judged is not None and name not in plan.judged:
                continue
            try:
                judges[name] = Judge(exercise, seed=plan.seeds.secret)
            except EngineError as error:
                raise CourseError(f"{plan.release.assignment}: {error}") from None
            if not plan.seeds.per_student:
                for slip in exercise.slips:
                    judges[name].slip_replies(slip)
        return cls(plan, judges, sandbox)

    def judges_of(self, job: Job) -> dict[str, Any]:
        """The judge of each exercise that a job asks for: everybody's, or made anew with the student's own seed.

        What slips answer to a student's own cases is worked out when an answer is wrong, not before.
        """
        from dlcv.checking import Judge

        asked = {name: judge for name, judge in self.judges.items() if job.asks_for(name)}
        if not self.plan.seeds.per_student:
            return asked
        seed = self.plan.seeds.of(job.student)
        return {name: Judge(judge.exercise, seed=seed) for name, judge in asked.items()}

    def leave(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()

    def grade(self, job: Job) -> Graded:
        """Grade one submission."""
        from .examine import SandboxFailed

        try:
            return self._graded(job)
        except (Gone, SandboxFailed):
            # The warm interpreter did not survive; a new one, and once more.
            self.sandbox = self.sandbox.another()
            return self._graded(job)

    def _graded(self, job: Job) -> Graded:
        from .autograded import autograded_notebook
        from .restore import restore

        submission = open_submission(job.handed_in)
        restored = restore(submission.cells, self.release)
        if submission.problem:
            restored.flags.clear()
            submission.flags.insert(0, submission.problem)
        result = self._examined(job, submission, restored)
        notebook, cut = autograded_notebook(restored, self.release, result.verdicts)
        result.essays = _essays(self.release, restored)
        result.flags = [
            *submission.flags, *restored.flags, *cut, *_flags(result), *_out_of_date(self.plan, job, result),
        ]  # fmt: skip
        return _rendered(self.plan, job, result, notebook)

    def _examined(self, job: Job, submission: Submission, restored: Restored) -> Result:
        """Judge what the job asks for; take the rest from the earlier record."""
        from .examine import Examination, examine, without_a_run

        judges = self.judges_of(job)
        earlier = job.earlier or Result(job.student, self.release.assignment, self.release.chapter, {})
        if submission.problem:
            examined = without_a_run(judges, submission.problem)
        elif judges:
            examined = examine(restored, judges, self.sandbox, self.grants)
        else:
            examined = Examination({})
        known = {**earlier.verdicts, **examined.verdicts}
        found = replace(
            earlier,
            verdicts={name: known[name] for name in self.release.tests},
            problem=submission.problem,
            answers={name: restored.answer_source(name) or "" for name in self.release.tests},
            file=job.handed_in.file,
            digests=job.digests(self.plan),
            basis={**earlier.basis, **{name: self.plan.basis(name, job) for name in judges}},
            ran=list(judges),
        )
        if not judges:
            return found
        return replace(
            found,
            errors=_told(examined),
            troubles=_troubles(examined),
            seconds=round(examined.seconds, 3),
            restarts=examined.restarts,
            walls=self.sandbox.walls if self.sandbox else earlier.walls,
        )


def not_graded(plan: Plan, job: Job, why: str) -> Graded:
    """What is kept where our own code failed: nothing is said about the learner, a human is told.

    Where there is an earlier result it stays as it is, in the gradebook, too.
    """
    from dlcv.checking import Verdict

    from .autograded import autograded_notebook
    from .restore import restore

    message = "the grader itself failed; this says nothing about the answer"
    failure = f"{message}: {why.strip().splitlines()[-1]}"
    if job.earlier:
        flags = [flag for flag in job.earlier.flags if not flag.startswith(NOT_GRADED)]
        flags.insert(0, f"{NOT_GRADED} again, {failure}; the result before that was kept")
        basis = {name: digests for name, digests in job.earlier.basis.items() if not job.asks_for(name)}
        result = replace(job.earlier, flags=flags, basis=basis, failure=failure)
        return Graded(result, None, None, feedback_page(result, job.marks, plan.titles))
    verdicts = {
        name: Verdict(name, "engine error", 0.0, exercise.points, 0, 0, message=message)
        for name, exercise in plan.exercises.items()
    }
    restored = restore([], plan.release)
    notebook, _ = autograded_notebook(restored, plan.release, verdicts)
    result = Result(
        student=job.student,
        assignment=plan.release.assignment,
        chapter=plan.release.chapter,
        verdicts=verdicts,
        essays=_essays(plan.release, restored),
        flags=[f"{NOT_GRADED}, {failure}"],
        failure=failure,
    )
    return _rendered(plan, job, result, notebook)


def _rendered(plan: Plan, job: Job, result: Result, notebook: dict) -> Graded:
    result.late = plan.deadlines.lateness(job.student, job.timestamp)
    return Graded(
        result,
        json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        Entries.of(notebook),
        feedback_page(result, job.marks, plan.titles),
        handed_in(job.timestamp, plan.deadlines.here),
    )


def _essays(release: Release, restored: Any) -> list[Essay]:
    texts = {
        cell.slot.index: cell.source for cell in restored.cells if cell.slot is not None and not cell.copy
    }
    return [
        Essay(
            name=slot.nbgrader["grade_id"],
            max_points=slot.points,
            text=texts.get(slot.index, ""),
            answered=texts.get(slot.index, slot.source).strip() != slot.source.strip(),
        )
        for slot in release.essays
    ]


def _told(examined: Any) -> list[str]:
    """The errors that the learner's cells ended in; a stub's own error says nothing either."""
    quiet = (
        "NotImplementedError",
        "Withheld",
    )  # a comparison with the reference says nothing about an answer
    errors = [error for error in examined.errors if error.type not in quiet]
    return [f"cell {error.cell + 1}: {error}" for error in errors]


def _troubles(examined: Any) -> list[str]:
    """What a human should know about how the cells ran."""
    ended = ("CellTooSlow", "the process ended", "the process was stopped")
    left_out = [error for error in examined.errors if error.type in ended]
    return [f"cell {error.cell + 1} was left out: {error.message}" for error in left_out] + examined.troubles


def _flags(result: Result) -> list[str]:
    """What a human should look at in a result."""
    flags = []
    for name, verdict in result.verdicts.items():
        if verdict.kind == "engine error":
            flags.append(f"{name}: the check itself failed, not the answer: {' '.join(verdict.detail)[:300]}")
        elif verdict.kind == "forbidden call":
            flags.append(f"{name} uses what the exercise forbids: {verdict.message}")
    flags += result.troubles
    flags += [f"essay to grade: {essay.name}" for essay in result.essays if essay.answered]
    return flags


def _out_of_date(plan: Plan, job: Job, result: Result) -> list[str]:
    """A flag for exercises that were left as they were although what they depend on has changed."""
    old = [name for name in result.verdicts if result.basis.get(name) != plan.basis(name, job)]
    if not old:
        return []
    return [
        f"not graded anew, although something has changed since: {', '.join(old)}; points are the earlier ones"
    ]
