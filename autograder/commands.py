"""What `autograder grade` does around grading: progress, a table or JSON, and where everything lies."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from .course import Course
from .grade import grade as grade_all
from .record import Result
from .report import report, report_path
from .terminal import progress_bar, results_table, summary

__all__ = ["grade", "places"]


def grade(
    course: Course, assignment: str, students: Iterable[str] | None, *, jobs: int | None, as_json: bool
) -> list[Result]:
    """Grade and tell: JSON lines on standard output, or a table."""
    if as_json:
        results = grade_all(course, assignment, students=students, jobs=jobs, progress=_print_json)
        report(course, assignment)
        return results
    console = Console()
    if not console.is_terminal:  # a log wraps long lines by itself
        console = Console(width=140)
    with progress_bar(console) as progress:
        results = grade_all(course, assignment, students=students, jobs=jobs, progress=progress)
        report(course, assignment)
    console.print(results_table(results))
    console.print(f"\n[bold]{summary(results)}[/bold]")
    for what, path in places(course, assignment).items():
        console.print(f"{what:12}{path}", soft_wrap=True, highlight=False)
    return results


def _print_json(done: int, total: int, result: Result) -> None:
    sys.stdout.write(json.dumps(result.to_dict()) + "\n")
    sys.stdout.flush()


def places(course: Course, assignment: str) -> dict[str, str]:
    """Where the results lie, as paths from the current folder where that is shorter."""
    found = {
        "report": report_path(course, assignment),
        "feedback": course.feedback("<student>", assignment) / f"{assignment}.html",
        "autograded": course.autograded("<student>", assignment) / f"{assignment}.ipynb",
        "gradebook": course.gradebook,
    }
    return {what: str(_near(path)) for what, path in found.items()}


def _near(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
