"""A full disk, folders without the right to write, missing files: told plainly, nothing is lost, then it goes on."""

import ctypes
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from autograder import cli, database
from autograder.course import Course, CourseError
from autograder.grade import grade
from autograder.records import read_records

STUDENTS = ("ada", "bob", "cat", "dan", "eve", "fay")
MIB = 2**20

pytestmark = pytest.mark.usefixtures("already_warm")


@pytest.fixture
def six(small_course):
    """A course of six right submissions."""
    for student in STUDENTS:
        small_course.submit(student, small_course.answered())
    return small_course


def command(small, *options: str):
    """`autograder grade --json` as typed: exit code, lines by student, what was said besides."""
    where = ["--course", str(small.course.folder), "--assignment", small.assignment]
    done = CliRunner().invoke(
        cli.main, ["grade", "--json", "--jobs", "1", *where, *options], catch_exceptions=False
    )
    lines = {line["student"]: line for line in map(json.loads, done.stdout.splitlines())}
    return done.exit_code, lines, done.stderr


@pytest.fixture(autouse=True)
def the_tests_limits(monkeypatch, small_course):
    """The command takes the limits of the sandbox that is already warm."""
    monkeypatch.setattr(
        "autograder.commands.grade_all", lambda *a, **o: grade(*a, **{**o, "limits": small_course.limits})
    )


def everybody_is_graded(small) -> bool:
    with Gradebook(small.course.db_url) as gradebook:
        scores = {row["student"]: row["score"] for row in gradebook.submission_dicts(small.assignment)}
    points = {result.student: result.points for result in read_records(small.course, small.assignment)}
    return scores == points == dict.fromkeys(STUDENTS, 4)


# mounts of one's own: disks that hold root, too


def with_own_mounts(work) -> None:
    """Do `work` in a process whose mounts nobody else sees; skip where the system does not allow it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        words = "no mounts of one's own here"
        try:
            if own_mounts():
                words = ""
                work()
        except BaseException:
            words = traceback.format_exc()
        os.write(writing, words.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        words = pipe.read()
    os.waitpid(child, 0)
    if words.startswith("no mounts"):
        pytest.skip(words)
    assert not words, words


def own_mounts() -> bool:
    new_mounts, new_user = 0x00020000, 0x10000000
    uid, gid = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(new_mounts | (new_user if uid else 0)):
        return False
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    return mount("--make-rprivate", "/", check=False) and mount("-t", "tmpfs", "tmpfs", "/mnt", check=False)


def mount(*arguments: str, check: bool = True) -> bool:
    return subprocess.run(["mount", *arguments], check=check, capture_output=True).returncode == 0


def small_disk(folder: Path) -> None:
    """Let `folder` lie on a small disk of its own."""
    before = folder.rename(folder.with_name("before"))
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder))
    subprocess.run(["cp", "-a", f"{before}/.", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all room on a disk but `leave` bytes; return the file to be removed for more."""
    found = os.statvfs(folder)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(found.f_bavail * found.f_frsize - leave))
    return ballast


def test_a_full_disk(six):
    """Grading stops and names the file, what was graded stays, and with more room the same command completes."""
    folder = six.course.folder

    def on_a_small_disk():
        small_disk(folder)
        assert command(six, "--student", "ada")[0] == 0
        ballast = fill(folder, leave=150_000)
        code, told, said = command(six)
        assert code == 1
        assert 1 < len(told) < len(STUDENTS)
        assert [line["status"] for line in told.values()] == ["kept", *["graded"] * (len(told) - 1)]
        assert f"{folder}/" in said and "disk is full" in said and "make room" in said
        assert f"{len(told)} of 6 submissions are graded and stay so" in said
        assert "Traceback" not in said
        ballast.unlink()
        code, then, _ = command(six)
        assert code == 0
        assert {student for student, line in then.items() if line["status"] == "kept"} == set(told)
        assert everybody_is_graded(six)
        assert not list(folder.rglob("*.draft"))

    with_own_mounts(on_a_small_disk)


def test_a_disk_that_is_full_from_the_start(six):
    folder = six.course.folder

    def on_a_full_disk():
        small_disk(folder)
        fill(folder)
        code, told, said = command(six)
        assert (code, told) == (1, {})
        assert str(folder) in said and "make room" in said

    with_own_mounts(on_a_full_disk)


def test_what_was_handed_in_may_lie_where_nobody_can_write(six):
    folder = six.course.folder / "submitted"

    def read_only():
        mount("--bind", str(folder), str(folder))
        mount("-o", "remount,bind,ro", str(folder))
        with pytest.raises(OSError, match="Read-only"):
            (folder / "x").touch()
        assert command(six)[0] == 0
        assert everybody_is_graded(six)

    with_own_mounts(read_only)


