"""The class report: one self-contained page for the people who teach, made from records and gradebook.

What was hard, which mistakes were made how often, and who needs a human, with the reason.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from .course import Course, CourseError
from .feedback import MARKS, Titles, templates
from .gradebook import Book, Mark
from .record import Result, read_records
from .writing import write

__all__ = ["report", "report_page", "report_path"]

# What an answer came to, in the order in which the bars stack, and the colour of each.
OUTCOMES = {
    "right": "good",
    "partly right": "half",
    "slip": "slip",
    "wrong": "bad",
    "crashed": "crash",
    "not attempted": "none",
}


def report(course: Course, assignment: str) -> Path:
    """Write the class report of an assignment and return its path."""
    results = read_records(course, assignment)
    if not results:
        raise CourseError(
            f"nothing of {assignment} has been graded yet in {course.folder}; run: autograder grade"
        )
    with Book(course.db_url, course.name) as book:
        marks = book.marks(assignment)
    page = report_page(results, marks, Titles.of(course, results[0].chapter))
    return write(report_path(course, assignment), page)


def report_path(course: Course, assignment: str) -> Path:
    return course.folder / "report" / f"{assignment}.html"


def report_page(results: Sequence[Result], marks: Mapping[str, Mapping[str, Mark]], titles: Titles) -> str:
    """Return the page as one string of HTML."""
    rows = [_student(result, marks.get(result.student, {})) for result in results]
    totals = [row.points for row in rows]
    whole = max(result.max_points for result in results)
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
            waiting=[row for row in rows if row.reasons],
            seconds=statistics.median(result.seconds for result in results),
            essays=_essays(results, marks),
            walls=sorted({result.walls for result in results if result.walls and not result.unsafe}),
            unsafe=sorted({result.walls for result in results if result.unsafe}),
            unwalled=sum(result.unsafe for result in results),
            histogram=histogram(totals, whole),
            exercises=_exercises(results, titles),
            outcomes=OUTCOMES,
            slips=_slips(results, titles),
            rows=rows,
        )
    )


def _essays(results: Sequence[Result], marks: Mapping[str, Mapping[str, Mark]]) -> dict[str, int]:
    """How many answers to each essay question wait for a reader."""
    waiting = Counter()
    for result in results:
        for essay in result.essays:
            mark = marks.get(result.student, {}).get(essay.name, Mark(needs_manual_grade=essay.answered))
            waiting[essay.name] += mark.needs_manual_grade
    return {name: count for name, count in waiting.items() if count}


@dataclass(frozen=True)
class StudentRow:
    """One line of the class list."""

    student: str
    points: float
    marks: list[tuple[str, str, str]]
    reasons: list[str]
    feedback: str
    notebook: str


def _student(result: Result, marks: Mapping[str, Mark]) -> StudentRow:
    folder = f"{quote(result.student)}/{quote(result.assignment)}/{quote(result.assignment)}"
    signs = [(*MARKS.get(v.kind, ("✗", "bad")), f"{v.exercise}: {v.kind}") for v in result.verdicts.values()]
    signs = [("◐", "half", words) if v.points and v.kind != "right" else (sign, tone, words)
             for (sign, tone, words), v in zip(signs, result.verdicts.values(), strict=True)]  # fmt: skip
    points = sum(mark.score for mark in marks.values()) if marks else result.points
    reasons = [flag for flag in result.flags if not flag.startswith("essay to grade")]
    return StudentRow(
        result.student, points, signs, reasons, f"../feedback/{folder}.html", f"../autograded/{folder}.ipynb"
    )


@dataclass(frozen=True)
class ExerciseRow:
    """How the class did on one exercise."""

    name: str
    title: str
    shares: list[tuple[str, str, int, float]]
    passed: float
    mean: float
    max_points: float
    milliseconds: float


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
        timed = [verdict.seconds for verdict in verdicts if verdict.seconds]
        rows.append(
            ExerciseRow(
                name,
                titles.exercises.get(name, name),
                shares,
                100 * counts["right"] / len(verdicts),
                statistics.fmean(verdict.points for verdict in verdicts),
                verdicts[0].max_points,
                1000 * statistics.median(timed) if timed else math.nan,
            )
        )
    return rows


def _outcome(verdict) -> str:
    if verdict.kind in ("right", "not attempted"):
        return verdict.kind
    if verdict.kind == "slip":
        return "slip"
    if verdict.kind in ("crashed", "too slow", "engine error"):
        return "partly right" if verdict.points else "crashed"
    return "partly right" if verdict.points else "wrong"


@dataclass(frozen=True)
class SlipRow:
    """One known mistake and how often it was made."""

    exercise: str
    slip: str
    diagnosis: str
    count: int
    share: float


def _slips(results: Sequence[Result], titles: Titles) -> list[SlipRow]:
    made = Counter()
    words = {}
    for result in results:
        for verdict in result.verdicts.values():
            if verdict.slip:
                made[verdict.exercise, verdict.slip] += 1
                words[verdict.exercise, verdict.slip] = verdict.diagnosis
    most = max(made.values(), default=1)
    return [
        SlipRow(
            titles.exercises.get(exercise, exercise), slip, words[exercise, slip], count, 100 * count / most
        )
        for (exercise, slip), count in made.most_common()
    ]


def histogram(totals: Sequence[float], whole: float, bins: int = 12) -> Markup:
    """Return the distribution of scores as inline SVG whose colours are the page's own."""
    whole = whole or 1.0
    counts = [0] * bins
    for total in totals:
        counts[min(bins - 1, max(0, int(bins * total / whole)))] += 1
    width, height, base = 720, 212, 170
    step, tallest = width / bins, max(counts) or 1
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Distribution of scores">']
    for place, count in enumerate(counts):
        bar = round((base - 22) * count / tallest, 1)
        x, low, high = place * step, whole * place / bins, whole * (place + 1) / bins
        parts.append(
            f'<rect x="{x + 3:.1f}" y="{base - bar}" width="{step - 6:.1f}" height="{bar}" rx="3" class="bin">'
            f"<title>{low:.3g} to {high:.3g} points: {count}</title></rect>"
        )
        if count:
            parts.append(f'<text x="{x + step / 2:.1f}" y="{base - bar - 6}" class="count">{count}</text>')
    parts.append(f'<line x1="0" x2="{width}" y1="{base}" y2="{base}" class="axis"/>')
    for place in range(0, bins + 1, bins // 4):
        anchor = "start" if place == 0 else "end" if place == bins else "middle"
        x = place * step
        parts.append(
            f'<text x="{x:.1f}" y="{base + 34}" text-anchor="{anchor}" class="tick">{whole * place / bins:g}</text>'
        )
    if totals:
        mean = statistics.fmean(totals)
        x = width * mean / whole
        parts.append(
            f'<path d="M{x:.1f} {base + 3} l7 12 h-14 z" class="mean"><title>mean {mean:.1f}</title></path>'
        )
    return Markup("".join(parts) + "</svg>")
