"""What `autograder grade` does around grading: progress, a table or JSON, and where everything lies."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from .course import Course, CourseError
from .database import shown, sqlite_file
from .grade import grade as grade_all
from .places import near
from .record import Result
from .report import report, report_path
from .terminal import progress_bar, remarks_on, results_table, summary

__all__ = ["aloud", "grade", "places", "similar"]


def grade(course: Course, assignment: str, *, as_json: bool = False, **options: Any) -> list[Result]:
    """Grade and tell: JSON lines on standard output, or a table. `options` are those of `autograder.grade.grade`.

    Raises `CourseError` at the end, after the results that there are, when something could not be graded or written.
    """
    console = Console()
    if not console.is_terminal:  # a log wraps long lines by itself
        console = Console(width=140)
    aside = Console(stderr=True)
    done: list[Result] = []

    def tell(number: int, total: int, result: Result) -> None:
        done.append(result)
        if as_json:
            _print_json(result)
        bar(number, total, result)

    troubles: list[CourseError] = []
    with remarks_on(aside), progress_bar(aside) as bar:
        for work in (
            lambda: grade_all(course, assignment, progress=tell, **options),
            lambda: report(course, assignment) if done else None,
        ):
            try:
                work()
            except CourseError as error:
                troubles.append(error)
    done.sort(key=lambda result: result.student)
    if done and not as_json:
        _show(console, course, assignment, done)
    if troubles:
        raise troubles[0]
    return _all_well(done)


def _show(console: Console, course: Course, assignment: str, results: list[Result]) -> None:
    console.print(results_table(results))
    console.print(f"\n[bold]{summary(results)}[/bold]")
    for walls in sorted({result.walls for result in results if result.unsafe}):
        console.print(f"[bold red]{walls}[/bold red]")
    for what, path in places(course, assignment).items():
        console.print(f"{what:12}{path}", soft_wrap=True, highlight=False)


def _all_well(results: list[Result]) -> list[Result]:
    failed = [result for result in results if result.failure]
    if failed:
        why = "\n".join(f"  {result.student}: {result.failure}" for result in failed)
        raise CourseError(
            f"{len(failed)} of {len(results)} submissions could not be graded or written; run the same command "
            f"again when this is mended, it grades only what is missing:\n{why}"
        )
    return results


def _print_json(result: Result) -> None:
    sys.stdout.write(json.dumps(result.to_dict()) + "\n")
    sys.stdout.flush()


def aloud() -> AbstractContextManager[None]:
    """Remarks of what is done inside are shown; they leave standard output to the results."""
    return remarks_on(Console(stderr=True))


def similar(course: Course, assignment: str, at_least: float, *, as_json: bool) -> None:
    """Write the page of answers that resemble each other and say how many there are, or print the pairs."""
    from .similar_report import similar as compare

    with aloud():
        path, found = compare(course, assignment, at_least)
    if as_json:
        for exercise in found:
            for pair in exercise.pairs:
                people = [list(pair.one.people), list(pair.other.people)]
                told = {"exercise": exercise.exercise, "people": people, "share": round(pair.share, 3)}
                sys.stdout.write(json.dumps({**told, "words": pair.words}) + "\n")
            for group in exercise.groups:
                told = {"exercise": exercise.exercise, "people": [list(group.people)], "share": 1.0}
                sys.stdout.write(json.dumps({**told, "words": len(group.normal)}) + "\n")
        return
    pairs, groups = (sum(len(getattr(one, what)) for one in found) for what in ("pairs", "groups"))
    answers = sum(exercise.answers for exercise in found)
    sys.stdout.write(f"{answers} answers compared · {pairs} pairs alike · {groups} groups of equal answers\n")
    sys.stdout.write("likeness proves nothing: read both answers, then talk to the people\n")
    sys.stdout.write(f"{near(path)}\n")


def places(course: Course, assignment: str) -> dict[str, str]:
    """Where the results lie, as paths from the current folder where that is shorter."""
    found = {
        "report": report_path(course, assignment),
        "feedback": course.feedback("<student>", assignment) / f"{assignment}.html",
        "autograded": course.autograded("<student>", assignment) / f"{assignment}.ipynb",
        "gradebook": sqlite_file(course.db_url) or shown(course.db_url),
    }
    return {what: str(near(place) if isinstance(place, Path) else place) for what, place in found.items()}
