"""What learners get: everything that they need, nothing of the course's own, the same bytes each time."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder import packing
from autograder.cli import main
from autograder.clock import moment, zone
from autograder.course import Course, CourseError
from autograder.packing import members, not_due, pack, refuse_secrets, start_here
from autograder.sample_class import right_answers
from autograder.wheel import build_wheel, files_below
from dlcv.checking import load_exercises

ROOT = Path(__file__).resolve().parents[2]
NAME = "01_transposed_convolution"


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Chapter 01 as it is released from a course that has a secret seed: the course, what `pack` said, all bytes."""
    folder = tmp_path_factory.mktemp("released")
    course = Course(ROOT, folder / "course")
    seed = course.seed()
    (packed,) = pack(course, [course.chapter("1")], folder / "dist")
    return course, packed, dict(members({packed.path.name: packed.path.read_bytes()})), seed


def test_the_zip_holds_these_files_and_no_other(released):
    _, packed, _, _ = released
    with zipfile.ZipFile(packed.path) as archive:
        names = archive.namelist()
    wanted = [f"{NAME}.ipynb", "LICENSE", "LICENSE-text", "START-HERE.md", packed.wheel]
    assert names == [f"{NAME}/{name}" for name in wanted]
    assert packed.wheel in names[-1] and packed.files == tuple(sorted(wanted))


def test_the_wheel_is_the_package_and_nothing_else(released):
    _, _, files, _ = released
    inside = {name.split(".whl/")[1]: content for name, content in files.items() if ".whl/" in name}
    about = {name: inside.pop(name) for name in list(inside) if ".dist-info/" in name}
    assert (
        json.loads(inside.pop("dlcv/chapters.json"))["orientation"] == "00 Five flavours of dense prediction"
    )
    assert inside == {
        path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files_below(ROOT / "dlcv")
    }
    assert {name.split("/", 1)[1] for name in about} == {
        "METADATA", "RECORD", "WHEEL", "top_level.txt", "licenses/LICENSE", "licenses/LICENSE-text",
    }  # fmt: skip
    metadata = next(content for name, content in about.items() if name.endswith("METADATA")).decode()
    assert re.search(r"^Version: [\d.]+\+r[0-9a-f]{8}$", metadata, re.MULTILINE)
    assert (
        "Requires-Dist: torch>=" in metadata and 'extra == "lab"' in metadata and "nbgrader" not in metadata
    )


def test_nothing_of_the_courses_own_is_in_any_byte(released):
    course, _, files, seed = released
    source = packing.build(course, course.chapter("1")).source
    for name, content in files.items():
        assert seed.encode() not in content, name
        assert b"SQLite format 3" not in content, name
        assert not {"tests", "solutions", "autograder", "course", "records"} & set(Path(name).parts), name
    notebook = files[f"{NAME}.zip/{NAME}/{NAME}.ipynb"].decode()
    sources = ["".join(cell["source"]) for cell in json.loads(notebook)["cells"]]
    answers = right_answers(source)
    assert len(answers) == 10
    assert not set(answers.values()) & set(sources)
    assert "check.grade" not in notebook and "SOLUTION" not in notebook


def test_the_same_course_gives_the_same_bytes(released, tmp_path):
    course, packed, _, _ = released
    again = next(pack(Course(ROOT, tmp_path), [course.chapter("1")], tmp_path))
    assert again.sha256 == packed.sha256
    assert again.path.read_bytes() == packed.path.read_bytes()


def test_a_changed_package_has_another_version(released, tmp_path):
    course, packed, _, _ = released
    shutil.copytree(ROOT / "dlcv", tmp_path / "dlcv")
    same = build_wheel(course, tmp_path / "dlcv", tmp_path)
    assert same.name == packed.wheel
    (tmp_path / "dlcv" / "orientation" / "data").mkdir()
    (tmp_path / "dlcv" / "orientation" / "data" / "table.json").write_text("{}")
    other = build_wheel(course, tmp_path / "dlcv", tmp_path)
    assert other.name != same.name
    assert "dlcv/orientation/data/table.json" in zipfile.ZipFile(other).namelist()


