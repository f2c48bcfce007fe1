"""The page that a learner gets back: one self-contained HTML file a submission, made from its record.

It says what the verdicts say and nothing else: no hidden case, no traceback of ours. A learner's text is escaped;
the only fragments taken as they are were made here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcv.checking import Verdict, load_exercises, picture

from .attention import for_the_learner
from .course import Course
from .exchange import let_through, put_beside
from .gradebook import Book
from .late import UNKNOWN, Late
from .mark import Mark
from .pages import code_css, highlighted, moment, templates
from .record import Essay, Result
from .records import read_records
from .settle import settle
from .writing import write

__all__ = ["feedback", "feedback_page"]

MARKS = {"right": ("✓", "good"), "not attempted": ("○", "calm"), "engine error": ("!", "calm")}
# A verdict as a learner reads it, and what it means where the check's own words do not say it.
IN_WORDS = {
    "slip": "wrong answer",
    "wrong values": "wrong numbers",
    "crashed": "stopped with an error",
    "forbidden call": "uses what it may not",
    "engine error": "not judged",
}
MEANS = {
    "forbidden call": "An answer that uses it counts nothing, right or not.",
    "too slow": "Look for a loop that does not end, or for work that is done again for every number.",
    "engine error": "Our check failed, not your answer. Your instructor has been told; you need do nothing.",
}


def feedback(course: Course, assignment: str, students: Iterable[str] | None = None) -> list[Path]:
    """Write the feedback pages of graded submissions again, with what humans have given since."""
    results = read_records(course, assignment, students)
    with Book(course.db_url, course.name) as book:
        settle(course, book, assignment, results)
        marks = book.marks(assignment)
    titles = Titles.of(course, results[0].chapter)
    for result in results:
        put_beside(course, result.student, assignment)
    pages = [
        write(page_path(course, result), feedback_page(result, marks.get(result.student, {}), titles))
        for result in results
    ]
    let_through(course, assignment)
    return pages


def page_path(course: Course, result: Result) -> Path:
    return course.feedback(result.student, result.assignment) / f"{result.assignment}.html"


@dataclass(frozen=True)
class Titles:
    """What pages call the course, the chapter and its exercises."""

    course: str
    chapter: str
    exercises: Mapping[str, str]

    @classmethod
    def of(cls, course: Course, chapter: str) -> Titles:
        course.make_importable()
        exercises = load_exercises(chapter)
        names = {name: exercises[name].title or name for name in exercises}
        return cls(course.title, course.chapter(chapter).title, names)


def feedback_page(result: Result, marks: Mapping[str, Mark], titles: Titles) -> str:
    """Return the page as one string of HTML; `marks` is what the gradebook holds for this student."""
    # nbgrader keeps the score with the test's cell and the comment with the answer's.
    rows = [
        _row(verdict, marks.get(f"test-{name}"), marks.get(name, Mark()).comment, result, titles)
        for name, verdict in result.verdicts.items()
    ]
    rows += [_essay_row(essay, marks.get(essay.name)) for essay in result.essays]
    total = sum(row["points"] for row in rows)
    return (
        templates()
        .get_template("feedback.html.j2")
        .render(
            result=result,
            rows=rows,
            total=total,
            penalty=result.late.penalty(total) if result.late else 0.0,
            late=_lateness(result.late),
            waiting=sum(row["max_points"] for row in rows if row["waiting"]),
            notes=for_the_learner(result),
            title=titles.chapter,
            course=titles.course,
            code_css=code_css(),
        )
    )


def _lateness(late: Late | None) -> str:
    """What a learner is told about time: why points were taken off, or that an extension held."""
    if late is None or late.status == UNKNOWN:
        return ""
    extension = f"Your extension ran until {moment(late.due)}." if late.extended else ""
    return " ".join(filter(None, (late.why, extension)))


def _row(
    verdict: Verdict, mark: Mark | None, comment: str | None, result: Result, titles: Titles
) -> dict[str, Any]:
    sign, tone = MARKS.get(verdict.kind, ("✗", "bad"))
    by_hand = mark is not None and (mark.manual_score is not None or bool(mark.extra_credit))
    points = mark.score if by_hand else verdict.points
    if points > 0 and not verdict.right:
        sign, tone = ("✓", "good") if points >= verdict.max_points else ("◐", "half")
    source = result.answers.get(verdict.exercise, "")
    return {
        "name": verdict.exercise,
        "title": titles.exercises.get(verdict.exercise, verdict.exercise),
        "mark": sign,
        "tone": tone,
        "kind": IN_WORDS.get(verdict.kind, verdict.kind),
        "points": points,
        "auto_points": verdict.points,
        "max_points": verdict.max_points,
        "given_by_hand": by_hand,
        "cases": f"{verdict.passed} of {verdict.total} {verdict.unit} passed" if verdict.marks else "",
        "case": verdict.case,
        "lines": _lines(verdict),
        "means": MEANS.get(verdict.kind, ""),
        "diagnosis": verdict.diagnosis,
        "hint": verdict.hint,
        "picture": picture.html(verdict.picture) if verdict.picture else "",
        "marks": verdict.marks if verdict.kind != "right" else [],
        "unit": verdict.unit,
        "code": highlighted(source, _line_named(verdict)) if source else "",
        "open": verdict.kind not in ("right", "not attempted"),
        "comment": comment or "",
        "essay": False,
        "waiting": False,
    }


def _lines(verdict: Verdict) -> list[str]:
    """What the check says. Of an error of ours nothing is shown: it is no learner's business to read it."""
    if verdict.kind in ("right", "engine error"):
        return []
    if verdict.kind == "not attempted" and "NotImplementedError" in verdict.message:
        return ["The cell still raises `NotImplementedError`, as it was given out."]
    return [line for line in (verdict.message, *verdict.detail) if line]


def _essay_row(essay: Essay, mark: Mark | None) -> dict[str, Any]:
    mark = mark or Mark()
    open_ = mark.needs_manual_grade or (mark.manual_score is None and essay.answered)
    kind = "not answered" if not essay.answered else "read by a person soon" if open_ else "read by a person"
    return {
        "name": essay.name,
        "title": _heading(essay),
        "mark": "…" if open_ else "○" if not essay.answered else "✎",
        "tone": "calm",
        "kind": kind,
        "points": mark.score,
        "waiting": open_,
        "max_points": essay.max_points,
        "text": _words(essay.text),
        "comment": mark.comment or "",
        "essay": True,
    }


def _heading(essay: Essay) -> str:
    """What the notebook calls the question: its first heading; the cell's name where a learner has removed that."""
    found = re.search(r"^#{1,6} +(\S.{0,80})$", essay.text, re.MULTILINE)
    return found[1] if found else re.sub(r"[_-]", " ", essay.name).capitalize()


def _line_named(verdict: Verdict) -> list[int]:
    """The line of the learner's cell that the verdict speaks of, if it does."""
    for text in (verdict.message, *verdict.detail):
        if found := re.search(r"\bline (\d+) of your cell", text):
            return [int(found[1])]
    return []


def _words(text: str) -> str:
    """A learner's Markdown as HTML that can do nothing: raw HTML is escaped, links and pictures stay text."""
    import mistune

    class Quiet(mistune.HTMLRenderer):
        def link(self, text: str, url: str, title: str | None = None) -> str:
            return f"{text} ({html.escape(url)})"

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return f"[picture: {text}]"

    try:
        return mistune.create_markdown(renderer=Quiet(escape=True))(text[:50_000])
    except RecursionError:
        return f"<pre>{html.escape(text[:50_000])}</pre>"
