"""What people handed in ends where `grade` looks for it, and nothing is dropped in silence."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.collect import collect, known_cells
from autograder.course import Course, CourseError
from autograder.late import timestamp
from autograder.roster import Roster

NAME = "01_transposed_convolution"
FILE = f"{NAME}.ipynb"
SETTINGS = """\
title = "Trial"
timezone = "Europe/Berlin"
[[chapters]]
number = 1
name = "transposed_convolution"
title = "Transposed convolution"
due = 2026-10-01T23:59:00
"""


@pytest.fixture
def course(small_course, tmp_path) -> Course:
    """A course with a due time, whose release is that of the small notebook."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "course.toml").write_text(SETTINGS)
    small_course.course = Course(root, small_course.course.folder)
    return small_course.course


@pytest.fixture
def work(small_course):
    """A function that gives the bytes of a notebook with an answer of one's own in it."""

    def make(words: str = "mine") -> bytes:
        return json.dumps(small_course.answered(why=words)).encode()

    return make


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def folder_with(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def roster(tmp_path, text: str) -> Roster:
    (tmp_path / "roster.csv").write_text(text)
    return Roster.read(tmp_path / "roster.csv")


def handed_in(course: Course) -> dict[str, bytes]:
    return {
        student: (course.submitted(student, NAME) / FILE).read_bytes() for student in course.students(NAME)
    }


def told(done, *keys: str) -> list[tuple]:
    return [tuple(getattr(row, key) for key in keys) for row in done.rows]


def everything_below(folder: Path) -> dict:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


# Where the files come from


def test_canvas_without_a_roster(course, work, tmp_path):
    names = {"lovelaceada_101_7001_" + FILE: work("a"), f"noetheremmy_102_7002_{NAME}-1.ipynb": work("e")}
    done = collect(course, NAME, [zipped(tmp_path / "submissions.zip", names)])
    assert handed_in(course) == {"lovelaceada_101": work("a"), "noetheremmy_102": work("e")}
    assert told(done, "status", "notes") == [("collected", [])] * 2
    assert not any(course.submitted("lovelaceada_101", NAME).glob("*.txt"))  # Canvas does not say when


def test_a_roster_that_came_late_is_noticed(here, work, tmp_path):
    """Else everybody who was collected before it would be graded under two names."""
    source = zipped(tmp_path / "s.zip", {"lovelaceada_101_7001_" + FILE: work("a")})
    assert "not on the roster" not in run(here, str(source), "--assignment", NAME).output
    (here.folder / "roster.csv").write_text("student,name,canvas\nada,Ada Lovelace,101\n", encoding="utf-8")
    done = run(here, str(source), "--assignment", NAME)
    assert "not on the roster, but in submitted/: lovelaceada_101\n" in done.output
    shutil.rmtree(here.folder / "submitted" / "lovelaceada_101")
    assert "not on the roster" not in run(here, str(source), "--assignment", NAME).output


def test_canvas_with_its_gradebook_as_roster(course, work, tmp_path):
    people = roster(
        tmp_path,
        "Student,ID,SIS User ID,SIS Login ID,Section\n"
        '"Lovelace, Ada",101,S1,ada,A\n"Noether, Emmy",102,S2,emmy,A\n"Curie, Marie",103,S3,marie,A\n',
    )
    names = {
        "lovelaceada_LATE_101_7001_" + FILE: work("a"),
        "noetheremmy_102_7002_essay.docx": b"x",
        "somebodyelse_999_7003_" + FILE: work("s"),
        "curiemarie_998_7004_" + FILE: work("m"),  # her name, but not her number
    }
    done = collect(course, NAME, [zipped(tmp_path / "submissions.zip", names)], people)
    assert set(handed_in(course)) == {"ada"}
    assert told(done, "student", "status") == [
        ("ada", "collected"),
        ("emmy", "no notebook"),
        ("", "unmatched"),
        ("", "unmatched"),
    ]
    assert done.rows[0].late and done.late == done.late_by_what == {"ada"}
    assert done.rows[2].notes == ["nobody on the roster fits Canvas: somebodyelse (999)"]
    assert done.missing == ["emmy", "marie"]


def test_a_roster_without_canvas_numbers_goes_by_names(course, work, tmp_path):
    people = roster(tmp_path, "student,name\nada,Ada Lovelace\ntwin1,Max Muster\ntwin2,Max Muster\n")
    names = {"lovelaceada_101_1_" + FILE: work(), "mustermax_102_2_" + FILE: work()}
    done = collect(course, NAME, [zipped(tmp_path / "submissions.zip", names)], people)
    assert told(done, "student", "status") == [("ada", "collected"), ("", "unmatched")]


@pytest.mark.parametrize(
    "between", ["_assignsubmission_file/", "_assignsubmission_file_/deep/", "_assignsubmission_file_"]
)
def test_moodle_in_folders_and_flat(course, work, tmp_path, between):
    names = {f"Ada Lovelace_9001{between}{FILE}": work("a"), f"Ada Lovelace_9001{between}plot.png": b"x"}
    names["Emmy Noether_9002_assignsubmission_onlinetext/onlinetext.html"] = b"<p>sorry</p>"
    done = collect(course, NAME, [zipped(tmp_path / "course-hw-5.zip", names)])
    assert handed_in(course) == {"Ada_Lovelace": work("a")}
    assert told(done, "student", "status") == [
        ("Ada_Lovelace", "collected"),
        ("Ada_Lovelace", "extra"),
        ("Emmy_Noether", "no notebook"),
    ]


def test_two_participants_of_one_name_are_two_students(course, work, tmp_path):
    names = {f"Max Muster_{number}_assignsubmission_file/{FILE}": work(str(number)) for number in (1, 2)}
    collect(course, NAME, [zipped(tmp_path / "moodle.zip", names)])
    assert handed_in(course) == {"Max_Muster_1": work("1"), "Max_Muster_2": work("2")}


def test_moodles_worksheet_says_when(course, work, tmp_path):
    people = roster(
        tmp_path,
        "Identifier,Full name,ID number,Email address,Status,Last modified (submission)\n"
        'Participant 9001,Ada Lovelace,S1,ada@example.org,Submitted for grading,"Thursday, 1 October 2026, 11:30 PM"\n'
        'Participant 9002,Ada Lovelace,S2,al@example.org,Submitted - 3 mins late,"Friday, October 2, 2026, 1:00 AM"\n'
        "Participant 9003,Emmy Noether,S3,e@example.org,Submitted - 3 mins late,Freitag der Zweite\n",
    )
    names = {
        f"{who}_assignsubmission_file/{FILE}": work(who)
        for who in ("Ada Lovelace_9001", "Ada Lovelace_9002", "Emmy Noether_9003")
    }
    done = collect(course, NAME, [zipped(tmp_path / "moodle.zip", names)], people)
    assert told(done, "student", "late", "submitted") == [
        ("S1", False, "2026-10-01T23:30:00+02:00"),
        ("S2", True, "2026-10-02T01:00:00+02:00"),
        ("S3", True, ""),
    ]
    assert timestamp(course.submitted("S1", NAME)) == "2026-10-01 21:30:00.000000 UTC"
    assert "1 hour 1 minute after the due time" in done.rows[1].notes[0]
    assert done.late_by_what == {"S3"}


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_gradescope_with_a_group(course, work, tmp_path, form):
    names = {
        "assignment_5_export/submission_metadata.yml": b"submission_1:\n  :submitters:\n"
        b"  - :name: Ada Lovelace\n    :sid: '42'\n    :email: ada@example.org\n"
        b"  - :name: Emmy Noether\n    :sid: '43'\n    :email: emmy@example.org\n"
        b"  :created_at: 2026-10-01 22:00:00 Z\n",
        f"assignment_5_export/submission_1/{FILE}": work("both"),
        f"assignment_5_export/submission_2/{FILE}": work("nobody's"),
    }
    source = zipped(tmp_path / "a.zip", names) if form == "zip" else folder_with(tmp_path / "in", names)
    done = collect(course, NAME, [source])
    assert handed_in(course) == {"42": work("both"), "43": work("both")}
    rows = {(row.student, row.status): row for row in done.rows}
    assert set(rows) == {("", "ignored"), ("42", "collected"), ("43", "collected"), ("", "unmatched")}
    assert rows["42", "collected"].notes[0] == "handed in by a group of 2"
    assert rows["42", "collected"].late  # 22:00 in UTC is midnight there
    assert rows["", "unmatched"].notes == ["submission_metadata.yml names nobody for submission_2"]


def test_gradescope_goes_by_email_where_there_is_no_number(course, work, tmp_path):
    people = roster(tmp_path, "student,email\nada,Ada@example.org\n")
    about = b"submission_1:\n  :submitters:\n  - :name: A. L.\n    :email: ada@EXAMPLE.org\n"
    source = folder_with(tmp_path / "in", {"submission_metadata.yml": about, f"submission_1/{FILE}": work()})
    collect(course, NAME, [source], people)
    assert set(handed_in(course)) == {"ada"}


def test_a_broken_export_is_one_line_and_nothing_is_written(course, work, tmp_path):
    source = folder_with(
        tmp_path / "in", {"submission_metadata.yml": b"a: [", f"submission_1/{FILE}": work()}
    )
    with pytest.raises(CourseError, match=r"submission_metadata.yml cannot be read"):
        collect(course, NAME, [source])
    assert not (course.folder / "submitted").exists()


def test_student_folders_and_nbgraders_layout(course, work, tmp_path):
    source = folder_with(
        tmp_path / "in",
        {
            f"ada/{NAME}/{FILE}": work("a"),
            f"ada/{NAME}/timestamp.txt": b"2026-10-01 21:58:00.5 UTC\n",
            f"ada/02_other/{FILE}": work("other"),
            f"emmy/deep/{FILE}": work("e"),
            "emmy/timestamp.txt": b"yesterday",
        },
    )
    done = collect(course, NAME, [source])
    assert handed_in(course) == {"ada": work("a"), "emmy": work("e")}
    assert timestamp(course.submitted("ada", NAME)) == "2026-10-01 21:58:00.5 UTC"
    assert timestamp(course.submitted("emmy", NAME)) is None
    assert {row.file: row.status for row in done.rows}[f"ada/02_other/{FILE}"] == "earlier"


def test_folders_and_files_are_found_on_the_roster(course, work, tmp_path):
    people = roster(
        tmp_path, "student,name,email\nada,Ada Lovelace,a@example.org\nemmy,Emmy Noether,e@example.org\n"
    )
    source = folder_with(
        tmp_path / "in",
        {
            f"group 1/Ada Lovelace/{FILE}": work("a"),
            "e@example.org.ipynb": work("e"),
            "whose.ipynb": work("?"),
            f"unknown/{FILE}": work("?"),
        },
    )
    done = collect(course, NAME, [source], people)
    assert handed_in(course) == {"ada": work("a"), "emmy": work("e")}
    assert sorted(row.notes[0] for row in done.having("unmatched")) == [
        "its name does not say whose it is",
        "nobody on the roster fits folder: (unknown)",
    ]


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("class.zip", ["class/ada/", "class/emmy/"]),  # called as the zip
        ("other.zip", ["class/ada/", "class/emmy/"]),  # several folders in it
        ("flat.zip", ["ada/", "emmy/"]),
        ("again.zip", ["in/lovelaceada_101_1_", "in/noetheremmy_102_2_"]),  # unpacked and packed again
    ],
)
def test_a_folder_around_everything_is_nobody(course, work, tmp_path, name, inside):
    names = {prefix + FILE: work(prefix) for prefix in inside}
    names["__MACOSX/._x"] = b""
    done = collect(course, NAME, [zipped(tmp_path / name, names)])
    assert len(handed_in(course)) == 2
    assert set(handed_in(course)) in ({"ada", "emmy"}, {"lovelaceada_101", "noetheremmy_102"})
    assert done.rows[-1].status == "ignored"


