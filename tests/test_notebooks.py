"""Every chapter's notebooks: what is committed comes from the source, solutions run, stubs fail nowhere else."""

from __future__ import annotations

import ast
import copy
import functools
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder import build
from autograder.course import Course
from autograder.figures import run_notebook
from autograder.source import read_source
from autograder.wording import stub_comments, unknown_words

COURSE = Course.open(root=Path(__file__).resolve().parents[1])

chapters = pytest.mark.parametrize("chapter", COURSE.chapters, ids=lambda chapter: chapter.name)
built = functools.cache(functools.partial(build.build, COURSE))


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    """What is run here takes seconds, and as learners run it, not nbgrader."""
    monkeypatch.setenv("DLCV_SCALE", "smoke")
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


@chapters
def test_the_committed_notebook_is_what_its_source_gives(chapter):
    if not built(chapter).is_committed():
        pytest.fail(f"it is not; run: python -m autograder build {chapter}", pytrace=False)


@chapters
def test_steps_and_hints_fit_their_solutions(chapter):
    exercises = build.exercises_of(chapter)
    for cell in read_source(COURSE.solution(chapter)):
        if cell.role == "solution":
            for text in (*stub_comments(cell.text), *exercises[cell.name].hints):
                assert not unknown_words(text, cell.text, chapter.name), (cell.name, text)


@chapters
def test_the_solution_notebook_runs_and_earns_all_points(chapter, tmp_path):
    notebook = tmp_path / f"{chapter.folder}.ipynb"
    nbformat.write(with_assertions(built(chapter).source), notebook)
    command = ["pytest", "-q", "--nbval-lax", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", notebook]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(COURSE.root), "PYTEST_ADDOPTS": "", "DLCV_SEED": "a secret"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:]


@chapters
def test_the_student_notebook_fails_in_nothing_but_its_exercises(chapter):
    """Not attempted is no error: nothing is raised, and every check answers 0 points."""
    notebook = run_notebook(built(chapter).student, COURSE.root, allow_errors=True)
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        errors = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
        assert not errors, (cell.id, errors)
        if cell.metadata.get("dlcv", {}).get("role") == "test":
            results = [output for output in outputs if output.output_type == "execute_result"]
            assert [result.data["text/plain"] for result in results] == ["0.0"], cell.id


def with_assertions(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook with every check turned into a claim: all points, published and secret cases."""
    notebook = copy.deepcopy(source)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = []  # nbval takes stored pictures for the outputs of an earlier run
        if cell.metadata.get("dlcv", {}).get("role") == "test":
            points = cell.metadata.nbgrader.points
            calls = [ast.unparse(line) for line in ast.parse(cell.source).body]
            assert len(calls) == 2, cell.id
            cell.source = "\n".join(f"assert {call} == {points}, 'not all points'" for call in calls)
    return notebook


def test_every_notebook_belongs_to_a_chapter():
    made = {path.relative_to(COURSE.root) for path in (COURSE.root / "notebooks").rglob("*.ipynb")}
    made = {path for path in made if ".ipynb_checkpoints" not in path.parts}
    assert made == {COURSE.notebook(chapter).relative_to(COURSE.root) for chapter in COURSE.chapters}