def test_a_learner_can_work_with_it(released, tmp_path):
    """Unpacked elsewhere, without this repository on the path: a right answer earns all points."""
    _, packed, files, _ = released
    (wheel,) = [content for name, content in files.items() if name.endswith(".whl")]
    (tmp_path / packed.wheel).write_bytes(wheel)
    zipfile.ZipFile(tmp_path / packed.wheel).extractall(tmp_path / "site")
    code = (
        "import dlcv; from dlcv.transposed_convolution.exercises import check\n"
        "def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):\n"
        "    return (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1\n"
        "print(dlcv.__file__, float(check('output_size', output_size)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    where, points = done.stdout.split()[-2:]
    assert Path(where).is_relative_to(tmp_path)
    assert float(points) == 2


def test_nbgraders_release_is_the_notebook_of_the_zip(released):
    course, _, files, _ = released
    notebook = files[f"{NAME}.zip/{NAME}/{NAME}.ipynb"]
    assert (course.release(NAME) / f"{NAME}.ipynb").read_bytes() == notebook
    assert b"BEGIN SOLUTION" in (course.source(NAME) / f"{NAME}.ipynb").read_bytes()


def test_start_here_names_what_is_there(released):
    course, packed, _, _ = released
    due = moment("2026-10-01 23:59", zone("Europe/Berlin"))
    built = packing.build(course, course.chapter("1"))
    page = start_here(
        course, replace(built, chapter=replace(built.chapter, due=due)), packed.wheel, ["a.npz"]
    )
    for words in (
        packed.wheel,
        f"`{NAME}.ipynb`",
        "`a.npz`",
        "Thursday, 1 October 2026, 23:59 (Europe/Berlin)",
    ):
        assert words in page, words
    assert "leaves out" not in page
    withheld = [course.chapter("4"), course.chapter("5")]
    assert "for 04_roi_align and 05_metrics." in start_here(course, built, packed.wheel, [], withheld)


# what is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data/notes.txt", b"the seed is %s, keep it", "data/notes.txt holds the course's secret seed"),
        ("a.ipynb", b"    ### BEGIN SOLUTION\n", "a.ipynb holds 'BEGIN SOLUTION'"),
        ("a.ipynb", b'check.grade("f", f)', r"a.ipynb holds 'check.grade\('"),
    ],
)
def test_a_secret_is_not_packed(released, name, content, message):
    course, _, _, seed = released
    with pytest.raises(CourseError, match=message):
        refuse_secrets(course, {name: content.replace(b"%s", seed.encode())})
    inside = packing.zipped({name: content.replace(b"%s", seed.encode())})
    with pytest.raises(CourseError, match=message):
        refuse_secrets(course, {"inner.zip": inside})


def test_a_package_with_a_link_is_refused(released, tmp_path):
    course, _, _, _ = released
    (tmp_path / "dlcv").mkdir()
    (tmp_path / "dlcv" / "notes.txt").symlink_to(ROOT / "README.md")
    with pytest.raises(CourseError, match=r"notes.txt is a link"):
        build_wheel(course, tmp_path / "dlcv", tmp_path)


