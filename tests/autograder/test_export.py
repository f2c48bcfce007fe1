"""Grades as other systems want them, with what a human gave and without anything invented."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.course import CourseError
from autograder.export import Export, export
from autograder.gradebook import Book
from autograder.late import Late
from autograder.mark import Entries
from autograder.record import Result, record_path
from autograder.roster import Roster
from autograder.writing import write
from dlcv.checking import Verdict

NAME = "01_transposed_convolution"
ANSWERED = {"conv_transpose1d": True, "output_size": True, "why": True}
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Other (3),01: Transposed Convolution (77)
    Points Possible,,,,,10,7
"Lovelace, Ada",101,S1,ada,A,9,
"Builder, Bob",102,S2,bob,A,9,
"Noether, Emmy",103,S3,emmy,B,9,
"Curie, Marie",104,S4,marie,B,9,
"""
MOODLE = """\
Identifier,Full name,ID number,Email address,Status,Grade,Maximum grade,Last modified (grade),Feedback comments
Participant 9001,Ada Lovelace,ada,ada@example.org,Submitted,3.00,7.00,"Friday, 2 October 2026, 9:00 AM",
Teilnehmer/in 9003,Emmy Noether,emmy,emmy@example.org,Submitted,,7.00,-,
Participant 9004,Marie Curie,marie,m@example.org,No submission,,7.00,-,
"""


@pytest.fixture(scope="module")
def course(small_class):
    """A gradebook with four students: graded by a human too, waiting for one, late, and failed by the grader."""
    course = small_class.course
    source = nbformat.read(course.source(NAME) / f"{NAME}.ipynb", as_version=4)
    late = Late("late", "2026-10-01T21:59:00+00:00", percent=10.0)
    with Book(course.db_url, course.name) as book:
        book.register(NAME, source)
        time = datetime(2026, 10, 1, 21, 0, tzinfo=timezone.utc)
        right = {"test-conv_transpose1d": 2.0, "test-output_size": 1 / 3, "why": None}
        book.save("ada", NAME, Entries(right, ANSWERED), timestamp=time)
        book.save("bob", NAME, Entries(right, ANSWERED))
        unanswered = {**ANSWERED, "why": False}
        book.save(
            "emmy", NAME, Entries({**right, "test-output_size": 2.0, "why": 0.0}, unanswered), late=late
        )
        book.save("zoe", NAME, Entries({name: 0.0 for name in right}, unanswered))
        grade = book.gradebook.find_grade("why", NAME, NAME, "ada")
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 2.5, 0.25, False
        book.gradebook.find_comment("why", NAME, NAME, "ada").manual_comment = "Good: a < b\nand more"
        book.db.commit()
    failed = Verdict("output_size", "engine error", 0.0, 2.0, 0, 0, message="ours")
    write(
        record_path(course, NAME, "zoe"),
        Result("zoe", NAME, "transposed_convolution", {"output_size": failed}).to_json(),
    )
    return course


@pytest.fixture
def roster(tmp_path):
    def read(text: str) -> Roster:
        (tmp_path / "roster.csv").write_text(text)
        return Roster.read(tmp_path / "roster.csv")

    return read


def rows_of(made) -> list[list[str]]:
    return list(csv.reader(io.StringIO(made.text, newline="")))


def about(made, words: str) -> list[str]:
    """The students of the one remark with these words."""
    (students,) = [students for said, students in made.remarks if words in said]
    return students


def test_lateness_costs_what_it_costs_now(course, tmp_path):
    """Not what it cost when it was graded: marks, due dates and extensions may have changed since."""
    (tmp_path / "course.toml").write_text(
        '[late]\nper_day = 20\n[[chapters]]\nnumber = 1\nname = "transposed_convolution"\ntitle = "T"\n'
        "due = 2026-10-01T12:00:00\n"
    )
    stamp = course.submitted("ada", NAME) / "timestamp.txt"
    write(stamp, "2026-10-01 21:00:00 UTC\n")
    try:
        rows = rows_of(export(replace(course, root=tmp_path), NAME, "csv"))
    finally:
        stamp.unlink()
    ada, bob, emmy = (dict(zip(rows[0], row, strict=True)) for row in rows[1:])
    assert (ada["points_earned"], ada["late_penalty"], ada["points"]) == ("5.08", "1.02", "4.06")
    assert bob["late_penalty"] == emmy["late_penalty"] == "0"  # nobody knows when


# Canvas


