"""Grade one submission: read, restore, examine, and render all that is to be written for it.

A grader is made once a run, before the workers are forked: references, cases and expected values are computed once
and shared with them. It writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .course import Course, CourseError
from .feedback import Titles, feedback_page
from .gradebook import Entries, Mark
from .record import Essay, Result, digest
from .release import Release
from .sandbox import Sandbox
from .submission import Submission, read_submission
from .wire import Gone

__all__ = ["Graded", "Grader"]


@dataclass
class Graded:
    """All that is to be written for one submission."""

    result: Result
    notebook: str
    entries: Entries
    page: str
    timestamp: str | None = None


class Grader:
    """Grades one submission at a time; made before the workers are forked, so that they share what it holds."""

    def __init__(
        self, course: Course, release: Release, judges: dict, sandbox: Sandbox, digests: dict[str, str]
    ):
        self.course, self.release, self.judges, self.sandbox = course, release, judges, sandbox
        self.digests = digests
        self.titles = Titles.of(course, release.chapter)

    @classmethod
    def prepare(cls, course: Course, release: Release, sandbox: Sandbox) -> Grader:
        """Make the judges: all cases, expected values and slip outputs, once for the whole class."""
        import torch

        from dlcv.checking import EngineError, Judge, load_exercises

        torch.set_num_threads(1)  # the workers are forked from this process
        exercises = load_exercises(release.chapter)
        unknown = [name for name in release.tests if name not in exercises]
        if unknown:
            raise CourseError(
                f"{release.assignment} tests {', '.join(unknown)}, which dlcv.{release.chapter} has not"
            )
        seed = course.seed()
        judges = {}
        for name in release.tests:
            try:
                judges[name] = Judge(exercises[name], seed=seed)
            except EngineError as error:
                raise CourseError(f"{release.assignment}: {error}") from None
            for slip in exercises[name].slips:
                judges[name].slip_replies(slip)
        digests = {
            "release": release.digest[:32],
            "seed": digest(f"seed of {release.assignment}: {seed}"),
            "exercises": _digest_of_exercises(release.chapter),
        }
        return cls(course, release, judges, sandbox, digests)

    def leave(self) -> None:
        self.sandbox.close()

    def grade_one(self, job: tuple[str, Mapping[str, Mark]]) -> Graded:
        """Grade one student's submission."""
        from .examine import SandboxFailed

        student, marks = job
        submission = read_submission(
            self.course.submitted(student, self.release.assignment), self.release.assignment
        )
        try:
            return self._graded(student, submission, marks)
        except (Gone, SandboxFailed):
            # The warm interpreter did not survive; a new one, and once more.
            self.sandbox = self.sandbox.another()
            return self._graded(student, submission, marks)

    def _graded(self, student: str, submission: Submission, marks: Mapping[str, Mark]) -> Graded:
        from .autograded import autograded_notebook
        from .examine import examine, without_a_run
        from .restore import restore

        restored = restore([] if submission.problem else submission.cells, self.release)
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
            student=student,
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
            file=submission.path.name if submission.path else "",
            digests={"submission": digest(submission.content), **self.digests},
        )
        return self._rendered(result, notebook, marks)

    def _rendered(self, result: Result, notebook: dict, marks: Mapping[str, Mark]) -> Graded:
        return Graded(
            result,
            json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n",
            Entries.of(notebook),
            feedback_page(result, marks, self.titles),
            self._timestamp(result.student),
        )

    def failed(self, student: str, why: str) -> Graded:
        """What is kept where our own code failed: nothing is said about the learner, a human is told."""
        from dlcv.checking import Verdict

        from .autograded import autograded_notebook
        from .restore import restore

        message = "the grader itself failed; this says nothing about the answer"
        verdicts = {
            name: Verdict(name, "engine error", 0.0, judge.exercise.points, 0, 0, message=message)
            for name, judge in self.judges.items()
        }
        restored = restore([], self.release)
        notebook, _ = autograded_notebook(restored, self.release, verdicts)
        result = Result(
            student=student,
            assignment=self.release.assignment,
            chapter=self.release.chapter,
            verdicts=verdicts,
            essays=_essays(self.release, restored),
            flags=[f"NOT GRADED, {message}: {why.strip().splitlines()[-1]}"],
            digests=self.digests,
        )
        return self._rendered(result, notebook, {})

    def _timestamp(self, student: str) -> str | None:
        path = self.course.submitted(student, self.release.assignment) / "timestamp.txt"
        try:
            return path.read_text(encoding="utf-8").strip()[:100] or None
        except (OSError, UnicodeDecodeError):
            return None


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