def test_a_broken_project_is_one_line(tmp_path):
    (tmp_path / "course.toml").write_text('title = "T"\n')
    (tmp_path / "dlcv").mkdir()
    course = Course(tmp_path, tmp_path / "course")
    with pytest.raises(CourseError, match=r"pyproject.toml does not describe the package"):
        build_wheel(course, tmp_path / "dlcv", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "not a version"\n')
    with pytest.raises(CourseError, match=r"could not be built: .*version.*pep440"):
        build_wheel(course, tmp_path / "dlcv", tmp_path)


# as it is typed


def run(*arguments: str):
    return CliRunner().invoke(main, ["release", *arguments], catch_exceptions=False)


def test_the_command_says_what_it_made(tmp_path):
    places = ("--course", str(tmp_path / "course"), "--output", str(tmp_path / "out"))
    done = run("orientation", *places)
    assert done.exit_code == 0
    assert re.search(r"00_orientation.zip +[\d,]+ KB\nwith dlcv-", done.output)
    done = run("orientation", *places, "--json")
    (row,) = json.loads(done.output)["released"]
    assert row["assignment"] == "00_orientation" and row["due"] is None and row["withheld"] == []
    assert Path(row["zip"]).stat().st_size == row["size"]


def test_an_unknown_chapter_is_one_line(tmp_path):
    done = run("nowhere", "--course", str(tmp_path))
    assert done.exit_code == 1
    assert done.output.startswith("Error: no chapter is called 'nowhere'")
    assert run("--nonsense").exit_code == 2


# a chapter with data


@pytest.fixture
def own_root(tmp_path) -> Path:
    """This repository with another course.toml, in which chapter 00 hands out a table, and with own notebooks."""
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "notebooks" / "00_orientation", root / "notebooks" / "00_orientation")
    for name in ("dlcv", "solutions", "pyproject.toml", "LICENSE", "LICENSE-text"):
        (root / name).symlink_to(ROOT / name)
    listed = (ROOT / "course.toml").read_text().partition("[[chapters]]")[2].partition("[[chapters]]")[0]
    (root / "course.toml").write_text(f'title = "Trial"\n[[chapters]]{listed}data = ["more/table.csv"]\n')
    return root


def release_of(root: Path):
    course = Course(root, root / "course")
    return course, next(pack(course, course.chapters, root / "dist"))


def test_data_is_packed_and_released(own_root):
    with pytest.raises(CourseError, match=r"data of 00_orientation: there is no file 'more/table.csv'"):
        release_of(own_root)
    assert not (own_root / "dist").exists()
    table = own_root / "notebooks" / "00_orientation" / "more" / "table.csv"
    table.parent.mkdir()
    table.write_text("1,2\n")
    course, packed = release_of(own_root)
    assert zipfile.ZipFile(packed.path).read("00_orientation/more/table.csv") == b"1,2\n"
    assert (course.release("00_orientation") / "more" / "table.csv").read_text() == "1,2\n"


@pytest.mark.parametrize("name", ["../../course.toml", "/etc/hostname", "."])
def test_data_lies_beside_the_notebook(own_root, name):
    settings = own_root / "course.toml"
    settings.write_text(settings.read_text().replace("more/table.csv", name))
    with pytest.raises(CourseError, match="there is no file"):
        release_of(own_root)


def test_two_different_notebooks_are_not_handed_out(own_root):
    notebook = own_root / "notebooks" / "00_orientation" / "00_orientation.ipynb"
    notebook.write_text(notebook.read_text().replace("flavours", "flavors"))
    with pytest.raises(CourseError, match="run: autograder build 00_orientation"):
        release_of(own_root)


# before chapters are due


@pytest.fixture(scope="module")
def dated(tmp_path_factory) -> Course:
    """Chapters 03 and 04 of this repository; 03 is due on the first of October, 04 on the first of November."""
    root = tmp_path_factory.mktemp("dated")
    for name in ("dlcv", "solutions", "notebooks", "pyproject.toml", "LICENSE", "LICENSE-text"):
        (root / name).symlink_to(ROOT / name)
    rows = (ROOT / "course.toml").read_text().split("[[chapters]]")
    dates = {"3": "2026-10-01T23:59:00", "4": "2026-11-01T23:59:00"}
    parts = [
        f"[[chapters]]{row}due = {dates[row.split()[2]]}\n" for row in rows[1:] if row.split()[2] in dates
    ]
    (root / "course.toml").write_text(f'title = "Trial"\ntimezone = "Europe/Berlin"\n{"".join(parts)}')
    return Course(root, root / "course")


