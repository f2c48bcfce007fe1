"""Grade the submissions of one assignment: the trusted side, from submitted folders to gradebook and pages.

The warm sandbox is started first, before anything secret is read. References, cases and expected values are made
once and shared with the workers by fork. Each worker reads, restores, examines and renders one submission at a
time and returns texts; this process alone writes: files, and one transaction a submission into the gradebook.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .course import Course, CourseError
from .engine import Failed, cores, work
from .feedback import Titles, feedback_page, page_path
from .gradebook import Book, Entries, Mark
from .record import Essay, Result, digest, record_path
from .release import SHOWN, Release, read_release
from .sandbox import Limits, Sandbox
from .submission import Submission, read_submission
from .wire import Gone
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
    with Sandbox(preloads(release), limits) as sandbox:
        grader = _Grader.prepare(course, release, sandbox)
        with Book(course.db_url, course.name) as book:
            book.register(assignment, _source_notebook(course, assignment))
            marks = book.marks(assignment)
            sandbox.wait_until_warm()
            results = []
            workers = min(jobs or cores(), len(wanted))
            assigned = [(student, marks.get(student, {})) for student in wanted]
            for (student, _), outcome in work(grader.grade_one, assigned, workers, leave=grader.leave):
                if isinstance(outcome, Failed):
                    outcome = grader.failed(student, outcome.why)
                results.append(_keep(course, book, outcome))
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


def preloads(release: Release) -> list[str]:
    """Modules that the release's own cells import: worth having in the warm interpreter."""
    modules = [f"dlcv.{release.chapter}.exercises"]
    for slot in release.slots:
        if slot.kind == "code" and slot.role not in SHOWN:
            try:
                tree = ast.parse(slot.source)
            except SyntaxError:
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    modules += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    # What is imported from a package may be a module, too.
                    modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return list(dict.fromkeys(modules))


@dataclass
class Graded:
    """All that is to be written for one submission."""

    result: Result
    notebook: str
    entries: Entries
    page: str
    timestamp: str | None = None


def _keep(course: Course, book: Book, graded: Graded) -> Result:
    """Write one submission's results. The record comes last: what has none is graded again."""
    result, assignment = graded.result, graded.result.assignment
    path = record_path(course, assignment, result.student)
    unchanged = _earlier(path).get("submission") == result.digests.get("submission", "")
    write(course.autograded(result.student, assignment) / f"{assignment}.ipynb", graded.notebook)
    result.points = book.save(
        result.student, assignment, graded.entries, timestamp=graded.timestamp, unchanged=unchanged
    )
    write(page_path(course, result), graded.page)
    write(path, result.to_json())
    return result


def _earlier(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["digests"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class _Grader:
    """Grades one submission at a time; made before the workers are forked, so that they share what it holds."""

    def __init__(
        self, course: Course, release: Release, judges: dict, sandbox: Sandbox, digests: dict[str, str]
    ):
        self.course, self.release, self.judges, self.sandbox = course, release, judges, sandbox
        self.digests = digests
        self.titles = Titles.of(course, release.chapter)

    @classmethod
    def prepare(cls, course: Course, release: Release, sandbox: Sandbox) -> _Grader:
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
            errors=[
                f"cell {error.cell + 1}: {error}"
                for error in examined.errors
                if error.type != "NotImplementedError"
            ],
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
