"""From a source to two notebooks: what each cell becomes, that bytes stay equal, which mistakes are refused."""

from __future__ import annotations

import base64
import doctest
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from click.testing import CliRunner
from PIL import Image

from autograder import build, figures, first_cell, source, wording
from autograder.cli import main
from autograder.course import Course, CourseError

LISTED = '[[chapters]]\nnumber = 4\nname = "doubling"\ntitle = "Doubling"\nminutes = 20\n'
SOURCE = '''\
# %% [markdown]
# # Doubling
# Some prose. **It takes** about 20 minutes. **Exercises:** 1 with 3 points.

# %% role="setup" name="setup"
check = None

# %% [markdown]
# More prose, without a heading. Difficulty 2 of 5, about 1 minute, 3 points.

# %% role="figure" name="picture" alt="Two bars, one twice as high."
draw()

# %% role="solution" name="double"
def double(x):
    """Twice x."""
    # 1. Add `x` to itself.
    ### BEGIN SOLUTION
    # not like this: 3 * x
    return x + x
    ### END SOLUTION


# %% role="test" name="double"
check("double", double)
### BEGIN HIDDEN TESTS
check.grade("double", double)
### END HIDDEN TESTS

# %% [markdown] role="hints" name="double"
# Hints for `double`.

# %% role="experiment" name="training" alt="A falling curve."
train()

# %% [markdown] role="essay" name="why" points=2
# Why?
#
# <!-- BEGIN SOLUTION -->
# Because.
# <!-- END SOLUTION -->
'''


def tiny_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 2), "white").save(buffer, "png")
    return buffer.getvalue()


class Trial:
    """A course of one chapter in a temporary folder, with one exercise."""

    def __init__(self, root, monkeypatch):
        (root / "course.toml").write_text(LISTED)
        self.course = Course.open(root=root)
        self.chapter = self.course.chapter("doubling")
        self.exercise = SimpleNamespace(
            name="double",
            points=3,
            difficulty=2,
            minutes=1,
            hints=("Use `+`.", "Write `x + x`."),
            chapter=None,
        )
        self.exercises = {"double": self.exercise}
        monkeypatch.setattr(build, "exercises_of", lambda chapter: self.exercises)
        self.course.figures(self.chapter).mkdir(parents=True)
        self.picture = self.course.figures(self.chapter) / "picture.png"
        self.picture.write_bytes(tiny_png())
        self.text = SOURCE

    def build(self, **options):
        self.course.solution(self.chapter).write_text(self.text)
        return build.build(self.course, self.chapter, **options)

    def configure(self, **settings: str) -> None:
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
        (self.course.root / "course.toml").write_text("".join(lines) + LISTED)
        self.course = Course.open(root=self.course.root)

    def edit(self, old: str, new: str) -> None:
        assert old in self.text
        self.text = self.text.replace(old, new)


@pytest.fixture
def trial(tmp_path, monkeypatch):
    return Trial(tmp_path, monkeypatch)


def by_id(notebook):
    return {cell.id: cell for cell in notebook.cells}


# what a cell becomes


def test_a_solution_becomes_its_steps_and_one_line(trial):
    assert by_id(trial.build().student)["double"].source == (
        "def double(x):\n"
        '    """Twice x."""\n'
        "    # 1. Add `x` to itself.\n"
        '    raise NotImplementedError("double: replace this line with your code")'
    )


def test_the_source_notebook_keeps_solution_and_hidden_tests(trial):
    cells = by_id(trial.build().source)
    assert "return x + x" in cells["double"].source
    assert "check.grade" in cells["test-double"].source
    assert "Because." in cells["why"].source


def test_hidden_tests_and_model_answers_are_gone(trial):
    built = trial.build()
    assert by_id(built.student)["test-double"].source == 'check("double", double)'
    assert by_id(built.student)["why"].source == "Why?\n\n*Write your answer here.*"
    text = build.text_of(built.student)
    for secret in ("check.grade", "HIDDEN", "SOLUTION", "Because", "not like this"):
        assert secret not in text