@pytest.fixture(scope="module")
def withheld(dated):
    """Chapter 03 as it goes out in the middle of October, and the files of its wheel."""
    not_yet = not_due(dated, moment("2026-10-15", dated.timezone))
    (packed,) = pack(dated, [dated.chapter("3")], dated.root / "dist", not_yet)
    files = dict(members({packed.path.name: packed.path.read_bytes()}))
    return packed, {name.split(".whl/")[1]: content for name, content in files.items() if ".whl/" in name}


@pytest.mark.parametrize(
    ("now", "names"),
    [("2026-10-01T23:58", ["03_dilated_convolution", "04_roi_align"]), ("2026-10-01T23:59", ["04_roi_align"]),
     ("2026-11-01T22:58Z", ["04_roi_align"]), ("2026-11-01T22:59Z", [])],
)  # fmt: skip
def test_an_answer_is_withheld_until_it_is_due(dated, now, names):
    assert [str(chapter) for chapter in not_due(dated, moment(now, dated.timezone))] == names


def test_without_due_dates_there_is_nothing_to_go_by():
    with pytest.raises(CourseError, match=r"course.toml has no due date"):
        not_due(Course.open(root=ROOT), moment("2026-10-15", zone("UTC")))


def test_the_wheel_lacks_the_answers_of_later_chapters_only(dated, withheld):
    packed, inside = withheld
    assert [str(chapter) for chapter in packed.withheld] == ["04_roi_align"]
    answers = "\n".join(
        inspect.getsource(exercise.reference) for exercise in load_exercises("roi_align").values()
    )
    assigned = [node for node in ast.walk(ast.parse(answers)) if isinstance(node, (ast.Assign, ast.Return))]
    steps = {step for node in assigned if len(step := ast.get_source_segment(answers, node)) > 40}
    assert len(steps) > 20
    text = inside["dlcv/roi_align/reference.py"].decode() + inside["dlcv/roi_align/exercises.py"].decode()
    assert not [step for step in steps if step in text]
    assert "slip_of(" not in text and ".slip(" not in text
    for name in ("dlcv/dilated_convolution/reference.py", "dlcv/dilated_convolution/exercises.py"):
        assert inside[name] == (ROOT / name).read_bytes()
    assert "leaves out the course's own programs for 04_roi_align." in start_here(
        dated, packing.build(dated, dated.chapter("3")), packed.wheel, [], packed.withheld
    )


def test_a_right_answer_is_right_where_answers_are_withheld(dated, withheld, tmp_path):
    for name, content in withheld[1].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    source = packing.build(dated, dated.chapter("4")).source
    (tmp_path / "answer.py").write_text("import torch\n" + right_answers(source)["bilinear_sample"])
    code = (
        "import dlcv; from dlcv.roi_align.exercises import check; from answer import bilinear_sample\n"
        "print(dlcv.__file__, float(check('bilinear_sample', bilinear_sample)),\n"
        "      float(check('bilinear_sample', lambda *args: args[0].sum())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    where, right, wrong = done.stdout.split()[-3:]
    assert Path(where).is_relative_to(tmp_path)
    assert float(right) > 0 and float(wrong) == 0


def test_the_same_moment_gives_the_same_bytes(dated, withheld, tmp_path):
    packed, _ = withheld
    again = next(pack(dated, [dated.chapter("3")], tmp_path, packed.withheld))
    assert again.sha256 == packed.sha256


def test_withholding_as_it_is_typed(dated, monkeypatch, tmp_path):
    monkeypatch.chdir(dated.root)
    done = run("3", "--output", str(tmp_path), "--withhold", "--now", "2026-12-01")
    assert done.exit_code == 0 and "without" not in done.output
    done = run("3", "--output", str(tmp_path), "--withhold", "--now", "2026-10-15", "--json")
    (row,) = json.loads(done.output)["released"]
    assert row["withheld"] == ["04_roi_align"] and row["due"] == "2026-10-01T23:59:00+02:00"
    done = run("3", "--output", str(tmp_path), "--withhold", "--now", "soon")
    assert done.exit_code == 2 and "--now: 'soon' is no point in time" in done.output
    assert run("3", "--now", "2026-10-15").exit_code == 2