def test_canvas_gets_its_own_columns_back(course, roster):
    made = export(course, NAME, "canvas", roster(CANVAS))
    assert rows_of(made) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "01: Transposed Convolution (77)"],
        ["    Points Possible", "", "", "", "", "7"],
        ["Lovelace, Ada", "101", "S1", "ada", "A", "5.08"],  # 2 + 1/3 + 2.5 + 0.25
        ["Builder, Bob", "102", "S2", "bob", "A", "2.33"],
        ["Noether, Emmy", "103", "S3", "emmy", "B", "3.6"],  # 4, and a tenth is taken off
    ]
    assert made.graded == 3
    assert about(made, "nobody has graded yet") == ["bob"]
    assert about(made, "could not be graded") == ["zoe"]
    assert len(made.remarks) == 2


def test_canvas_keeps_the_columns_of_larger_sites(course, roster):
    text = "Student,ID,SIS User ID,SIS Login ID,Integration ID,Root Account,Section,Transposed convolution (77)\n"
    text += '"Lovelace, Ada",101,S1,ada,I1,uni.example,A,\n'
    head, _, ada = rows_of(export(course, NAME, "canvas", roster(text)))
    assert head[4:] == ["Integration ID", "Root Account", "Section", "Transposed convolution (77)"]
    assert ada[4:] == ["I1", "uni.example", "A", "5.08"]


def test_canvas_leaves_out_and_names_whom_it_does_not_know(course, roster):
    made = export(
        course, NAME, "canvas", roster("student,name,canvas\nada,Ada Lovelace,101\nbob,Bob Builder,\n")
    )
    assert [row[:2] for row in rows_of(made)[2:]] == [["Ada Lovelace", "101"]]
    assert about(made, "no id that is known here (not on the roster)") == ["bob", "emmy"]
    assert made.graded == 1


def test_canvas_without_the_column_is_said(course, roster):
    made = export(
        course, NAME, "canvas", roster(CANVAS.replace("01: Transposed Convolution (77)", "Homework 1 (77)"))
    )
    assert rows_of(made)[0][-1] == "Transposed convolution"
    assert about(made, "name the column with --column") == []
    made = export(course, NAME, "canvas", roster(CANVAS), column="Homework 1 (77)")
    assert rows_of(made)[0][-1] == "Homework 1 (77)"


def test_canvas_with_other_points_possible_is_said(course, roster):
    made = export(course, NAME, "canvas", roster(CANVAS.replace("10,7", "10,100")))
    assert about(made, "has 100 points possible, here 7") == []


def test_without_a_roster_the_numbers_from_collecting_are_used(course, roster):
    memory = course.folder / "collected" / f"{NAME}.json"
    taken = {"platform": "Canvas", "id": "101", "name": "lovelaceada"}
    write(
        memory, json.dumps({"version": 1, "students": {"ada": taken, "bob": {**taken, "platform": "folder"}}})
    )
    try:
        made = export(course, NAME, "canvas")
        with_names = export(
            course, NAME, "canvas", roster("student,name\nada,Ada Lovelace\nemmy,Emmy Noether\n")
        )
    finally:
        memory.unlink()
    assert rows_of(made)[2:] == [["lovelaceada", "101", "", "", "", "5.08"]]
    assert about(made, "give a --roster") == ["bob", "emmy"]
    assert rows_of(with_names)[2:] == [["Ada Lovelace", "101", "", "", "", "5.08"]]


# Moodle


def test_moodle_gets_its_worksheet_back(course, roster):
    made = export(course, NAME, "moodle", roster(MOODLE))
    head, ada, emmy = rows_of(made)
    assert head == MOODLE.splitlines()[0].split(",")
    assert ada[:3] == ["Participant 9001", "Ada Lovelace", "ada"]
    assert ada[5:] == [
        "5.08",
        "7.00",
        "Friday, 2 October 2026, 9:00 AM",
        "<b>why</b>: Good: a &lt; b<br>and more",
    ]
    assert emmy[0] == "Teilnehmer/in 9003"  # Moodle cuts off its own word by its length
    assert emmy[5] == "3.6" and "0.4 points were taken off" in emmy[-1]
    assert about(made, "Moodle knows them under no id") == ["bob"]


def test_moodle_skips_grades_above_its_maximum_which_is_said(course, roster):
    made = export(
        course, NAME, "moodle", roster(MOODLE.replace("7.00", "5,00").replace(",5,00,", ',"5,00",'))
    )
    assert about(made, "above Moodle's maximum") == ["ada"]


