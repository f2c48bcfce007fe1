"""course.toml, the folders in nbgrader's layout, the secret seed, and what the command line says."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.course import Chapter, Course, CourseError, find_root, secret_seed
from autograder.gradebook import Book

ROOT = Path(__file__).resolve().parents[2]
TWO = (
    '[[chapters]]\nnumber = 0\nname = "a"\ntitle = "A"\n\n[[chapters]]\nnumber = 1\nname = "b"\ntitle = "B"\n'
)


def course_with(root: Path, text: str) -> Course:
    (root / "course.toml").write_text(text)
    return Course.open(root=root)


def test_a_chapter_has_one_name_everywhere():
    course, chapter = Course.open(root=ROOT), Chapter(4, "roi_align", "RoI Align")
    assert str(chapter) == chapter.folder == "04_roi_align"
    assert course.solution(chapter) == ROOT / "solutions/04_roi_align/04_roi_align.py"
    assert course.notebook(chapter) == ROOT / "notebooks/04_roi_align/04_roi_align.ipynb"


def test_folders_are_nbgraders(tmp_path):
    course = Course.open(tmp_path, root=ROOT)
    assert course.source("04_roi_align") == tmp_path / "source/04_roi_align"
    assert course.submitted("ada", "04_roi_align") == tmp_path / "submitted/ada/04_roi_align"
    assert course.db_url == f"sqlite:///{tmp_path}/gradebook.db"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "sqlite:///{root}/course/gradebook.db"),
        ('db_url = "postgresql+psycopg://grader@db/course"', "postgresql+psycopg://grader@db/course"),
        ('db_url = "sqlite:////data/grades.db"', "sqlite:////data/grades.db"),
        ('db_url = "sqlite:///grades/all.db"', "sqlite:///{root}/grades/all.db"),
    ],
)
def test_the_gradebook_can_be_elsewhere(tmp_path, line, found):
    course = course_with(tmp_path, line)
    assert course.db_url == found.format(root=tmp_path)
    aside = Course.open(tmp_path / "course/demo", root=tmp_path)
    assert aside.db_url == f"sqlite:///{tmp_path}/course/demo/gradebook.db"


@pytest.mark.parametrize("value", ["5", '"grades.db"', '"postgresql:db"', '""'])
def test_what_is_no_address_of_a_gradebook(tmp_path, value):
    with pytest.raises(CourseError, match=r"course.toml: db_url is .*; wanted: an address such as"):
        _ = course_with(tmp_path, f"db_url = {value}").db_url


def test_nbgraders_own_commands_use_the_same_gradebook(copy_of_repository):
    copy = copy_of_repository()
    with (copy.root / "course.toml").open("a") as file:
        file.write('db_url = "sqlite:///grades.db"\n')
    copy.run("nbgrader", "db", "student", "add", "ada")
    with Book(Course.open(root=copy.root).db_url) as book:
        assert [student.id for student in book.gradebook.students] == ["ada"]
    assert not (copy.root / "course/gradebook.db").exists()


def test_students_are_those_who_handed_in(tmp_path):
    course = Course.open(tmp_path, root=ROOT)
    for path in ("submitted/bob/one", "submitted/ada/one", "submitted/eve/two"):
        (tmp_path / path).mkdir(parents=True)
    assert list(course.students("one")) == ["ada", "bob"]


@pytest.mark.parametrize("which", ["b", "01_b", "1", "01"])
def test_a_chapter_is_found_by_name_folder_or_number(tmp_path, which):
    assert course_with(tmp_path, TWO).chapter(which).name == "b"


def test_an_unknown_chapter_is_told_the_known_ones(tmp_path):
    with pytest.raises(CourseError, match=r"no chapter is called 'c'; course.toml knows: 00_a, 01_b"):
        course_with(tmp_path, TWO).chapter("c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[chapters", "not valid TOML"),
        (TWO.replace('title = "B"', ""), "'title' is missing"),
        (TWO.replace("number = 1", "number = 0"), "two chapters have the number 0"),
        (TWO.replace('"b"', '"a"'), "two chapters have the name 'a'"),
        (TWO.replace('"b"', '"B b"'), "'B b' cannot be a chapter's name"),
        ('timezone = "Mars"\n' + TWO, "timezone: no time zone is called 'Mars'; wanted: a name such as"),
        (TWO + 'due = "soon"', "chapter 'b', due: 'soon' is no point in time; wanted: for instance 2026"),
        (TWO + "due = 12:00:00", "is no point in time"),
        (TWO + "due = 2026-10-01T23:59\n", r"a time needs its seconds in TOML: 2026-10-01T23:59:00\)"),
    ],
)
def test_what_is_wrong_with_course_toml_is_said(tmp_path, text, message):
    with pytest.raises(CourseError, match=message):
        course_with(tmp_path, text).chapters  # noqa: B018


@pytest.mark.parametrize(
    "due",
    [
        "2026-10-01T23:59:00",
        "2026-10-01 23:59:00",
        '"2026-10-01T23:59"',
        "2026-10-01T21:59:00Z",
        '"2026-10-01 21:59Z"',
        "2026-10-02T07:59:00+10:00",
    ],
)
def test_a_due_date_is_a_time_on_the_courses_clock(tmp_path, due):
    course = course_with(tmp_path, f'timezone = "Europe/Berlin"\n{TWO}due = {due}\n')
    first, second = course.chapters
    assert first.due is None
    assert second.due.isoformat() == "2026-10-01T23:59:00+02:00"


@pytest.mark.parametrize(
    ("due", "meant"),
    [
        ("2026-10-01", "2026-10-01T23:59:59+02:00"),  # a day: to its end
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+01:00"),  # the clock shows it twice: the second time
        ("2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00"),  # the clock never shows it
    ],
)
def test_a_due_date_means_the_latest_that_it_can_mean(tmp_path, due, meant):
    course = course_with(tmp_path, f'timezone = "Europe/Berlin"\n{TWO}due = {due}\n')
    assert course.chapters[1].due.isoformat() == meant


def test_without_a_time_zone_it_is_utc(tmp_path):
    course = course_with(tmp_path, f"{TWO}due = 2026-10-01T23:59:00\n")
    assert course.chapters[1].due.isoformat() == "2026-10-01T23:59:00+00:00"


def test_a_missing_course_toml_is_said(tmp_path):
    with pytest.raises(CourseError, match="it lists the chapters in order"):
        Course.open(root=tmp_path).chapters  # noqa: B018


def test_the_course_is_found_from_inside(tmp_path, monkeypatch):
    course_with(tmp_path, TWO)
    inside = tmp_path / "solutions" / "01_b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert find_root() == tmp_path.resolve()


def test_outside_the_course_is_the_one_of_this_package():
    assert find_root(Path("/")) == ROOT


# the secret seed


def test_the_seed_is_made_once_for_its_owner_only(tmp_path):
    seed = secret_seed(tmp_path / "course")
    assert len(seed) == 64
    assert secret_seed(tmp_path / "course") == seed
    assert stat.S_IMODE((tmp_path / "course" / "secret_seed").stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "course") == ["secret_seed"]


def test_graders_that_start_together_agree_on_one_seed(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(secret_seed, [tmp_path] * 64))) == 1


def test_two_courses_have_two_seeds(tmp_path):
    assert secret_seed(tmp_path / "a") != secret_seed(tmp_path / "b")


def test_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCV_SEED", "from outside")
    assert Course.open(tmp_path, root=ROOT).seed() == "from outside"
    assert not list(tmp_path.iterdir())


def test_an_empty_seed_is_refused(tmp_path):
    (tmp_path / "secret_seed").write_text("\n")
    with pytest.raises(CourseError, match="is empty; delete it and a new secret seed is made"):
        secret_seed(tmp_path)


# the command line


def run(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_help_lists_the_commands():
    result = run("--help")
    assert result.exit_code == 0
    for command in ("build", "figures", "new-chapter", "grade"):
        assert f"  {command} " in result.output
        assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize("command", ["build", "figures"])
def test_an_unknown_chapter_ends_in_one_line(command):
    result = run(command, "nowhere")
    assert result.exit_code == 1
    assert result.output.startswith("Error: no chapter is called 'nowhere'; course.toml knows: 00_")
    assert isinstance(result.exception, SystemExit)


def test_an_unknown_option_is_another_exit_code():
    assert run("build", "--nonsense").exit_code == 2
