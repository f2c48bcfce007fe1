"""Who is who, from the lists that people have."""

import pytest

from autograder.course import CourseError
from autograder.roster import Roster, is_student_id

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Upsampling (77)
    Points Possible,,,,,24
"Lovelace, Ada",101,S1,ada,Monday,
"Noether, Emmy",102,S2,emmy@example.org,"Monday, Tuesday",
"Student, Test",103,,,Monday,
"""
MOODLE = """\
\ufeffIdentifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade",\
"Last modified (grade)","Feedback comments"
"Participant 9001","Ada Lovelace",S1,ada@example.org,"No submission",,24.00,-,"<p>one
two</p>"
"Participant 9002","Emmy Noether",,emmy@example.org,"No submission",,24.00,-,
"""
GRADESCOPE = """\
First Name,Last Name,SID,Email,Role
Ada,Lovelace,S1,ada@example.org,Student
Emmy,Noether,,emmy@example.org,TA
"""
NBGRADER = """\
id,first_name,last_name,email,lms_user_id
ada,Ada,Lovelace,ada@example.org,101
emmy,Emmy,Noether,,
"""
OWN = "student;name;number;canvas\nada;Lovelace, Ada;S1;101\nemmy;Emmy Noether;S2;102\n"


def roster(tmp_path, text: str) -> Roster:
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8")
    return Roster.read(path)


@pytest.mark.parametrize(
    ("text", "kind", "students", "ada"),
    [
        (
            CANVAS,
            "canvas",
            ["ada", "emmy@example.org", "103"],
            {"canvas": "101", "section": "Monday", "number": "S1"},
        ),
        (MOODLE, "moodle", ["S1", "emmy@example.org"], {"moodle": "9001", "email": "ada@example.org"}),
        (GRADESCOPE, "gradescope", ["S1", "emmy@example.org"], {"name": "Ada Lovelace"}),
        (NBGRADER, "nbgrader", ["ada", "emmy"], {"canvas": "101", "name": "Ada Lovelace"}),
        (OWN, "own", ["ada", "emmy"], {"canvas": "101", "number": "S1", "name": "Lovelace, Ada"}),
    ],
)
def test_five_kinds_are_read_as_they_come(tmp_path, text, kind, students, ada):
    read = roster(tmp_path, text)
    assert read.kind == kind
    assert [person.student for person in read.people] == students
    assert ada.items() <= vars(read.people[0]).items()


def test_a_row_is_kept_as_it_was(tmp_path):
    row = roster(tmp_path, MOODLE).people[0].row
    assert row["Identifier"] == "Participant 9001" and row["Feedback comments"] == "<p>one\ntwo</p>"


def test_canvas_with_two_columns_for_the_name(tmp_path):
    text = "LastName,FirstName,ID,SIS User ID,SIS Login ID,Section\nLovelace,Ada,101,S1,ada,Monday\n"
    assert roster(tmp_path, text).people[0].name == "Lovelace, Ada"


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", "Lovelace, Ada", "lovelaceada", "ADA  LOVELACE", "lovelace_ada"]
)
def test_a_name_is_found_in_any_order_and_spelling(tmp_path, name):
    for text in (CANVAS, MOODLE):
        assert roster(tmp_path, text).by_name(name).name in ("Lovelace, Ada", "Ada Lovelace")


def test_a_shared_name_names_nobody(tmp_path):
    read = roster(tmp_path, 'student,name\na,Ada Lovelace\nb,"Lovelace, Ada"\nc,Emmy Noether\n')
    assert read.by_name("Ada Lovelace") is None
    assert read.by_name("Noether Emmy").student == "c"
    assert read.by_name("") is None and read.by_name("...") is None


def test_names_with_marks_are_found_however_they_are_stored(tmp_path):
    read = roster(tmp_path, "student,name\nj,Jos\u00e9 N\u00fa\u00f1ez\n")
    assert read.by_name("nu\u0301n\u0303ezjose\u0301").student == "j"  # as macOS writes it


def test_an_id_is_found_in_the_columns_that_name_people(tmp_path):
    read = roster(tmp_path, OWN)
    assert (
        read.by_any_id("S2").student
        == read.by_any_id("EMMY").student
        == read.by_any_id("102").student
        == "emmy"
    )
    assert read.by_any_id("nobody") is None and read.by_id("canvas", " ") is None


def test_an_id_that_means_two_people_means_nobody(tmp_path):
    read = roster(tmp_path, "student,number\n7,8\n8,9\n")
    assert read.by_any_id("8") is None
    assert read.by_any_id("7").student == "7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "has the columns a, b; wanted is one of these, canvas: ID, SIS Login ID; moodle"),
        ("", "has the columns ; wanted"),
        ("student\n", "lists nobody"),
        ("student,name\nada,A\nAda,B\n", "has student ada more than once"),
        ("student,canvas\nada,1\nbob,1\n", "has canvas 1 more than once"),
        (
            "student,name\n../up,Ada\n",
            r"line 2: the id of Ada is '../up', which cannot be the name of a folder",
        ),
        ("student,name\n,Ada\n", "line 2: the id of Ada is ''"),
        ('student,name\nada,"Ada\nbob,Bob\n', "is no CSV at line 3 or above: unexpected end of data"),
        ('"student,name\nada,Ada\n', "is no CSV at line 2 or above"),
        (
            'student,name\nada,"Ada\n' + "bob,Bob\n" * 20_000,
            "is no CSV at line [0-9]+ or above: field larger",
        ),
    ],
)
def test_what_is_wrong_with_a_roster_is_said(tmp_path, text, message):
    with pytest.raises(CourseError, match=message):
        roster(tmp_path, text)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(CourseError, match=r"none.csv cannot be read: No such file"):
        Roster.read(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("student,name\nj,José\n".encode("latin-1"))
    with pytest.raises(CourseError, match="it is no UTF-8 text"):
        Roster.read(tmp_path / "latin.csv")


@pytest.mark.parametrize("text", [" ada", "a/b", "a\\b", "a\nb", "..", "x" * 129, "\u202eada"])
def test_what_is_no_name_for_a_folder(text):
    assert not is_student_id(text)
