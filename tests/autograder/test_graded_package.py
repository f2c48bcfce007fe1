"""The package that graded runs see has names only, and honest answers to every exercise lose nothing by it."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import dlcv
from autograder.build import source_notebook, student_notebook, text_of
from autograder.course import Course, CourseError
from autograder.examine import examine
from autograder.excerpts import Text
from autograder.graded_package import graded_package
from autograder.grants import Grants
from autograder.names_only import names_only
from autograder.package import chapters_of, module_of
from autograder.release import read_release
from autograder.restore import restore
from autograder.sample_class import Workbook, right_answers
from autograder.sandbox import Limits, Sandbox
from autograder.submission import read_cells
from dlcv.checking import Judge, load_exercises
from dlcv.lookups import looked_up

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(dlcv.__file__).resolve().parent
COURSE = Course.open(root=ROOT)
TC = "transposed_convolution"
each_chapter = pytest.mark.parametrize("chapter", COURSE.chapters, ids=lambda chapter: chapter.name)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("graded")


@pytest.fixture(scope="module")
def package(cache) -> Path:
    return graded_package(cache=cache)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox([], Limits(cell=60.0, submission=300.0)) as started:
        yield started


# what is in it


def test_no_program_of_a_chapter_is_in_it(package):
    assert chapters_of(package) == chapters_of(PACKAGE)
    for chapter in chapters_of(package):
        for path in (package / chapter).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    (statement,) = node.body[bool(ast.get_docstring(node)) :]
                    assert "_left." in ast.unparse(statement), f"{path}: {ast.unparse(node)}"


def test_private_names_stay_where_what_is_left_names_them(tmp_path):
    """In a table, as a default, as a base class; else they tell more than is needed."""
    folder = tmp_path / "dlcv" / "one"
    folder.mkdir(parents=True)
    folder.joinpath("losses.py").write_text(
        "def _weighted(x):\n    return 2 * x\n\n\n"
        "def _unused(x):\n    return _weighted(x)\n\n\n"
        "def _chosen(x):\n    return x\n\n\n"
        "class _Base:\n    pass\n\n\n"
        "class Loss(_Base):\n    pass\n\n\n"
        "def total(x, how=_chosen):\n    return _unused(how(x))\n\n\n"
        "LOSSES = {'weighted': _weighted}\n"
    )
    left = names_only(Text(tmp_path / "dlcv", "dlcv.one.losses"))
    defined = {
        node.name for node in ast.parse(left).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    assert defined == {"_weighted", "_chosen", "_Base", "Loss", "total"}
    assert "2 * x" not in left


def test_every_module_of_it_can_be_imported(package):
    names = [module_of(path, package) for path in sorted(package.rglob("*.py"))]
    program = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=package.parent, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(package.parent), "MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_is_no_chapter_is_as_it_was(package):
    for path in [PACKAGE / "plotting.py", *(PACKAGE / "checking").glob("*.py")]:
        assert (package / path.relative_to(PACKAGE)).read_bytes() == path.read_bytes()


def test_it_is_made_once_for_each_content(tmp_path, cache, package):
    made = (package / "__init__.py").stat().st_ino
    assert graded_package(cache=cache) == package
    assert (package / "__init__.py").stat().st_ino == made
    (tmp_path / "dlcv" / "one").mkdir(parents=True)
    (tmp_path / "dlcv" / "one" / "exercises.py").write_text("")
    (tmp_path / "dlcv" / "one" / "reference.py").write_text("def f(x):\n    return x + 1\n")
    first = graded_package(tmp_path / "dlcv", tmp_path / "cache")
    (tmp_path / "dlcv" / "one" / "reference.py").write_text("def g(x):\n    return x + 1\n")
    second = graded_package(tmp_path / "dlcv", tmp_path / "cache")
    assert first != second and first.is_dir()
    assert "def f(x):\n    return _left.find('f')(x)" in (first / "one" / "reference.py").read_text()


def test_everybody_may_read_it(package):
    for path in [package.parent, *package.parent.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


# honest answers


@each_chapter
def test_right_answers_get_full_marks(chapter, sandbox, tmp_path):
    source = source_notebook(COURSE, chapter, allow_missing_figures=True)
    empty = text_of(student_notebook(source))
    (tmp_path / f"{chapter.folder}.ipynb").write_text(empty)
    release = read_release(tmp_path / f"{chapter.folder}.ipynb")
    answered = Workbook(json.loads(empty), right_answers(source)).to_bytes()
    exercises = load_exercises(chapter.name)
    # In a test beside many others an answer may have to wait.
    judges = {
        name: Judge(replace(exercise, limit=60.0), seed="a secret") for name, exercise in exercises.items()
    }
    found = examine(restore(read_cells(answered), release), judges, sandbox)
    assert found.errors == []
    assert {name: verdict.text() for name, verdict in found.verdicts.items() if not verdict.right} == {}
    assert sum(verdict.points for verdict in found.verdicts.values()) == exercises.points


def test_a_call_of_the_reference_in_a_cell_costs_that_statement_only(sandbox, small_class):
    notebook = small_class.answered()
    cell = small_class.cell(notebook, "conv_transpose1d")
    cell["source"] = (
        "from dlcv import transposed_convolution as tc\n"
        "@(lambda f: f)\ndef helper(): return 1\n"
        "for _ in range(2):\n    wanted = tc.conv_transpose1d(torch.ones(2), torch.ones(2))\n"
        "helper(); tc.output_size(1, 2); more = 2\n" + cell["source"] + "\nassert helper() == 1\n"
        "tc.conv_transpose1d(torch.ones(2), torch.ones(2)) - conv_transpose1d(torch.ones(2), torch.ones(2))\n"
    )
    exercises = load_exercises(TC)
    judges = {name: Judge(exercises[name]) for name in ("conv_transpose1d", "output_size")}
    found = examine(restore(read_cells(json.dumps(notebook).encode()), small_class.release), judges, sandbox)
    assert {verdict.kind for verdict in found.verdicts.values()} == {"right"}
    (error,) = found.errors
    assert (error.type, error.line) == ("Withheld", 5)
    assert "not there while answers are graded" in error.message


def test_the_warm_interpreter_has_neither_exercises_nor_references(sandbox):
    looks = (
        "import gc, sys, types\n"
        "from dlcv.transposed_convolution import exercises, reference\n"
        "assert not hasattr(exercises, 'exercises')\n"
        "assert '_left.find' in open(reference.__file__).read()\n"
        "programs = [f for f in gc.get_objects() if isinstance(f, types.FunctionType)]\n"
        "ours = [f for f in programs if str(f.__module__).endswith(('.reference', '.exercises'))\n"
        "        and str(f.__module__).startswith('dlcv.')]\n"
        "assert ours and all('_left' in f.__code__.co_names for f in ours), ours\n"
    )
    run = sandbox.run({"watches": {}, "cell_limit": 60, "steps": [{"cell": 0, "source": looks}]}, [])
    told = [run.talk.receive(timeout=120) for _ in range(4)]
    run.close()
    assert told == [{"ready": True}, {"start": 0}, {"end": 0, "error": None}, {"finished": True}]


# grants


def judge_of(exercise) -> Judge:
    return Judge(replace(exercise, slips=[]))


@each_chapter
def test_what_is_granted_is_what_is_allowed(chapter):
    exercises = load_exercises(chapter.name)
    grants = Grants.of({name: judge_of(exercise) for name, exercise in exercises.items()})
    assert sorted(grants.order) == sorted(exercises)
    for name, sources in grants.sources.items():
        defined = {definition.name for _, source in sources for definition in ast.parse(source).body
                   if isinstance(definition, (ast.FunctionDef, ast.ClassDef))}  # fmt: skip
        assert {full.rpartition(".")[2] for full in exercises[name].watch.allowed} <= defined
        assert getattr(exercises[name].reference, "__name__", "") not in defined


@each_chapter
def test_nobody_is_asked_after_somebody_else_got_the_answer(chapter):
    exercises = load_exercises(chapter.name)
    grants = Grants.of({name: judge_of(exercise) for name, exercise in exercises.items()})
    given: set[str] = set()
    for name in grants.order:
        assert inspect.unwrap(exercises[name].reference).__name__ not in given, name
        given |= {line.split("(")[0].split()[-1] for _, source in grants.sources[name]
                  for line in source.splitlines() if line.startswith(("def ", "class "))}  # fmt: skip


def test_a_chain_of_references_is_granted_with_all_that_it_needs():
    exercise = load_exercises("dilated_convolution")["is_gridding_free"]
    sources = Grants.of({"is_gridding_free": judge_of(exercise)}).sources["is_gridding_free"]
    modules = [module for module, _ in sources]
    assert modules.index("dlcv.transposed_convolution.reference") < modules.index(
        "dlcv.dilated_convolution.reference"
    )
    assert "dlcv.dilated_convolution.exercises" in modules  # its probe
    assert "is_gridding_free" not in str(sources)


def test_exercises_that_allow_each_other_are_refused():
    exercises = load_exercises(TC)
    size, paint = exercises["output_size"], exercises["conv_transpose2d_naive"]
    circle = {
        "output_size": judge_of(replace(size, allowed=("conv_transpose2d_naive",))),
        "conv_transpose2d_naive": judge_of(paint),
    }
    with pytest.raises(CourseError, match="no order of judging keeps answers apart"):
        Grants.of(circle)
    with pytest.raises(CourseError, match="or its own"):
        Grants.of({"output_size": judge_of(replace(size, allowed=("output_size",)))})


# excerpts


def test_names_of_other_scopes_do_not_count():
    source = "def f(x, y=Z):\n    t = g(x)\n    return [t for t in h]\n"
    source += "class C(B):\n    a = D\n    def m(self): return E\n"
    assert looked_up(ast.parse(source)) == {"Z", "g", "h", "B", "D", "E"}


def test_an_excerpt_has_what_it_needs_and_no_more():
    text = Text(PACKAGE, f"dlcv.{TC}.reference")
    source = "\n".join(map(ast.unparse, text.needed(["output_size"])))
    namespace: dict = {}
    exec(source, namespace)
    assert namespace["output_size"](2, kernel_size=3, stride=2) == 5
    assert "conv_transpose1d" not in namespace
    with pytest.raises(CourseError, match="does not define nothing at its top level"):
        text.needed(["nothing"])


def test_a_name_is_found_where_it_is_defined():
    chapter = Text(PACKAGE, f"dlcv.{TC}")
    assert chapter.home("output_size") == (f"dlcv.{TC}.reference", "output_size")
    module = importlib.import_module(f"dlcv.{TC}.exercises")
    assert Text(PACKAGE, module.__name__).home("reference") == (f"dlcv.{TC}.reference", "")
