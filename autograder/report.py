"""The class report: one self-contained page for the people who teach, made from records and gradebook.

What was hard, which mistakes were made how often, who came late, and who needs a human, with the reason. Examples
of mistakes name a submission by its fingerprint, so that the page can be shown to a class, up to its last section.
"""

from __future__ import annotations

import ast
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from dlcv.checking import Verdict

from .attention import Reason, for_a_human
from .course import Course
from .feedback import MARKS, Titles, feedback_page, page_path
from .gradebook import Book
from .histogram import histogram
from .late import IN_GRACE, LATE, ON_TIME, TOO_LATE, UNKNOWN
from .mark import Mark
from .pages import code_css, highlighted, templates
from .record import Result
from .records import read_records
from .settle import settle
from .writing import write

__all__ = ["report", "report_page", "report_path"]

Marks = Mapping[str, Mapping[str, Mark]]

# What an answer came to, in the order in which the bars stack, and the pattern of each.
OUTCOMES = {
    "right": "good",
    "partly right": "half",
    "known mistake": "slip",
    "wrong": "bad",
    "crashed or too slow": "crash",
    "forbidden call": "ban",
    "not attempted": "none",
}
STATUSES = (ON_TIME, IN_GRACE, LATE, TOO_LATE, UNKNOWN)
HASH = 8  # characters of a submission's fingerprint that name it here
MOST_EXAMPLES = 4


def report(course: Course, assignment: str) -> Path:
    """Write the class report of an assignment and return its path."""
    results = read_records(course, assignment)
    with Book(course.db_url, course.name) as book:
        changed = settle(course, book, assignment, results)
        marks = book.marks(assignment)
    titles = Titles.of(course, results[0].chapter)
    for result in changed:
        write(page_path(course, result), feedback_page(result, marks.get(result.student, {}), titles))
    graded = {result.student for result in results}
    missing = [student for student in course.students(assignment) if student not in graded]
    page = report_page(results, marks, titles, missing)
    return write(report_path(course, assignment), page)


def report_path(course: Course, assignment: str) -> Path:
    return course.folder / "report" / f"{assignment}.html"


def report_page(results: Sequence[Result], marks: Marks, titles: Titles, missing: Sequence[str] = ()) -> str:
    """Return the page as one string of HTML; `missing` handed in and have not been graded."""
    rows = [_student(result, marks.get(result.student, {})) for result in results]
    totals = [row.final for row in rows]
    whole = max(result.max_points for result in results)
    reasons = for_a_human(results)
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            course=titles.course,
            title=titles.chapter,
            assignment=results[0].assignment,
            count=len(results),
            mean=statistics.fmean(totals),
            median=statistics.median(totals),
            whole=whole,
            passed=sum(all(verdict.right for verdict in result.verdicts.values()) for result in results),
            reasons=[(reason, _listed(reason, rows)) for reason in reasons],
            waiting=len({student for reason in reasons for student in reason.students} | set(missing)),
            missing=missing,
            seconds=statistics.median(result.seconds for result in results),
            essays=_essays(results, marks),
            walls=Counter(
                result.walls for result in results if result.walls and not result.unsafe
            ).most_common(),
            unsafe=sorted({result.walls for result in results if result.unsafe}),
            unwalled=sum(result.unsafe for result in results),
            histogram=histogram(totals, whole),
            exercises=_exercises(results, titles),
            outcomes=OUTCOMES,
            slips=_slips(results, titles),
            others=_others(results, titles),
            late=_lateness(results, rows),
            rows=rows,
            code_css=code_css(),
        )
    )


def _essays(results: Sequence[Result], marks: Marks) -> dict[str, int]:
    """How many answers to each essay question wait for a reader."""
    waiting = Counter()
    for result in results:
        for essay in result.essays:
            mark = marks.get(result.student, {}).get(essay.name, Mark(needs_manual_grade=essay.answered))
            waiting[essay.name] += mark.needs_manual_grade
    return {name: count for name, count in waiting.items() if count}


# Students


@dataclass(frozen=True)
class StudentRow:
    """One line of the class list; `final` is what remains of `points` after `penalty`."""

    student: str
    points: float
    penalty: float
    late: str
    marks: list[tuple[str, str, str]]
    feedback: str

    @property
    def final(self) -> float:
        return self.points - self.penalty


def _student(result: Result, marks: Mapping[str, Mark]) -> StudentRow:
    folder = f"{quote(result.student)}/{quote(result.assignment)}/{quote(result.assignment)}"
    signs = [_sign(verdict) for verdict in result.verdicts.values()]
    points = sum(mark.score for mark in marks.values()) if marks else result.points
    late = result.late
    said = late.status if late and (late.is_late or late.status == IN_GRACE) else ""
    penalty = late.penalty(points) if late else 0.0
    return StudentRow(result.student, points, penalty, said, signs, f"../feedback/{folder}.html")


def _sign(verdict: Verdict) -> tuple[str, str, str]:
    sign, tone = MARKS.get(verdict.kind, ("✗", "bad"))
    if verdict.points and verdict.kind != "right":
        sign, tone = "◐", "half"
    return sign, tone, verdict.slip or verdict.kind


