"""otter-grader as a second peer of `grading.py`, where it is installed: one ``otter run`` a submission, no container.

Otter knows all or nothing for a test, so its points are not compared; its tests ask the same checks. It needs its own
environment, because it pins packages: ``pip install otter-grader`` beside the course, then run the benchmark there.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from measured import Cost, measured

from autograder.course import Course
from dlcv.checking import load_exercises

__all__ = ["grade_by_otter", "is_installed"]

TEST = """\
from otter.test_files import test_case

OK_FORMAT = False
name = "{name}"
points = {points}


@test_case(points={points})
def test_{name}({name}):
    from dlcv.{chapter}.exercises import check

    assert check.grade("{name}", {name}) == {points}
"""


def is_installed() -> bool:
    return importlib.util.find_spec("otter") is not None


def grade_by_otter(course: Course, assignment: str, folder: Path, environment: Mapping[str, str]) -> Cost:
    """What it costs to grade a class that has been handed in.

    Parameters
    ----------
    course : Course
        Its folder holds the submissions.
    assignment : str
        Its folder's name.
    folder : Path
        An empty one, for what otter needs and writes.
    environment : mapping
        Of the commands.

    Returns
    -------
    Cost
        Of all submissions together; making otter's package is not counted.
    """
    otter = [sys.executable, "-m", "otter"]
    tests = folder / "tests"
    tests.mkdir(parents=True)
    chapter = course.chapter(assignment)
    for exercise in load_exercises(chapter.name).values():
        words = TEST.format(name=exercise.name, points=exercise.points, chapter=chapter.name)
        (tests / f"{exercise.name}.py").write_text(words, encoding="utf-8")
    package = folder / "autograder.zip"
    measured(
        [*otter, "generate", "-t", str(tests), "-o", str(package), "--no-environment"], folder, environment
    )
    total = Cost(0.0, 0.0)
    for student in course.students(assignment):
        out = folder / student
        out.mkdir()
        notebook = out / f"{assignment}.ipynb"
        notebook.write_text(
            _without_checks(course.submitted(student, assignment) / notebook.name), encoding="utf-8"
        )
        command = [*otter, "run", "--no-logo", "-a", str(package), "-o", str(out), str(notebook)]
        total += measured(command, folder, environment)
    return total


def _without_checks(path: Path) -> str:
    """A submission without the course's test cells: otter brings its own tests."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if not cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith("test-")
    ]
    return nbformat.writes(notebook)
