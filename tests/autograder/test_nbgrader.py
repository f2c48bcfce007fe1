"""nbgrader's own commands on what `build` makes, from a copy of the repository's root with its configuration.

Each chapter is graded by nbgrader alone, for a tiny class: a perfect and an empty submission.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.course import Course

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENTS = [chapter.folder for chapter in Course.open(root=ROOT).chapters]

assignments = pytest.mark.parametrize("assignment", ASSIGNMENTS)


@pytest.fixture(scope="module")
def course(copy_of_repository):
    """The whole course in a copy, built."""
    copy = copy_of_repository()
    shutil.copy(ROOT / "course.toml", copy.root)
    shutil.copytree(ROOT / "solutions", copy.root / "solutions")
    copy.run("autograder", "build")
    return copy


@pytest.fixture(scope="module")
def graded(course):
    """A function that has nbgrader grade one assignment, once; the answer is the course's folder."""
    done = set()

    def grade(assignment: str) -> Path:
        folder = course.root / "course"
        if assignment not in done:
            course.run("nbgrader", "generate_assignment", assignment)
            hand_in(folder, "perfect", folder / "source" / assignment / f"{assignment}.ipynb")
            hand_in(folder, "empty", course.root / "notebooks" / assignment / f"{assignment}.ipynb")
            course.run("nbgrader", "autograde", assignment)
            done.add(assignment)
        return folder

    return grade


def hand_in(folder: Path, student: str, notebook: Path) -> None:
    place = folder / "submitted" / student / notebook.stem
    place.mkdir(parents=True)
    shutil.copy(notebook, place / notebook.name)


def grades(folder: Path, assignment: str, student: str) -> list:
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        (notebook,) = gradebook.find_submission(assignment, student).notebooks
        return [
            (grade.name, grade.auto_score, grade.max_score, grade.needs_manual_grade)
            for grade in notebook.grades
        ]


@assignments
def test_generate_assignment_gives_the_student_notebook(graded, course, assignment):
    released = graded(assignment) / "release" / assignment / f"{assignment}.ipynb"
    built = course.root / "notebooks" / assignment / f"{assignment}.ipynb"
    assert released.read_bytes() == built.read_bytes()


@assignments
def test_a_perfect_submission_gets_all_points_and_waits_for_its_essay(graded, assignment):
    found = grades(graded(assignment), assignment, "perfect")
    assert any(name.startswith("test-") for name, *_ in found)
    for name, score, most, waits in found:
        if name.startswith("test-"):
            assert (score, waits) == (most, False), name
        else:
            assert (score, waits) == (None, True), name


@assignments
def test_an_empty_submission_gets_nothing(graded, assignment):
    assert {score for _, score, *_ in grades(graded(assignment), assignment, "empty")} == {0}


@assignments
def test_experiments_are_not_run(graded, assignment):
    path = graded(assignment) / "autograded/perfect" / assignment / f"{assignment}.ipynb"
    roles = {"experiment": set(), "test": set()}
    for cell in nbformat.read(path, as_version=4).cells:
        roles.setdefault(cell.metadata.get("dlcv", {}).get("role"), set()).add(cell.get("execution_count"))
    assert roles["experiment"] <= {None}
    assert None not in roles["test"]


def test_feedback_is_written(graded, course):
    assignment = ASSIGNMENTS[0]
    folder = graded(assignment)
    course.run("nbgrader", "generate_feedback", assignment)
    for student in ("perfect", "empty"):
        assert "points" in (folder / "feedback" / student / assignment / f"{assignment}.html").read_text()


def test_validate_passes_a_solution(graded, course):
    assignment = ASSIGNMENTS[0]
    path = graded(assignment) / "source" / assignment / f"{assignment}.ipynb"
    done = course.run("nbgrader", "validate", str(path))
    assert "Success! Your notebook passes all the tests." in done.stdout


def test_graded_cases_come_from_a_seed_that_nobody_sees(graded):
    folder = graded(ASSIGNMENTS[0])
    seed = (folder / "secret_seed").read_text().strip()
    assert (folder / "secret_seed").stat().st_mode & 0o077 == 0
    for path in folder.rglob("*.ipynb"):
        assert seed not in path.read_text()