def _listed(reason: Reason, rows: Sequence[StudentRow]) -> list[tuple[StudentRow, list[str]]]:
    return [(row, reason.students[row.student]) for row in rows if row.student in reason.students]


# Exercises


@dataclass(frozen=True)
class ExerciseRow:
    """How the class did on one exercise; times in milliseconds, `slow` is exceeded by one in twenty."""

    name: str
    title: str
    shares: list[tuple[str, str, int, float]]
    passed: float
    mean: float
    max_points: float
    usual: float
    slow: float


def _exercises(results: Sequence[Result], titles: Titles) -> list[ExerciseRow]:
    rows = []
    for name in results[0].verdicts:
        verdicts = [result.verdicts[name] for result in results if name in result.verdicts]
        counts = Counter(_outcome(verdict) for verdict in verdicts)
        shares = [
            (outcome, tone, counts[outcome], 100 * counts[outcome] / len(verdicts))
            for outcome, tone in OUTCOMES.items()
            if counts[outcome]
        ]
        times = sorted(1000 * verdict.seconds for verdict in verdicts if verdict.seconds)
        rows.append(
            ExerciseRow(
                name,
                titles.exercises.get(name, name),
                shares,
                100 * counts["right"] / len(verdicts),
                statistics.fmean(verdict.points for verdict in verdicts),
                verdicts[0].max_points,
                statistics.median(times) if times else math.nan,
                times[math.ceil(0.95 * len(times)) - 1] if times else math.nan,
            )
        )
    return rows


def _outcome(verdict: Verdict) -> str:
    if verdict.kind in ("right", "not attempted", "forbidden call"):
        return verdict.kind
    if verdict.kind == "slip":
        return "known mistake"
    if verdict.points:
        return "partly right"
    return "crashed or too slow" if verdict.kind in ("crashed", "too slow", "engine error") else "wrong"


# Mistakes


@dataclass
class Mistake:
    """One mistake, how many made it, and examples: fingerprints of submissions and the text of one."""

    exercise: str
    name: str
    words: str = ""
    count: int = 0
    share: float = 0.0  # of those who tried, in per cent
    examples: list[str] = field(default_factory=list)
    code: str = ""

    def add(self, result: Result, answer: str) -> None:
        self.count += 1
        mark = result.digests.get("submission", "")[:HASH]
        if mark and len(self.examples) < MOST_EXAMPLES:
            self.examples.append(mark)
            # The shortest of the examples is the easiest to read.
            shown = _without_words(answer)
            if shown and (not self.code or len(shown) < len(self.code)):
                self.code, self.examples = shown, [mark, *self.examples[:-1]]

    @property
    def picture(self) -> str:
        return highlighted(self.code) if self.code else ""


def _without_words(answer: str) -> str:
    """A learner's code without comments and docstrings, where a name might stand; empty where it is no Python."""
    try:
        tree = ast.parse(answer)
        for node in ast.walk(tree):
            documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            if documented and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError):
        return ""


def _slips(results: Sequence[Result], titles: Titles) -> list[Mistake]:
    """The known mistakes that were made, the most frequent first."""
    return _counted(results, titles, lambda verdict: verdict.slip, lambda verdict: verdict.diagnosis)


def _others(results: Sequence[Result], titles: Titles) -> list[Mistake]:
    """What is wrong and was not recognised."""

    def name(verdict: Verdict) -> str:
        return "" if verdict.slip or verdict.kind in ("right", "not attempted") else verdict.kind

    return _counted(results, titles, name, lambda verdict: "")


def _counted(results: Sequence[Result], titles: Titles, name, words) -> list[Mistake]:
    made: dict[tuple[str, str], Mistake] = {}
    tried = Counter()
    for result in results:
        if result.problem:
            continue
        for exercise, verdict in result.verdicts.items():
            tried[exercise] += verdict.kind != "not attempted"
            if name(verdict):
                title = titles.exercises.get(exercise, exercise)
                mistake = made.setdefault(
                    (exercise, name(verdict)), Mistake(title, name(verdict), words(verdict))
                )
                mistake.add(result, result.answers.get(exercise, ""))
    for (exercise, _), mistake in made.items():
        mistake.share = 100 * mistake.count / tried[exercise]
    return sorted(made.values(), key=lambda mistake: -mistake.count)


# Lateness


def _lateness(results: Sequence[Result], rows: Sequence[StudentRow]) -> dict | None:
    """How many came when, and the late ones; None where nothing was due."""
    known = [(result.late, row) for result, row in zip(results, rows, strict=True) if result.late]
    if not known:
        return None
    late = [(late, row) for late, row in known if late.is_late]
    due = Counter(late.due for late, _ in known if not late.extended)
    kinds = defaultdict(int)
    for found, _ in known:
        kinds[found.status] += 1
    return {
        "due": due.most_common(1)[0][0] if due else "",
        "counts": [(status, kinds[status]) for status in STATUSES if kinds[status]],
        "extended": sum(late.extended for late, _ in known),
        "number": len(late),
        "taken": sum(row.penalty for _, row in late),
        "rows": sorted(late, key=lambda found: (-found[0].percent, -found[0].days, found[1].student)),
    }
