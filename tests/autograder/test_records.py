"""A record that is damaged or of another version costs its own student nothing but a regrading, and others nothing."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.course import Course, CourseError
from autograder.record import Result, record_path
from autograder.records import read_records, readable_records

STUDENTS = ("ada", "bob", "cat")


@pytest.fixture(scope="module")
def graded(small_class, already_warm):
    for student in STUDENTS:
        small_class.submit(student, small_class.answered())
    run(small_class, "grade", "--jobs", "1")
    return small_class


@pytest.fixture
def spoilt(graded):
    """The record of ada is of an older version, that of bob is cut off; both are whole again afterwards."""
    paths = [record_path(graded.course, graded.assignment, student) for student in STUDENTS]
    before = [path.read_text() for path in paths]
    old = json.loads(before[0])
    paths[0].write_text(json.dumps({**old, "version": old["version"] - 1}))
    paths[1].write_text('{"student": "bo')
    yield graded
    for path, text in zip(paths, before, strict=True):
        path.write_text(text)


def run(small, command: str, *options: str):
    folder = ["--course", str(small.course.folder), "--assignment", small.assignment]
    return CliRunner().invoke(main, [command, *folder, *options], catch_exceptions=False)


def named(said: str) -> bool:
    """Does it name both students, each with its own reason?"""
    return (
        "ada, its record is damaged or of another version (it was written by another version)" in said
        and "bob, its record is damaged or of another version (Unterminated string" in said
        and "`autograder grade`" in said
    )


@pytest.mark.parametrize("command", ["report", "feedback", "similar"])
def test_the_rest_of_the_class_gets_its_pages(spoilt, command):
    done = run(spoilt, command)
    assert done.exit_code == 0, done.output
    assert named(done.stderr)


def test_the_report_lists_them_as_not_graded(spoilt):
    run(spoilt, "report")
    page = (spoilt.course.folder / "report" / f"{spoilt.assignment}.html").read_text()
    assert "../feedback/cat/" in page
    assert "../feedback/ada/" not in page and "ada" in page and "bob" in page


def test_one_students_feedback_needs_only_that_record(spoilt):
    done = run(spoilt, "feedback", "--student", "cat")
    assert (done.exit_code, done.stderr) == (0, "")
    done = run(spoilt, "feedback", "--student", "ada", "--student", "zoe")
    assert done.exit_code == 1
    assert "ada, its record is damaged" in done.stderr and "zoe, not graded yet" in done.stderr


def test_an_export_keeps_the_gradebooks_points_and_says_so(spoilt):
    done = run(spoilt, "export", "--output", "-")
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["student_id", *STUDENTS]
    assert "the records of these cannot be read" in done.stderr and ": ada, bob" in done.stderr
    assert done.exit_code == 1


def test_one_student_graded_and_the_class_report_written(spoilt):
    done = run(spoilt, "grade", "--student", "cat", "--again", "--json", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert named(done.stderr)
    assert [json.loads(line)["student"] for line in done.stdout.splitlines()] == ["cat"]


def test_the_next_grading_mends_them(spoilt):
    done = run(spoilt, "grade", "--json", "--jobs", "1")
    assert done.exit_code == 0
    told = {line["student"]: line["status"] for line in map(json.loads, done.stdout.splitlines())}
    assert told == {"ada": "graded", "bob": "graded", "cat": "kept"}
    results, unread = readable_records(spoilt.course, spoilt.assignment)
    assert [result.student for result in results] == list(STUDENTS) and not unread


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "null", '{"version": 0}', '{"version": 2}', "\xff", "[" * 100_000],
    ids=["empty", "cut", "list", "number", "null", "version", "fields", "bytes", "deep"],
)
def test_whatever_lies_there_is_passed_over(tmp_path, content):
    course = Course(tmp_path, tmp_path)
    path = record_path(course, "hw", "bob")
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CourseError, match="no record of hw that can be read: bob, its record is damaged"):
        read_records(course, "hw")
    record_path(course, "hw", "ada").write_text(Result("ada", "hw", "c", {}).to_json())
    assert [result.student for result in read_records(course, "hw")] == ["ada"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every file")
def test_a_record_without_the_right_to_read_it_says_that(tmp_path):
    course = Course(tmp_path, tmp_path)
    path = record_path(course, "hw", "bob")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.chmod(0)
    assert "Permission denied" in readable_records(course, "hw")[1]["bob"]
