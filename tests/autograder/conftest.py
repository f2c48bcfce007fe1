"""A copy of the repository with one small chapter in it, for tests that build, grade or break something."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("autograder", "dlcv", "nbgrader_config.py", "pyproject.toml")
COURSE = 'name = "trial"\ntitle = "A trial"\n'


class Copy:
    """The repository's code at `root`, with an own course.toml; commands run in it as a user's would."""

    def __init__(self, root: Path):
        self.root = root
        for name in CODE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, root)
        (root / "course.toml").write_text(COURSE)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run `python -m <command>` from the copy's root, with nothing of this process's course around it."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DLCV_SEED")}
        environment = {**kept, "DLCV_SCALE": "smoke", "JUPYTER_NO_CONFIG": "1", "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=self.root, env=environment, capture_output=True, text=True
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def copy_of_repository(tmp_path_factory):
    """A function that makes a fresh copy with no chapter listed."""
    return lambda: Copy(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def new_chapter(copy_of_repository) -> Copy:
    """A copy in which the chapter `contrast` was scaffolded, its figures stored and its notebooks built."""
    copy = copy_of_repository()
    copy.started = copy.run("autograder", "new-chapter", "contrast", "--title", "Contrast")
    copy.run("autograder", "figures", "contrast")
    copy.run("autograder", "build", "contrast")
    return copy


@pytest.fixture(scope="session")
def machine():
    """A function that makes this machine look as if it lacked something: see `machines.machine`."""
    from .machines import machine

    return machine


# a course folder whose one notebook holds two exercises of chapter 01, an essay and cells that grading skips

ASSIGNMENT = "01_transposed_convolution"
ANSWERS = {
    "conv_transpose1d": """\
def conv_transpose1d(x, weight, stride=1):
    canvas = torch.zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        canvas[i * stride : i * stride + len(weight)] += x[i] * weight
    return canvas
""",
    "output_size": """\
def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    return (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1
""",
    "why": "Transposing swaps the roles of input and output.",
}


class SmallCourse:
    """A course in a temporary folder. `submit` hands in a notebook, `answered` is a right one."""

    assignment = ASSIGNMENT

    def __init__(self, folder: Path):
        from autograder.build import student_notebook, text_of
        from autograder.course import Course

        self.course = Course(ROOT, folder)
        source = _small_source()
        for place, notebook in (("source", source), ("release", student_notebook(source))):
            path = folder / place / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(text_of(notebook))

    def configure(self, course: str = "", chapter: str = "") -> None:
        """Give the course a course.toml with these lines, for the whole and for its chapter."""
        from autograder.course import Course

        root = self.course.folder.parent / "configured"
        root.mkdir(exist_ok=True)
        text = (ROOT / "course.toml").read_text(encoding="utf-8")
        named = 'name = "transposed_convolution"\n'
        assert named in text
        (root / "course.toml").write_text(f"{course}\n" + text.replace(named, f"{named}{chapter}\n"))
        self.course = Course(root, self.course.folder)

    @property
    def limits(self):
        """Those of the sandbox that tests share."""
        from autograder.limits import Limits

        return Limits(cell=3.0, submission=30.0, restarts=2, grace=0.5)

    @property
    def release(self):
        from autograder.release import read_release

        return read_release(self.course.release(ASSIGNMENT) / f"{ASSIGNMENT}.ipynb")

    def empty(self) -> dict:
        return json.loads((self.course.release(ASSIGNMENT) / f"{ASSIGNMENT}.ipynb").read_text())

    def answered(self, **other: str) -> dict:
        """A right submission, or one with another source in some of its cells."""
        notebook = self.empty()
        for name, source in {**ANSWERS, **other}.items():
            self.cell(notebook, name)["source"] = source
        return notebook

    @staticmethod
    def cell(notebook: dict, id: str) -> dict:
        (found,) = [cell for cell in notebook["cells"] if cell.get("id") == id]
        return found

    def submit(self, student: str, notebook: dict | str | bytes, name: str = f"{ASSIGNMENT}.ipynb") -> Path:
        path = self.course.submitted(student, ASSIGNMENT) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(notebook) if isinstance(notebook, dict) else notebook
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def _small_source():
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    def graded(name: str, kind: str, points: float | None = None) -> dict:
        id = f"test-{name}" if kind == "test" else name
        nbgrader = {"schema_version": 3, "grade_id": id, "grade": kind != "solution", "task": False}
        nbgrader |= {"solution": kind != "test", "locked": kind == "test"} | (
            {"points": points} if points else {}
        )
        return {"id": id, "metadata": {"dlcv": {"role": kind, "name": name}, "nbgrader": nbgrader}}

    def shown(name: str, role: str) -> dict:
        return {"id": name, "metadata": {"dlcv": {"role": role, "name": name}}}

    cells = [
        new_markdown_cell("# A small notebook", id="title"),
        new_code_cell(
            "import torch\n\nfrom dlcv.transposed_convolution.exercises import check",
            **shown("setup", "setup"),
        ),
    ]
    for name, points in (("conv_transpose1d", 2), ("output_size", 2)):
        head, *body = ANSWERS[name].rstrip().split("\n")
        solution = "\n".join([head, "    ### BEGIN SOLUTION", *body, "    ### END SOLUTION"])
        test = f'check("{name}", {name})\n### BEGIN HIDDEN TESTS\ncheck.grade("{name}", {name})\n### END HIDDEN TESTS'
        cells += [
            new_markdown_cell(f"## Exercise: {name}", id=f"section-{name}"),
            new_code_cell(solution, **graded(name, "solution")),
            new_code_cell(test, **graded(name, "test", points)),
        ]
    question = "Why transposed?\n\n<!-- BEGIN SOLUTION -->\nBecause.\n<!-- END SOLUTION -->"
    cells += [
        new_code_cell("raise RuntimeError('a figure was drawn in grading')", **shown("figure", "figure")),
        new_code_cell("raise RuntimeError('grading trained')", **shown("experiment", "experiment")),
        new_markdown_cell(question, **graded("why", "essay", 3)),
    ]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    metadata["dlcv"] = {"chapter": "transposed_convolution"}
    notebook = new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


@pytest.fixture
def small_course(tmp_path) -> SmallCourse:
    return SmallCourse(tmp_path / "course")


@pytest.fixture(scope="module")
def already_warm(small_class):
    """One sandbox for all runs of a file's tests: it takes longer to start than they do. They take `small.limits`."""
    from autograder import local
    from autograder.preload import preloads
    from autograder.sandbox import Sandbox

    sandbox = Sandbox(preloads(small_class.release), small_class.limits)
    sandbox.wait_until_warm()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "close", lambda: None)
        patch.setattr(sandbox, "wait_until_warm", lambda: None)
        patch.setattr(local, "Sandbox", lambda *_, **__: sandbox)
        yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def small_class(tmp_path_factory) -> SmallCourse:
    """The same, shared by the tests of one file."""
    return SmallCourse(tmp_path_factory.mktemp("small") / "course")