def test_moodle_from_another_roster(course, roster):
    made = export(course, NAME, "moodle", roster("student,name,email\nada,Ada Lovelace,ada@example.org\n"))
    head, ada = rows_of(made)
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(head)
    assert dict(zip(head, ada, strict=True))["Email address"] == "ada@example.org"
    assert about(made, "was not given as roster") == []
    made = export(course, NAME, "moodle", roster("student,moodle\nada,9001\n"))
    assert rows_of(made)[1][0] == "Participant 9001"


# A spreadsheet


def test_the_plain_file_has_a_column_for_each_exercise(course, roster):
    text = 'student,name,email\nada,"=HYPERLINK(""x"")",a@example.org\nmarie,Marie Curie,m@example.org\n'
    made = export(course, NAME, "csv", roster(text))
    rows = [dict(zip(rows_of(made)[0], row, strict=True)) for row in rows_of(made)[1:]]
    assert [row["student_id"] for row in rows] == ["ada", "bob", "emmy", "marie"]
    ada, bob, emmy, marie = rows
    assert ada == {
        "student_id": "ada", "name": "'=HYPERLINK(\"x\")", "email": "a@example.org", "number": "", "section": "",
        "submitted": "2026-10-01T21:00:00+00:00", "points_earned": "5.08", "late_penalty": "0", "points": "5.08",
        "max_points": "7", "to_grade": "", "conv_transpose1d": "2", "output_size": "0.33", "why": "2.75",
    }  # fmt: skip
    assert bob["to_grade"] == "why" and bob["why"] == "" and bob["submitted"] == ""
    assert (emmy["points_earned"], emmy["late_penalty"], emmy["points"]) == ("4", "0.4", "3.6")
    assert marie["points"] == marie["why"] == ""
    assert made.graded == 3


def test_nothing_graded_is_one_line(course, tmp_path):
    with pytest.raises(CourseError, match="run: autograder grade"):
        export(replace(course, folder=tmp_path / "course"), NAME, "csv")


# As it is typed


def run(course, *arguments: str):
    command = ["export", "--course", str(course.folder), "--assignment", NAME, *arguments]
    return CliRunner().invoke(main, command, catch_exceptions=False)


def test_the_command_says_where_and_what_is_worth_knowing(course, tmp_path):
    (tmp_path / "gradebook.csv").write_text(CANVAS)
    done = run(course, "--format", "canvas", "--roster", str(tmp_path / "gradebook.csv"))
    assert done.exit_code == 1
    path = course.folder / "export" / f"{NAME}-canvas.csv"
    assert f"3 grades in {path}" in done.stdout
    assert "nobody has graded yet, so their points may grow: bob" in done.stderr
    assert path.read_bytes().startswith(b"Student,ID")


def test_json_and_printing(course, tmp_path):
    done = run(course, "--json", "--output", str(tmp_path / "grades.csv"))
    data = json.loads(done.stdout)
    assert data["grades"] == 3 and data["format"] == "csv" and Path(data["file"]) == tmp_path / "grades.csv"
    assert [remark["students"] for remark in data["remarks"]] == [["zoe"], ["bob"]]
    assert (tmp_path / "grades.csv").read_bytes().startswith(b"\xef\xbb\xbfstudent_id,")
    done = run(course, "--output", "-")
    assert done.stdout.startswith("student_id,name") and len(done.stdout.splitlines()) == 4


def test_a_clean_export_ends_in_zero(small_course):
    source = nbformat.read(small_course.course.source(NAME) / f"{NAME}.ipynb", as_version=4)
    with Book(small_course.course.db_url, small_course.course.name) as book:
        book.register(NAME, source)
        scores = {"test-conv_transpose1d": 2.0, "test-output_size": 2.0, "why": 0.0}
        book.save("ada", NAME, Entries(scores, ANSWERED))
    assert run(small_course.course).exit_code == 0
    assert run(small_course.course, "--format", "blackboard").exit_code == 2


def test_many_students_are_counted(course, tmp_path):
    made = Export()
    made.remark("left out", [f"s{i:02}" for i in range(30)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autograder.export.export", lambda *_, **__: made)
        done = run(course, "--output", str(tmp_path / "grades.csv"))
    assert "left out: s00, s01" in done.stderr and "s11 and 18 more (--json names all)\n" in done.stderr
