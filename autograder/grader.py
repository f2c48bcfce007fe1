"""One submission graded: the trusted side of it, from the bytes that came in to the texts that go out.

A `Plan` is what the whole class has in common, a `Job` one submission, `Graded` what is to be written for it: plain
data without paths or open files, so all three can go to another process or another machine. `Grader` makes the one
from the others and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .course import Course, CourseError
from .feedback import Titles, feedback_page
from .gradebook import Entries, Mark
from .late import Deadlines, handed_in, timestamp
from .record import Essay, Result, digest
from .release import Release
from .sandbox import Limits, Sandbox
from .submission import HandedIn, fetch, open_submission
from .wire import Gone

__all__ = ["Graded", "Grader", "Job", "Plan", "not_graded"]


@dataclass(frozen=True)
class Plan:
    """What is the same for all submissions of one assignment; it holds the secret seed."""

    release: Release = field(repr=False)
    seed: str = field(repr=False)
    titles: Titles
    limits: Limits
    digests: Mapping[str, str]
    deadlines: Deadlines

    @classmethod
    def of(cls, course: Course, release: Release, limits: Limits) -> Plan:
        seed = course.seed()
        digests = {
            "release": release.digest[:32],
            "seed": digest(f"seed of {release.assignment}: {seed}"),
            "exercises": _digest_of_exercises(release.chapter),
        }
        titles, deadlines = Titles.of(course, release.chapter), Deadlines.of(course, release.assignment)
        return cls(release, seed, titles, limits, digests, deadlines)

    @property
    def exercises(self) -> dict[str, Any]:
        """The exercises that the release tests, by name."""
        from dlcv.checking import load_exercises

        known = load_exercises(self.release.chapter)
        unknown = [name for name in self.release.tests if name not in known]
        if unknown:
            raise CourseError(
                f"{self.release.assignment} tests {', '.join(unknown)}, which dlcv.{self.release.chapter} has not"
            )
        return {name: known[name] for name in self.release.tests}


@dataclass(frozen=True)
class Job:
    """One submission to grade: what was handed in, when, and what the gradebook holds for this student."""

    student: str
    handed_in: HandedIn
    marks: Mapping[str, Mark] = field(default_factory=dict, repr=False)
    timestamp: str | None = None

    @classmethod
    def of(cls, course: Course, assignment: str, student: str, marks: Mapping[str, Mark]) -> Job:
        folder = course.submitted(student, assignment)
        return cls(student, fetch(folder, assignment), marks, timestamp(folder))

    @property
    def digest(self) -> str:
        """The fingerprint of what was handed in."""
        return digest(self.handed_in.content)


@dataclass
class Graded:
    """All that is to be written for one submission."""

    result: Result
    notebook: str
    entries: Entries
    page: str
    timestamp: datetime | None = None


class Grader:
    """Grades one submission at a time. It may be made before workers are forked, so that they share what it holds."""

    def __init__(self, plan: Plan, judges: dict, sandbox: Sandbox):
        self.plan, self.release, self.judges, self.sandbox = plan, plan.release, judges, sandbox

    @classmethod
    def prepare(cls, plan: Plan, sandbox: Sandbox) -> Grader:
        """Make the judges: all cases, expected values and slip outputs, once for the whole class."""
        import torch

        from dlcv.checking import EngineError, Judge

        torch.set_num_threads(1)  # workers may be forked from this process
        judges = {}
        for name, exercise in plan.exercises.items():
            try:
                judges[name] = Judge(exercise, seed=plan.seed)
            except EngineError as error:
                raise CourseError(f"{plan.release.assignment}: {error}") from None
            for slip in exercise.slips:
                judges[name].slip_replies(slip)
        return cls(plan, judges, sandbox)

    def leave(self) -> None:
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
        from .examine import examine, without_a_run
        from .restore import restore

        submission = open_submission(job.handed_in)
        restored = restore(submission.cells, self.release)
        if submission.problem:
            restored.flags.clear()
            examined = without_a_run(self.judges, submission.problem)
        else:
            examined = examine(restored, self.judges, self.release.chapter, self.sandbox)
        notebook, cut = autograded_notebook(restored, self.release, examined.verdicts)
        essays = _essays(self.release, restored)
        flags = [*submission.flags, *restored.flags, *cut, *_flags(examined, essays)]
        if submission.problem:
            flags.insert(0, submission.problem)
        result = Result(
            student=job.student,
            assignment=self.release.assignment,
            chapter=self.release.chapter,
            verdicts=examined.verdicts,
            essays=essays,
            flags=flags,
            problem=submission.problem,
            errors=_told(examined),
            answers={name: restored.answer_source(name) or "" for name in self.judges},
            seconds=round(examined.seconds, 3),
            restarts=examined.restarts,
            walls=self.sandbox.walls,
            file=job.handed_in.file,
            digests={"submission": job.digest, **self.plan.digests},
        )
        return _rendered(self.plan, job, result, notebook)


def not_graded(plan: Plan, job: Job, why: str) -> Graded:
    """What is kept where our own code failed: nothing is said about the learner, a human is told."""
    from dlcv.checking import Verdict

    from .autograded import autograded_notebook
    from .restore import restore

    message = "the grader itself failed; this says nothing about the answer"
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
        flags=[f"NOT GRADED, {message}: {why.strip().splitlines()[-1]}"],
        digests=dict(plan.digests),
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
    """The errors that the learner's cells ended in; a stub's own error says nothing."""
    errors = [error for error in examined.errors if error.type != "NotImplementedError"]
    return [f"cell {error.cell + 1}: {error}" for error in errors]


def _flags(examined: Any, essays: list[Essay]) -> list[str]:
    """What a human should look at in an examination."""
    flags = []
    for name, verdict in examined.verdicts.items():
        if verdict.kind == "engine error":
            flags.append(f"{name}: the check itself failed, not the answer: {' '.join(verdict.detail)[:300]}")
        elif verdict.kind == "forbidden call":
            flags.append(f"{name} uses what the exercise forbids: {verdict.message}")
    for error in examined.errors:
        if error.type in ("CellTooSlow", "the process ended", "the process was stopped"):
            flags.append(f"cell {error.cell + 1} was left out: {error.message}")
    flags += examined.troubles
    flags += [f"essay to grade: {essay.name}" for essay in essays if essay.answered]
    return flags


def _digest_of_exercises(chapter: str) -> str:
    """A fingerprint of the code that decides about right and wrong."""
    import dlcv

    package = Path(dlcv.__file__).parent
    files = sorted([*(package / "checking").rglob("*.py"), *(package / chapter).rglob("*.py")])
    return digest(b"".join(file.read_bytes() for file in files))
