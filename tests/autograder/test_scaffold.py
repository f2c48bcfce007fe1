"""A new chapter builds, runs, passes its tests and the linter before its author has written a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder import scaffold
from autograder.course import Chapter, Course, CourseError

ROOT = Path(__file__).resolve().parents[2]
LISTED = (
    '# Our course.\nname = "trial"\n\n[[chapters]]\nnumber = 0\nname = "a"\ntitle = "A"\nminutes = 5 # few\n'
)


@pytest.fixture
def course(tmp_path):
    (tmp_path / "course.toml").write_text(LISTED)
    return Course.open(root=tmp_path)


def test_its_tests_pass(new_chapter):
    done = new_chapter.run("pytest", "-q", "-p", "no:cacheprovider", "tests/contrast")
    assert " passed" in done.stdout


def test_its_notebook_equals_its_source(new_chapter):
    assert new_chapter.run("autograder", "build", "--check").stdout == "1 notebooks equal their sources\n"


def test_its_notebook_has_stub_hints_and_figures(new_chapter):
    notebook = nbformat.read(new_chapter.root / "notebooks/00_contrast/00_contrast.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    assert 'raise NotImplementedError("stretch: replace this line with your code")' in cells["stretch"].source
    assert cells["hints-stretch"].source.count("<details>") == 3
    assert all("image/png" in cells[name].outputs[0].data for name in ("haze", "contrast"))


def test_the_linter_has_nothing_to_say(new_chapter):
    made = ["solutions", "dlcv/contrast", "tests/contrast"]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *made],
            cwd=new_chapter.root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_the_guide_names_every_file_and_the_next_commands(new_chapter):
    guide = new_chapter.started.stdout
    made = [
        path
        for folder in ("solutions", "dlcv/contrast", "tests")
        for path in (new_chapter.root / folder).rglob("*.py")
    ]
    assert len(made) == 8
    for path in made:
        assert path.relative_to(new_chapter.root).as_posix() in guide
    assert "python -m autograder build 00_contrast" in guide


def test_a_chapter_goes_to_its_place_in_course_toml(course):
    scaffold.new_chapter(course, "last", number=7)
    scaffold.new_chapter(Course.open(root=course.root), "middle", number=3, title="In the middle")
    again = Course.open(root=course.root)
    assert [chapter.folder for chapter in again.chapters] == ["00_a", "03_middle", "07_last"]
    assert again.chapters[1].title == "In the middle"
    assert (course.root / "course.toml").read_text().startswith(LISTED)


def test_the_next_number_and_a_title_are_found(course):
    chapter, files = scaffold.new_chapter(course, "optical_flow")
    assert (chapter.folder, chapter.title) == ("01_optical_flow", "Optical flow")
    for path in files:
        assert "CHAPTER_" not in path.read_text()


def test_imports_stay_sorted_whatever_the_name(course):
    for name in ("active_contours", "zoom"):
        _, files = scaffold.new_chapter(Course.open(root=course.root), name)
        exercises = next(path for path in files if path.name == "exercises.py").read_text()
        imports = [line for line in exercises.splitlines() if line.startswith("from dlcv")]
        assert imports == sorted(imports)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Optical-Flow", {}, "'Optical-Flow' cannot be a chapter's name"),
        ("class", {}, "'class' cannot be a chapter's name"),
        ("flow", {"number": 0}, "number 0 is taken by 00_a"),
        ("flow", {"title": 'The "flow"'}, "a title is one line without double quotes"),
    ],
)
def test_what_cannot_be_a_chapter_is_refused(course, name, options, message):
    with pytest.raises(CourseError, match=message):
        scaffold.new_chapter(course, name, **options)
    assert list(course.root.iterdir()) == [course.root / "course.toml"]


def test_nothing_is_overwritten(course):
    (course.root / "dlcv" / "data").mkdir(parents=True)
    with pytest.raises(CourseError, match="dlcv/data exists already; choose another name"):
        scaffold.new_chapter(course, "data")
    assert not (course.root / "solutions").exists()


def test_the_list_keeps_one_blank_line_between_chapters():
    text = scaffold.with_chapter('name = "x"\n', Chapter(2, "b", "B", 15))
    assert text == 'name = "x"\n\n[[chapters]]\nnumber = 2\nname = "b"\ntitle = "B"\nminutes = 15\n'