def test_metadata_is_what_nbgrader_wants(trial):
    cells = by_id(trial.build().student)
    common = {"schema_version": 3, "task": False}
    expected = {
        "double": {**common, "grade": False, "solution": True, "locked": False, "cell_type": "code"},
        "test-double": {
            **common,
            "grade": True,
            "solution": False,
            "locked": True,
            "cell_type": "code",
            "points": 3,
        },
        "why": {
            **common,
            "grade": True,
            "solution": True,
            "locked": False,
            "cell_type": "markdown",
            "points": 2,
        },
    }
    for name, metadata in expected.items():
        checksum = cells[name].metadata.nbgrader.pop("checksum")
        assert len(checksum) == 32
        assert cells[name].metadata.nbgrader == {**metadata, "grade_id": name}
    assert "nbgrader" not in cells["setup"].metadata


def test_only_tests_are_locked(trial):
    cells = by_id(trial.build().student)
    locked = [name for name, cell in cells.items() if cell.metadata.get("editable") is False]
    kept = [name for name, cell in cells.items() if cell.metadata.get("deletable") is False]
    assert (locked, kept) == (["test-double"], ["double", "test-double", "why"])


def test_roles_stay_in_the_metadata(trial):
    labels = {
        cell.id: cell.metadata["dlcv"] for cell in trial.build().student.cells if "dlcv" in cell.metadata
    }
    assert labels["picture"] == {"role": "figure", "name": "picture"}
    assert labels["test-double"] == {"role": "test", "name": "double"}
    assert labels["hints-double"] == {"role": "hints", "name": "double"}


def test_an_experiment_is_tagged_so_that_nbgrader_skips_it(trial):
    tagged = [
        cell.id for cell in trial.build().source.cells if "skip-execution" in cell.metadata.get("tags", ())
    ]
    assert tagged == ["training"]


def test_hints_are_folded_one_inside_the_other(trial):
    text = by_id(trial.build().student)["hints-double"].source
    first, second = text.index("Use `+`."), text.index("Write `x + x`.")
    assert first < text.index("Hint 2 of 2 for <code>double</code>") < second
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.endswith("</details>\n</details>")


def test_figures_show_before_anything_is_run(trial):
    (output,) = by_id(trial.build().student)["picture"].outputs
    assert base64.b64decode(output.data["image/png"]) == trial.picture.read_bytes()
    assert output.data["text/plain"] == output.metadata["image/png"]["alt"] == "Two bars, one twice as high."


def test_a_cell_may_have_several_pictures(trial):
    for number in (2, 3):
        trial.picture.with_name(f"picture-{number}.png").write_bytes(tiny_png())
    assert len(by_id(trial.build().student)["picture"].outputs) == 3


def test_the_notebook_is_4_5_and_never_ran(trial):
    for notebook in (trial.build().source, trial.build().student):
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"
        assert {cell.execution_count for cell in notebook.cells if cell.cell_type == "code"} == {None}
        assert all(
            not cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.id != "picture"
        )


# the first cell


def test_the_first_code_cell_makes_the_course_importable(trial):
    for notebook in (trial.build().source, trial.build().student):
        cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert cell.metadata["dlcv"] == {"role": "given", "name": "workplace"}
        comment, line = cell.source.splitlines()
        assert comment.startswith("#")
        assert line.endswith("import dlcv; dlcv.start()")
        assert "nbgrader" not in cell.metadata  # it may be changed by whoever needs another one


@pytest.mark.parametrize(
    "address", ["", "https://github.com/ada/course", "https://git.example.org/ada/course"]
)
def test_the_first_cell_is_plain_python(trial, address):
    trial.configure(repository=address)
    cell = by_id(trial.build().student)["workplace"]
    compile(cell.source, "cell", "exec")
    assert (f"git+{address}" in cell.source) is bool(address)
    assert max(map(len, cell.source.splitlines())) <= 130


def test_there_is_a_badge_only_where_colab_can_open_what_it_leads_to(trial):
    def heading():
        return by_id(trial.build().student)["section-doubling"].source

    assert "colab" not in heading()
    trial.configure(repository="https://git.example.org/ada/course")
    assert "colab" not in heading()
    trial.configure(repository="https://github.com/ada/course.git")
    place = "github/ada/course/blob/main/notebooks/04_doubling/04_doubling.ipynb"
    assert heading().startswith(
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    )
    assert f"](https://colab.research.google.com/{place})\n\n# Doubling\n" in heading()


@pytest.mark.parametrize(
    "address", ["git@github.com:ada/course", "https://x.org/a b", 'https://x.org/a"); print("b']
)
def test_an_address_that_is_none_is_refused(trial, address):
    trial.configure(repository=address)
    with pytest.raises(CourseError, match=r"course.toml: repository is .*wanted: an address such as"):
        trial.build()


# equal bytes, lasting ids