def test_a_file_in_a_students_folder_is_not_taken_for_canvas(course, work, tmp_path):
    collect(course, NAME, [folder_with(tmp_path / "in", {"ada/solution_1_2_final.ipynb": work()})])
    assert set(handed_in(course)) == {"ada"}


# Several of one student


def test_the_newest_wins_and_the_others_are_kept(course, work, tmp_path):
    source = zipped(
        tmp_path / "s.zip",
        {
            f"lovelaceada_101_7003_{NAME}-1.ipynb": work("new"),
            f"lovelaceada_101_7001_{FILE}": work("old"),
            f"lovelaceada_101_7002_{NAME}-2.ipynb": work("new"),
        },
    )
    done = collect(course, NAME, [source])
    assert handed_in(course) == {"lovelaceada_101": work("new")}
    newest, old, same = done.rows
    assert (newest.status, old.status, same.status) == ("collected", "earlier", "earlier")
    assert newest.notes == ["the newest of 3"]
    assert "is newer" in old.notes[0] and "the same as" in same.notes[0]
    (kept,) = (course.folder / "collected" / NAME / "lovelaceada_101").iterdir()
    assert kept.read_bytes() == work("old")


def test_a_time_that_is_known_counts_more_than_a_file_s_date(course, work, tmp_path):
    first = folder_with(
        tmp_path / "1", {f"ada/{FILE}": work("1"), "ada/timestamp.txt": b"2026-10-01 12:00:00 UTC"}
    )
    second = folder_with(
        tmp_path / "2", {f"ada/{FILE}": work("2"), "ada/timestamp.txt": b"2026-10-01 11:00:00 UTC"}
    )
    collect(course, NAME, [first, second])
    assert handed_in(course) == {"ada": work("1")}