@pytest.mark.parametrize("name", ["autograded", "feedback", "records"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_run(six, name):
    folder = six.course.folder / name

    def read_only():
        folder.mkdir()
        mount("--bind", str(folder), str(folder))
        mount("-o", "remount,bind,ro", str(folder))
        code, told, said = command(six)
        assert (code, told) == (1, {})
        assert f"{folder} could not be written: Read-only file system" in said
        mount("-o", "remount,bind,rw", str(folder))
        assert command(six)[0] == 0

    with_own_mounts(read_only)


# one student's folder, and the gradebook


def test_one_folder_in_the_way_costs_one_student(six):
    stone = six.course.feedback("cat", six.assignment)
    stone.parent.mkdir(parents=True)
    stone.write_text("a file in the way")
    code, told, said = command(six)
    assert code == 1
    assert {student for student, line in told.items() if line["status"] == "failed"} == {"cat"}
    assert f"{stone}/{six.assignment}.html" in told["cat"]["failure"]
    assert "1 of 6 submissions could not be graded or written" in said and "move it away" in said
    stone.unlink()
    code, told, _ = command(six)
    assert code == 0
    assert {student for student, line in told.items() if line["status"] == "graded"} == {"cat"}
    assert everybody_is_graded(six)


def test_a_gradebook_locked_in_mid_batch(six, monkeypatch):
    """Another program begins to write when two are graded, and does not end; then it is gone."""
    import sqlite3

    monkeypatch.setattr(database, "PATIENCE", 0.3)
    monkeypatch.setattr(database, "ONE_TRY", 0.1)
    other = []

    def lock_at_two(done, total, result):
        if done == 2 and not other:
            other.append(sqlite3.connect(six.course.gradebook, isolation_level=None))
            other[0].execute("BEGIN EXCLUSIVE")

    with pytest.raises(CourseError) as told:
        grade(six.course, six.assignment, jobs=1, limits=six.limits, progress=lock_at_two)
    for words in (str(six.course.gradebook), "locked", "close that program", "2 of 6 submissions are graded"):
        assert words in str(told.value)
    other[0].close()
    code, told, _ = command(six)
    assert code == 0
    assert sorted(line["status"] for line in told.values()) == ["graded"] * 4 + ["kept"] * 2
    assert everybody_is_graded(six)


def test_a_damaged_gradebook_moved_away_is_filled_again(six):
    assert command(six)[0] == 0
    six.course.gradebook.write_bytes(b"not what it was" * 500)
    code, told, said = command(six)
    assert (code, told) == (1, {})
    assert str(six.course.gradebook) in said and "move it away" in said
    six.course.gradebook.rename(six.course.folder / "damaged.db")
    code, told, _ = command(six)
    assert code == 0
    assert {line["status"] for line in told.values()} == {"kept"}
    assert everybody_is_graded(six)


# what is missing


def test_a_missing_release_and_source_are_named(six, tmp_path):
    course = Course(tmp_path, six.course.folder)
    (tmp_path / "course.toml").write_text(
        'name = "t"\n[[chapters]]\nnumber = 1\nname = "transposed_convolution"\ntitle = "T"\n'
    )
    for place in ("source", "release"):
        path = getattr(course, place)(six.assignment) / f"{six.assignment}.ipynb"
        path.rename(path.with_suffix(".away"))
        with pytest.raises(CourseError, match="is missing") as told:
            grade(course, six.assignment, jobs=1, limits=six.limits)
        wanted = course.solution if place == "source" else course.notebook
        assert str(wanted(course.chapter(six.assignment))) in str(told.value)
        path.with_suffix(".away").rename(path)


def test_a_source_that_is_no_notebook(six):
    path = six.course.source(six.assignment) / f"{six.assignment}.ipynb"
    path.write_text("{")
    code, _, said = command(six)
    assert code == 1
    assert f"{path} is not a notebook" in said


def test_another_grader_is_at_work(six):
    code = (
        "import sys\nfrom pathlib import Path\nfrom autograder.lock import only_grader\n"
        "with only_grader(Path(sys.argv[1]), 'grading'):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(six.course.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert other.stdout.readline() == "held\n"
    code, told, said = command(six)
    assert (code, told) == (1, {})
    assert f"process {other.pid}" in said and "--wait" in said
    other.communicate("")
    assert command(six, "--student", "ada")[0] == 0