def test_the_same_source_gives_the_same_bytes(trial):
    assert trial.build().files == trial.build().files


def test_ids_come_from_names(trial):
    assert list(by_id(trial.build().student)) == [
        "section-doubling", "workplace", "setup", "setup--1", "picture", "double", "test-double", "hints-double",
        "training", "why",
    ]  # fmt: skip


def test_ids_stay_when_cells_are_inserted_elsewhere(trial):
    before = set(by_id(trial.build().student))
    trial.text = "# %% [markdown]\n# A line above everything.\n\n" + trial.text
    trial.edit('# %% role="solution"', '# %% name="extra"\nx = 1\n\n# %% role="solution"')
    assert set(by_id(trial.build().student)) - before == {"start--1", "extra"}


def test_equal_headings_do_not_share_an_id(trial):
    trial.text += "\n# %% [markdown]\n# ## Exercise\n\n# %% [markdown]\n# ## Exercise\n"
    assert list(by_id(trial.build().student))[-2:] == ["why--1", "why--2"]


def test_written_files_are_what_check_compares(trial):
    built = trial.build()
    assert not built.is_committed()
    assert [path.relative_to(trial.course.root).as_posix() for path in built.write()] == [
        "notebooks/04_doubling/04_doubling.ipynb",
        "course/source/04_doubling/04_doubling.ipynb",
    ]
    assert built.is_committed()
    trial.edit("Some prose", "Other prose")
    assert not trial.build().is_committed()