def test_what_fits_the_assignment_comes_before_what_is_newer(course, work, tmp_path):
    other = json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": "1"}]}).encode()
    names = {
        f"lovelaceada_101_1_{FILE}": work(),
        "lovelaceada_101_2_scratch.ipynb": other,
        "lovelaceada_101_3_cut.ipynb": b"{",
        "noetheremmy_102_4_scratch.ipynb": other,
    }
    done = collect(course, NAME, [zipped(tmp_path / "s.zip", names)])
    assert handed_in(course) == {"lovelaceada_101": work(), "noetheremmy_102": other}
    mine, scratch, cut, hers = done.rows
    assert mine.status == "collected" and scratch.status == cut.status == "earlier"
    assert cut.notes[0] == "no notebook inside, in spite of its name"
    assert f"lovelaceada_101_1_{FILE} fits the assignment better" in scratch.notes
    assert hers.notes == [
        "holds 0% of this assignment's cells: is it another one's?",
        "was called scratch.ipynb",
    ]


@pytest.mark.parametrize("spoil", ["ids", "metadata", "both"])
def test_a_notebook_is_known_after_an_editor_had_it(small_course, spoil):
    notebook = small_course.answered()
    for cell in notebook["cells"]:
        if spoil in ("ids", "both"):
            cell.pop("id", None)
        if spoil in ("metadata", "both"):
            cell["metadata"] = {}
    assert known_cells(json.dumps(notebook).encode(), small_course.release) == 1.0


