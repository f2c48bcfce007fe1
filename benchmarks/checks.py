"""How long a learner waits for a check, and what of it the watch on forbidden calls costs.

For each exercise of each chapter: the chapter's own solution is checked as a learner's answer would be, with and
without the watch, in turns, in one process. Run it as ``python benchmarks/checks.py [--keep] [chapter ...]``.

The last line is a JSON object: ``slowest`` is the longest check as a share of 0.3 seconds, ``watch`` the median ratio
of watched to unwatched time, ``first`` the very first check of a fresh process as a share of 0.3 seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import time
from collections.abc import Iterator

import torch
from kept import about, keep

from autograder.build import source_notebook
from autograder.course import Chapter, Course
from dlcv.checking import Answer, Exercise, Judge, load_exercises

LIMIT = 0.3  # seconds
TURNS = 5


def solutions(course: Course, chapter: Chapter) -> dict[str, object]:
    """Return what the set-up and solution cells of a chapter define, run as a learner's cells are."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for number, cell in enumerate(source_notebook(course, chapter, allow_missing_figures=True)["cells"]):
            role = cell["metadata"].get("dlcv", {}).get("role")
            if cell["cell_type"] == "code" and role in ("setup", "solution"):
                exec(compile(cell["source"], f"<cell {number}>", "exec"), namespace)
    return namespace


def measure(exercise: Exercise, subject: object) -> tuple[float, float, float]:
    """Return the seconds to make a judge, and the medians of watched and unwatched verdicts."""
    start = time.perf_counter()
    judge = Judge(exercise)
    made = time.perf_counter() - start
    columns: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(TURNS):
        for watched, column in columns.items():
            start = time.perf_counter()
            verdict = judge.verdict(Answer(subject, exercise.watch if watched else None).reply)
            column.append(time.perf_counter() - start)
            if not verdict.right:
                raise AssertionError(f"the solution of {exercise.name} is {verdict.kind}: {verdict.message}")
    return made, statistics.median(columns[True]), statistics.median(columns[False])


def rows(course: Course, chapters: list[Chapter]) -> Iterator[tuple[str, float, float, float]]:
    """Yield for each exercise its name and what `measure` found."""
    for chapter in chapters:
        namespace = solutions(course, chapter)
        for name, exercise in load_exercises(chapter.name).items():
            yield f"{chapter.name}.{name}", *measure(exercise, namespace[name])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="*", help="names or numbers; all by default")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results/")
    options = parser.parse_args()
    torch.set_num_threads(1)
    course, where = Course.open(), about()
    course.make_importable()
    print(", ".join(f"{name} {value}" for name, value in where.items()) + f"; one thread, median of {TURNS}")
    print(f"{'exercise':<65}{'cases made':>12}{'check':>10}{'unwatched':>12}   milliseconds")
    totals, ratios, slowest = [], [], ""
    for name, made, watched, plain in rows(
        course, [course.chapter(c) for c in options.chapters] or course.chapters
    ):
        print(f"{name:<65}{made * 1e3:>12.1f}{watched * 1e3:>10.1f}{plain * 1e3:>12.1f}")
        slowest = name if made + watched > max(totals, default=0.0) else slowest
        totals.append(made + watched)
        ratios.append(watched / plain)
    result = {
        "first": round(totals[0] / LIMIT, 3),
        "slowest": round(max(totals) / LIMIT, 3),
        "slowest_is": slowest,
        "watch": round(statistics.median(ratios), 2),
        **where,
    }
    if options.keep:
        keep("checks", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