@pytest.mark.parametrize(
    "work",
    [
        lambda notebook: notebook.metadata.language_info.update(version="3.12.1"),  # saved by Jupyter
        lambda notebook: notebook.cells[-1].update(execution_count=1),
    ],
)
def test_a_notebook_that_somebody_has_worked_in_stays(trial, monkeypatch, work):
    """A learner starts the course again, an evening's answers in it: they are there in the end."""
    monkeypatch.chdir(trial.course.root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = trial.course.notebook(trial.chapter)
    trial.build().write()
    notebook = build.build(trial.course, trial.chapter).student
    notebook.cells.append(nbformat.v4.new_code_cell("mine = 3"))
    work(notebook)
    nbformat.write(notebook, path)
    said = CliRunner().invoke(main, ["build"])
    assert said.exit_code == 0
    assert "notebooks/04_doubling/04_doubling.ipynb stays: somebody has worked in it." in said.output
    assert "mine = 3" in path.read_text()
    assert "stays" not in CliRunner().invoke(main, ["build", "--replace", "doubling"]).output
    assert trial.build().is_committed()


def test_a_notebook_with_the_marks_of_a_merge_is_built_anew(trial):
    path = trial.course.notebook(trial.chapter)
    trial.build().write()
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    trial.build().write()
    assert trial.build().is_committed()


# rules: what is refused, and in which words

NOT_SHORT = "\n".join(f"x = {number}" for number in range(11))

BROKEN = {
    "unknown role": (
        'role="setup" name="setup"',
        'role="step" name="setup"',
        "line 5, step cell 'setup': unknown role",
    ),
    "role of the other kind": (
        '[markdown] role="hints"',
        '[markdown] role="figure"',
        "a markdown cell is one of prose",
    ),
    "no name": (' name="setup"', "", "line 5, setup cell: has no name"),
    "bad name": ('name="setup"', 'name="set up"', "'set up' cannot be a name"),
    "name of a second picture": ('name="setup"', 'name="setup-2"', "'setup-2' cannot be a name"),
    "name of the first cell": (
        'name="setup"',
        'name="workplace"',
        "is the name of the cell that is put first",
    ),
    "what the first cell says": (
        "check = None",
        "check = None\ndevice.report()",
        "line 5, setup cell 'setup': calls device.report(), as the cell does that is put first",
    ),
    "same name": (
        'name="setup"',
        'name="picture"',
        "figure cell 'picture': line 5 has a cell with this name already",
    ),
    "solution without test": (SOURCE[SOURCE.index('# %% role="test"') :], "", "no test cell follows"),
    "test without solution": (
        'role="solution"',
        'role="given"',
        'no solution cell stands above it; add one with role="so',
    ),
    "exercise unknown to dlcv": (
        '"double"',
        '"triple"',
        "dlcv has no exercise 'triple' in this chapter; it has double",
    ),
    "no cell for hints": (
        '# %% [markdown] role="hints" name="double"\n# Hints for `double`.\n',
        "",
        "has no hints cell",
    ),
    "no solution region": ("    ### BEGIN SOLUTION\n", "", "two comments, BEGIN SOLUTION and END SOLUTION"),
    "no steps": (
        "    # 1. Add `x` to itself.\n",
        "",
        "say above BEGIN SOLUTION, in comments, what is to be written",
    ),
    "test of another exercise": (
        'check("double"',
        'check("other"',
        'its first line is to be check("double", ...)',
    ),
    "no hidden tests": (
        "### BEGIN HIDDEN TESTS\n",
        "",
        'its hidden tests are to be check.grade("double", ...)',
    ),
    "long cell": ("check = None", NOT_SHORT, "11 lines of code; a cell that is given has at most 10"),
    "essay without points": (" points=2", "", "an essay needs points=N in its header, at least 1; got None"),
    "essay without answer": (
        "# <!-- END SOLUTION -->\n",
        "",
        "two comments, BEGIN SOLUTION and END SOLUTION",
    ),
    "points disagree": (
        'role="test" name="double"',
        'role="test" name="double" points=4',
        "says 4 points, the exercise 3",
    ),
    "points elsewhere": ('name="setup"', 'name="setup" points=1', "only test and essay cells have them"),
    "no word of what it takes": (
        "Difficulty 2 of 5, ",
        "",
        "to say 'Difficulty 2 of 5, about 1 minutes, 3 points'",
    ),
    "another difficulty": (
        "Difficulty 2",
        "Difficulty 3",
        "found 'Difficulty 3 of 5, about 1 minute, 3 points'",
    ),
    "another count": ("1 with 3 points", "two with 3 points", "the chapter has 1 with 3 points"),
    "another total": ("1 with 3 points", "1 with 4 points", "the chapter has 1 with 3 points"),
    "other minutes": ("about 20 minutes", "about 25 minutes", "says 25 minutes, course.toml says 20"),
    "no alt text": (' alt="Two bars, one twice as high."', "", "for those who cannot see it"),
    "no alt text of what a training draws": (' alt="A falling curve."', "", "for those who cannot see it"),
    "word of another solution": ("Add `x`", "Add `weight`", "a step of the stub names `weight`"),
    "unknown key": (
        'name="setup"',
        'name="setup" title="Set-up"',
        "has role, name, points and alt; got title",
    ),
    "text above the first cell": (
        "# %% [markdown]\n# # Doubling\n",
        "x = 1\n",
        "begin the file with a '# %%' header",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_rules_are_named(trial, case):
    old, new, message = BROKEN[case]
    trial.edit(old, new)
    with pytest.raises(CourseError) as error:
        trial.build()
    assert "04_doubling.py" in str(error.value)
    assert message in str(error.value)


def test_ten_lines_are_allowed_and_blank_ones_do_not_count(trial):
    longest = "# a comment\n\n" + NOT_SHORT.partition("\n")[2]
    trial.edit("check = None", longest)
    assert longest in by_id(trial.build().student)["setup"].source


def test_small_numbers_may_be_words(trial):
    trial.edit("about 1 minute, 3 points", "about one minute, three points")
    (words,) = [cell.source for cell in trial.build().student.cells if "three points" in cell.source]
    assert "about one minute, three points" in words


def test_every_broken_rule_is_reported_at_once(trial):
    trial.edit('name="setup"', 'name="setup" points=1')
    trial.edit(" points=2", "")
    with pytest.raises(CourseError) as error:
        trial.build()
    assert len(str(error.value).splitlines()) == 2


def test_a_hint_with_a_word_of_another_solution_is_refused(trial):
    trial.exercise.hints = ("Use `kernel`.",)
    with pytest.raises(CourseError, match="hint 1 names `kernel`, which its solution does not use"):
        trial.build()


def test_hints_may_use_torch_and_the_chapter(trial):
    trial.exercise.chapter = "transposed_convolution"
    hint = "As `torch.roll`, `x.flip(0)`, `insert_zeros(x)` and `range(3)` do."
    trial.exercise.hints = (hint,)
    assert hint in by_id(trial.build().student)["hints-double"].source


def test_an_exercise_without_a_solution_cell_is_refused(trial):
    trial.exercises["halve"] = SimpleNamespace(name="halve", points=1, hints=())
    with pytest.raises(CourseError, match="exercise 'halve' has no solution cell"):
        trial.build()


def test_a_missing_figure_names_the_command(trial):
    trial.picture.unlink()
    with pytest.raises(
        CourseError, match=r"picture.png is missing; run: python -m autograder figures 04_doubling"
    ):
        trial.build()
    assert by_id(trial.build(allow_missing_figures=True).student)["picture"].outputs == []


def test_a_figure_of_no_cell_is_refused(trial):
    trial.picture.with_name("gone.png").write_bytes(tiny_png())
    with pytest.raises(CourseError, match=r"gone.png belongs to no figure, widget or experiment cell"):
        trial.build()


def test_a_missing_source_is_named(trial):
    with pytest.raises(CourseError, match=r"04_doubling.py is missing"):
        build.build(trial.course, trial.chapter)


def test_a_chapter_without_exercises_is_named(trial, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(CourseError, match=r"dlcv.doubling is missing; it defines the exercises"):
        build.exercises_of(trial.chapter)


# the command


def test_the_command_builds_and_checks(trial, monkeypatch):
    def run(*arguments):
        return CliRunner().invoke(main, arguments)

    monkeypatch.chdir(trial.course.root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    trial.build()
    stale = "is not what its source gives; run: python -m autograder build 04_doubling"
    assert stale in run("build", "--check").output
    assert run("build").output.splitlines()[0] == "notebooks/04_doubling/04_doubling.ipynb"
    assert run("build", "--check", "doubling").output == "1 notebooks equal their sources\n"
    trial.edit(' name="setup"', "")
    trial.course.solution(trial.chapter).write_text(trial.text)
    failed = run("build")
    assert (failed.exit_code, type(failed.exception)) == (1, SystemExit)
    assert failed.output.startswith("Error: 04_doubling.py, line 5, setup cell: has no name")


def test_the_command_starts_a_chapter(trial, monkeypatch):
    monkeypatch.chdir(trial.course.root)
    done = CliRunner().invoke(main, ["new-chapter", "halving"])
    assert done.output.startswith("Chapter 05_halving is listed in course.toml.")
    assert CliRunner().invoke(main, ["new-chapter", "halving"]).exit_code == 1


# figures


def test_small_pngs_are_equal_for_equal_pixels(tmp_path):
    once = figures.small_png(tiny_png(), tmp_path / "picture.png")
    assert (
        once
        == figures.small_png(tiny_png(), tmp_path / "picture.png")
        == figures.small_png(once, tmp_path / "x.png")
    )


def test_a_picture_that_stays_too_large_is_refused(tmp_path):
    buffer = io.BytesIO()
    Image.effect_noise((900, 900), 100).save(buffer, "png")
    with pytest.raises(
        CourseError, match=r"noise.png takes \d+ KB, at most 160 are stored; draw it smaller than 900"
    ):
        figures.small_png(buffer.getvalue(), tmp_path / "noise.png")


def test_figures_are_kept_under_their_cells_names(trial, monkeypatch):
    trial.build()
    stale = trial.picture.with_name("stale.png")
    stale.write_bytes(b"")
    data = {"image/png": base64.b64encode(tiny_png()).decode()}
    drawn = [nbformat.v4.new_output("display_data", data)] * 2

    def run(notebook, root, timeout):
        by_id(notebook)["picture"].outputs = drawn
        return notebook

    monkeypatch.setattr(figures, "run_notebook", run)
    written = figures.store_figures(trial.course, trial.chapter)
    assert [path.name for path in written] == ["picture.png", "picture-2.png"]
    assert not stale.exists()
    drawn = []
    with pytest.raises(CourseError, match="figure cell 'picture' drew nothing"):
        figures.store_figures(trial.course, trial.chapter)


def test_running_a_notebook_skips_nothing_and_names_the_error(tmp_path):
    cells = [
        nbformat.v4.new_code_cell("import os; os.getcwd()", metadata={"tags": ["skip-execution"]}),
        nbformat.v4.new_code_cell("raise ValueError('no')"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    ran = figures.run_notebook(notebook, tmp_path, allow_errors=True)
    assert [cell.outputs[0].output_type for cell in ran.cells] == ["execute_result", "error"]
    with pytest.raises(CourseError, match="does not run to its end"):
        figures.run_notebook(notebook, tmp_path)


def test_the_contributors_page_explains_every_role():
    page = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for role in (*source.CODE_ROLES, *source.MARKDOWN_ROLES):
        assert role == "prose" or f"`{role}`" in page


@pytest.mark.parametrize("module", [first_cell, source, wording])
def test_docstrings(module):
    assert doctest.testmod(module).failed == 0