# Again


def test_a_second_run_changes_nothing(course, work, tmp_path):
    names = {"lovelaceada_LATE_101_7001_" + FILE: work("a"), "noetheremmy_102_7002_" + FILE: work("e")}
    source = zipped(tmp_path / "s.zip", names)
    before = source.read_bytes()
    collect(course, NAME, [source])
    there = everything_below(course.folder / "submitted")
    done = collect(course, NAME, [source])
    assert [row.status for row in done.rows] == ["unchanged"] * 2
    assert everything_below(course.folder / "submitted") == there
    assert source.read_bytes() == before


def test_a_later_download_replaces_and_an_earlier_one_does_not(course, work, tmp_path):
    old = zipped(tmp_path / "old.zip", {"lovelaceada_101_7001_" + FILE: work("old")})
    new = zipped(tmp_path / "new.zip", {f"lovelaceada_101_7009_{NAME}-1.ipynb": work("new")})
    collect(course, NAME, [old])
    done = collect(course, NAME, [new])
    assert done.rows[0].notes == ["replaces the one collected before"]
    assert handed_in(course) == {"lovelaceada_101": work("new")}
    done = collect(course, NAME, [old])
    assert done.rows[0].status == "earlier"
    assert done.rows[0].notes == [f"lovelaceada_101_7009_{NAME}-1.ipynb was collected before and is newer"]
    assert handed_in(course) == {"lovelaceada_101": work("new")}
    kept = [path.read_bytes() for path in (course.folder / "collected" / NAME).rglob("*.ipynb")]
    assert kept == [work("old")]


def test_the_time_of_a_notebook_that_gave_way_does_not_stay(course, work, tmp_path):
    stamp = b"2026-10-01 12:00:00 UTC"
    collect(
        course, NAME, [folder_with(tmp_path / "1", {f"ada/{FILE}": work("1"), "ada/timestamp.txt": stamp})]
    )
    (course.submitted("ada", NAME) / FILE).write_bytes(work("by hand"))
    collect(course, NAME, [folder_with(tmp_path / "2", {f"ada/{FILE}": work("2")})], replace=True)
    assert handed_in(course) == {"ada": work("2")}
    assert timestamp(course.submitted("ada", NAME)) is None


def test_a_time_written_by_hand_stays_with_its_notebook(course, work, tmp_path):
    source = folder_with(tmp_path / "1", {f"ada/{FILE}": work("1")})
    collect(course, NAME, [source])
    (course.submitted("ada", NAME) / "timestamp.txt").write_text("2026-10-02 12:00:00 UTC\n")
    collect(course, NAME, [source])
    assert timestamp(course.submitted("ada", NAME)) == "2026-10-02 12:00:00 UTC"


def test_what_others_put_there_is_not_replaced_unasked(course, work, tmp_path):
    folder_with(course.submitted("ada", NAME), {FILE: work("by hand")})
    source = folder_with(tmp_path / "in", {f"ada/{FILE}": work("collected")})
    done = collect(course, NAME, [source])
    assert done.rows[0].status == "not replaced" and done.rows[0].look
    assert handed_in(course) == {"ada": work("by hand")}
    done = collect(course, NAME, [source], replace=True)
    assert done.rows[0].status == "collected" and done.rows[0].notes == ["replaces another's"]
    assert handed_in(course) == {"ada": work("collected")}
    kept = [path.read_bytes() for path in (course.folder / "collected" / NAME).rglob("*.ipynb")]
    assert kept == [work("by hand")]


def test_stopped_in_the_middle_it_goes_on(course, work, tmp_path):
    source = folder_with(tmp_path / "in", {f"{name}/{FILE}": work(name) for name in ("ada", "bob", "eve")})

    def stop(done, total, student):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(course, NAME, [source], progress=stop)
    assert set(handed_in(course)) == {"ada", "bob"}
    done = collect(course, NAME, [source])
    assert told(done, "student", "status") == [
        ("ada", "unchanged"),
        ("bob", "unchanged"),
        ("eve", "collected"),
    ]


def test_a_memory_that_cannot_be_read_is_one_line(course, work, tmp_path):
    folder_with(course.folder / "collected", {f"{NAME}.json": b'{"version": 0}'})
    with pytest.raises(CourseError, match=r"collected/01_transposed_convolution.json cannot be read"):
        collect(course, NAME, [folder_with(tmp_path / "in", {f"ada/{FILE}": work()})])


# What cannot be used


def test_hostile_members_are_listed_and_lead_nowhere(course, work, tmp_path):
    source = zipped(
        tmp_path / "s.zip", {"../../up_1_2_x.ipynb": work(), "..\\..\\up.ipynb": work(), "ada/hw.pdf": b"x"}
    )
    with zipfile.ZipFile(source, "a") as archive:
        link = zipfile.ZipInfo("lovelaceada_101_1_" + FILE)
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    before = everything_below(tmp_path)
    done = collect(course, NAME, [source])
    assert [row.status for row in done.rows] == ["unreadable", "unreadable", "no notebook", "unreadable"]
    assert all(row.look and row.notes for row in done.rows)
    assert everything_below(tmp_path) == before


def test_every_file_has_a_row(course, work, tmp_path):
    names = {
        "ada/hw.ipynb": work(),
        "ada/hw.pdf": b"",
        "ada/.DS_Store": b"",
        ".hidden/x.ipynb": b"",
        "x.txt": b"",
    }
    done = collect(course, NAME, [folder_with(tmp_path / "in", names)])
    assert {row.file: row.status for row in done.rows} == {
        "ada/hw.ipynb": "collected",
        "ada/hw.pdf": "extra",
        "ada/.DS_Store": "ignored",
        ".hidden/x.ipynb": "ignored",
        "x.txt": "no notebook",
    }


# As it is typed


def run(course: Course, *arguments: str):
    """In the course's root, as an instructor would."""
    return CliRunner().invoke(
        main, ["collect", *arguments, "--course", str(course.folder)], catch_exceptions=False
    )


@pytest.fixture
def here(course, monkeypatch) -> Course:
    monkeypatch.chdir(course.root)
    return course


def test_the_table_and_the_exit_code(here, work, tmp_path):
    good = zipped(tmp_path / "good.zip", {f"lovelaceada_LATE_101_7_{NAME}.ipynb": work()})
    done = run(here, str(good), "--assignment", "1")
    assert done.exit_code == 0
    for words in (
        "1 files · 1 students · 1 late",
        "nobody knows how late lovelaceada_101",
        "1 written, 0 were there",
    ):
        assert words in done.output, words
    bad = zipped(tmp_path / "bad.zip", {"noetheremmy_102_8_hw.docx": b"x"})
    done = run(here, str(good), str(bad), "--assignment", NAME)
    assert done.exit_code == 1
    assert "noetheremmy_102" in done.output and "1 for you to settle" in done.output


def test_json_has_a_row_for_each_file(here, work, tmp_path):
    (here.folder / "roster.csv").write_text("student,name\nada,Ada Lovelace\nemmy,Emmy Noether\n")
    source = zipped(tmp_path / "s.zip", {f"lovelaceada_101_7_{FILE}": work(), "x_1_2_y.pdf": b""})
    done = run(here, str(source), "--assignment", NAME, "--json")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert data["students"] == ["ada"] and data["missing"] == ["emmy"]
    assert data["counts"] == {"collected": 1, "no notebook": 1}
    assert [row["look"] for row in data["files"]] == [False, True]
    assert data["files"][0]["source"] == str(source)


def test_wrong_use_is_told_apart_from_wrong_files(here, tmp_path):
    assert run(here, str(tmp_path / "none.zip"), "--assignment", NAME).exit_code == 2
    assert run(here, "--assignment", NAME).exit_code == 2
    done = run(here, str(tmp_path), "--assignment", "99_none")
    assert done.exit_code == 1 and "Error: no chapter is called '99_none'" in done.output
    (tmp_path / "no.zip").write_bytes(b"no")
    done = run(here, str(tmp_path / "no.zip"), "--assignment", NAME)
    assert done.exit_code == 1 and "is no zip that can be read" in done.output
